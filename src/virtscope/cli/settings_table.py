"""``--check``: every setting's value, and where it comes from."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from virtscope.settings import Resolved
from virtscope.text import plain

_ENDLESS = 10_000


def write(resolved: Resolved) -> None:
    """Print all of it; into a pipe in whole lines, whatever their length."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("SETTING", "VALUE", "FROM"):
        table.add_column(heading, overflow="fold")
    for setting in resolved.program.settings:
        style = "" if resolved.is_given(setting) else "dim"
        value = setting.show(resolved[setting]) or f"({setting.note or 'none'})"
        table.add_row(setting.name, Text(plain(value)), Text(plain(resolved.place(setting))), style=style)
    console.print(table)
