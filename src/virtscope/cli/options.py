"""A program's settings as options of its command, with ``--config`` and ``--check``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from virtscope.settings import Program, Resolved, Setting, resolve, sources
from virtscope.settings.kinds import Listed, Switch


class Here(Protocol):
    """A program with the defaults of whoever runs it."""

    def __call__(self, environment: Mapping[str, str], *, root: bool) -> Program:
        """The environment, and whether root runs it."""


def command(app: typer.Typer, program: Program, here: Here, run: Callable[[Resolved], None], text: str) -> None:
    """Add a program's command: its options are its settings.

    Args:
        app: where it is added.
        program: what may be set.
        here: the same with its user's defaults.
        run: hears of the settings once they make sense.
        text: its help, with an example.
    """

    def called(config: Path | None, check: bool, **flags: object) -> None:
        mine = here(os.environ, root=os.geteuid() == 0)
        given = {setting.name: flags[_word(setting)] for setting in mine.settings if _is_given(flags[_word(setting)])}
        resolved = resolve(mine, sources.read(mine, config), os.environ, given)
        if check:
            from virtscope.cli import settings_table

            settings_table.write(resolved)
            return
        run(resolved)

    called.__signature__ = _signature(program)  # type: ignore[attr-defined]
    called.__annotations__ = {
        name: parameter.annotation for name, parameter in inspect.signature(called).parameters.items()
    }
    called.__doc__ = text
    app.command(program.name)(called)


def _is_given(value: object) -> bool:
    return value is not None and value != []


def _word(setting: Setting[Any]) -> str:
    """The name of its parameter."""
    return setting.name.replace("-", "_")


def _signature(program: Program) -> inspect.Signature:
    """What typer reads: texts, so that settings alone decide what makes sense, and say so in one way."""
    config = typer.Option(
        "--config",
        metavar="FILE",
        help="The file of settings." + (f" \\[default: {program.file}, if there is one]" if program.file else ""),
    )
    check = typer.Option("--check", help="Print every setting and where it comes from, and end.")
    parameters = [
        _parameter("config", Path | None, config, None),
        _parameter("check", bool, check, default=False),
        *(_option(setting) for setting in program.settings),
    ]
    return inspect.Signature(parameters)


def _option(setting: Setting[Any]) -> inspect.Parameter:
    name = f"--{setting.name}" + (f"/--{setting.off}" if setting.off else "")
    repeated = isinstance(setting.kind, Listed)
    switch = isinstance(setting.kind, Switch)
    help_text = setting.help + (" May be repeated." if repeated else "")
    if not switch or setting.note:
        help_text += f" \\[default: {setting.shown_default}]"  # the backslash: typer reads markup
    made = typer.Option(
        *((name, setting.short) if setting.short else (name,)),
        metavar=None if switch else setting.kind.metavar,
        help=help_text,
        rich_help_panel=setting.group,
        show_default=False,
    )
    kind: Any = list[str] | None if repeated else bool | None if switch else str | None
    return _parameter(_word(setting), kind, made, None)


def _parameter(name: str, kind: Any, option: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
