"""How a list is wanted: the options that every list has, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from virtscope.cli.arguments import Interval, NoHeaders, Output, Search, SortBy, Watch
from virtscope.cli.formats import Format


@dataclass(frozen=True, slots=True)
class Asked:
    """How a list is wanted."""

    search: str = ""
    sort_by: str = ""
    output: Format = Format.TABLE
    no_headers: bool = False
    watch: bool = False
    interval: float = 2.0


_ONCE: Mapping[str, Any] = {"search": Search, "sort_by": SortBy, "output": Output, "no_headers": NoHeaders}
_EVERY: Mapping[str, Any] = {**_ONCE, "watch": Watch, "interval": Interval}


def lists(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of every list, which it hears of as ``asked``."""
    return _with(command, _EVERY)


def lists_once(command: Callable[..., None]) -> Callable[..., None]:
    """The same for what is too dear to be asked again and again."""
    return _with(command, _ONCE)


def _with(command: Callable[..., None], options: Mapping[str, Any]) -> Callable[..., None]:
    @wraps(command)
    def called(**given: Any) -> None:
        how = {name: given.pop(name) for name in options}
        command(**given, asked=Asked(**how))

    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "asked"]
    usual = Asked()
    parameters = [
        *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(usual, name), annotation=annotation)
            for name, annotation in options.items()
        ),
    ]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called
