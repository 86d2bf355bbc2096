"""What people read of the settings: the reference page, and files to begin with."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Listed, Switch, Whole
from virtscope.settings.program import Program

_WIDTH = 100


def groups(program: Program) -> Iterator[tuple[str, list[Setting[Any]]]]:
    """The settings by group, in their order."""
    names = dict.fromkeys(setting.group for setting in program.settings)
    for name in names:
        yield name, [setting for setting in program.settings if setting.group == name]


def reference(program: Program) -> Iterator[str]:
    """The lines of a program's tables, in Markdown."""
    for group, settings in groups(program):
        yield f"\n### {group}\n\n| Setting | Value | Default | What it is |\n|---|---|---|---|"
        for setting in settings:
            value = setting.kind.bounds or setting.kind.metavar
            default = f"`{setting.shown_default}`" if not setting.note else setting.note
            cells = (f"`{setting.name}`", value, default, setting.help)
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def example(program: Program) -> str:
    """A file of settings in which every default stands as a comment: what is to differ loses its ``#``."""
    lines = [
        f"# Settings of `virtscope {program.name}`. What is commented out is the default.",
        f"# Variables of the environment ({program.prefix}…) and options come before what is said here;",
        f"# `virtscope {program.name} --check` shows what counts, and where it comes from.",
    ]
    for group, settings in groups(program):
        lines += ["", f"## {group}"]
        for setting in settings:
            told = setting.help + (f" Default: {setting.note}." if setting.note else "")
            bounds = f" ({setting.kind.bounds})" if setting.kind.bounds else ""
            lines += ["", *(f"# {line}" for line in textwrap.wrap(told + bounds, _WIDTH))]
            lines.append(f"#{setting.name} = {_literal(setting)}")
    return "\n".join(lines) + "\n"


def _literal(setting: Setting[Any]) -> str:
    """The default as TOML."""
    if isinstance(setting.kind, Listed):
        return json.dumps(list(setting.default))
    text = setting.show(setting.default)
    bare = isinstance(setting.kind, Switch | Whole) and text
    return text if bare else json.dumps(text)
