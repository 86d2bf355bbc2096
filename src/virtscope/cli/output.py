"""The output formats: one function each, from items to text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from virtscope import text
from virtscope.cli.columns import Column
from virtscope.cli.formats import Format
from virtscope.cli.source import Item

_ENDLESS = 10_000
_LEAST = 3
"""Columns that are shown however narrow the terminal is."""

STATE_STYLES = {
    "up": "green",
    "running": "green",
    "idle": "green",
    "enrolled": "green",
    "open": "green",
    "paused": "yellow",
    "pmsuspended": "yellow",
    "in shutdown": "yellow",
    "connecting": "yellow",
    "shut off": "dim",
    "down": "bold red",
    "crashed": "bold red",
    "expired": "bold red",
    "revoked": "dim",
    "used": "dim",
    "withdrawn": "dim",
    "firing": "red",
    "pending": "yellow",
    "unknown": "yellow",
}


def write(
    console: Console, items: Sequence[Item], columns: Sequence[Column], form: Format, *, headers: bool = True
) -> None:
    """Write a list in a format."""
    match form:
        case Format.TABLE | Format.WIDE:
            console.print(Listing(items, columns, wide=form is Format.WIDE, headers=headers))
        case Format.CSV:
            console.file.write(_csv(items, columns) if headers else _csv(items, columns).partition("\n")[2])
        case Format.NAME:
            names = [columns[0].value(item) for item in items]
            console.file.write("".join(f"{text.plain(name)}\n" for name in names))
        case _:
            console.file.write(_for_machines(list(items), form))


def write_lines(console: Console, items: Iterable[Item], columns: Sequence[Column], form: Format) -> None:
    """Write items one by one, as they come: a line each, JSON lines for machines."""
    for item in items:
        match form:
            case Format.JSON | Format.YAML:
                console.file.write(json.dumps(item, ensure_ascii=True) + "\n")
            case Format.CSV:
                console.file.write(_csv([item], columns).partition("\n")[2])
            case _:
                wanted = [column for column in columns if form is Format.WIDE or not column.wide]
                cells = [_cell(column, column.value(item)) for column in wanted]
                console.print(Text("  ").join(cells), soft_wrap=True)
        console.file.flush()


def write_one(console: Console, item: Item, shown: RenderableType, form: Format) -> None:
    """Write one object in a format; ``shown`` is how it looks to people."""
    match form:
        case Format.TABLE | Format.WIDE:
            console.print(shown)
        case Format.NAME:
            console.file.write(f"{text.plain(item.get('name', item.get('domain_name')))}\n")
        case Format.CSV:
            figures = [{"quantity": name, "value": value} for name, value in item.get("figures", {}).items()]
            console.file.write(
                _csv(figures, (Column("QUANTITY", lambda f: f["quantity"]), Column("VALUE", lambda f: f["value"])))
            )
        case _:
            console.file.write(_for_machines(item, form))


def _for_machines(answer: Any, form: Format) -> str:
    """JSON, YAML or parts of it: nothing in it but ASCII, so that no name steers a terminal."""
    if form is Format.JSON:
        return _ascii(msgspec.json.format(msgspec.json.encode(answer), indent=2)) + "\n"
    if form is Format.YAML:
        import yaml

        made: str = yaml.safe_dump(answer, sort_keys=False, allow_unicode=False)
        return made
    from virtscope.cli import jsonpath

    return jsonpath.written(form.path, answer)


def _ascii(document: bytes) -> str:
    """A document of JSON with everything outside of ASCII, which stands in its strings only, spelled out."""
    if document.isascii() and b"\x7f" not in document:
        return document.decode("ascii")
    return _OUTSIDE.sub(
        lambda found: f"\\u{ord(found[0]):04x}" if found[0] == "\x7f" else json.dumps(found[0])[1:-1], document.decode()
    )


_OUTSIDE = re.compile(r"\x7f|[^\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as a table that fits its terminal: what has no room is named below instead of being cut in every cell."""

    items: Sequence[Item]
    columns: Sequence[Column]
    wide: bool = False
    headers: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.items:
            yield Text("nothing there", style="dim")
            return
        columns = self._known()
        drawn = self._drawn(columns)
        while len(columns) > _LEAST and _width(console, options, drawn) > options.max_width:
            columns = columns[:-1]
            drawn = self._drawn(columns)
        yield drawn
        left_out = [column.title for column in self._known()[len(columns) :]]
        if left_out:
            yield Text(f"no room for: {', '.join(left_out)} (a wider terminal, or -o wide, shows them)", style="dim")

    def _known(self) -> list[Column]:
        """The columns asked for, less those of which nothing is known."""
        if self.wide:
            return list(self.columns)
        shown = [column for column in self.columns if not column.wide]
        return [column for column in shown if any(column.value(item) not in (None, "") for item in self.items)]

    def _drawn(self, columns: Sequence[Column]) -> Table:
        drawn = Table(
            box=box.SIMPLE_HEAD if self.headers else None,
            show_header=self.headers,
            pad_edge=False,
            header_style="bold",
        )
        for column in columns:
            drawn.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=not column.is_prose)
        for item in self.items:
            drawn.add_row(*(_cell(column, column.value(item)) for column in columns))
        return drawn


def console(form: Format = Format.TABLE) -> Console:
    """Where answers are written. Nobody wraps a line that a program reads; whoever asks for everything scrolls."""
    fits = sys.stdout.isatty() and form is not Format.WIDE
    return Console(width=None if fits else _ENDLESS)


def details(pairs: Sequence[tuple[str, str]]) -> Table:
    """Names and values, one pair a line."""
    drawn = Table(box=None, show_header=False, pad_edge=False)
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column()
    for name, value in pairs:
        drawn.add_row(Text(name), Text(value))
    return drawn


def sections(*parts: tuple[str, RenderableType]) -> Group:
    """Titled parts, one below the other."""
    return Group(*(line for title, part in parts for line in (Text(title, style="bold"), part, Text(""))))


def _width(console: Console, options: ConsoleOptions, drawn: Table) -> int:
    """How wide a table would be if it had all the room."""
    return Measurement.get(console, options.update(max_width=_ENDLESS), drawn).maximum


def _cell(column: Column, value: Any) -> Text:
    shown = text.UNKNOWN if value is None or value == "" else column.shown(value)
    style = STATE_STYLES.get(str(value).partition(",")[0], "") if column.title == "STATE" else ""
    return Text(shown, style=style or ("dim" if shown == text.UNKNOWN else ""))


def _csv(items: Sequence[Item], columns: Sequence[Column]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.title.lower().replace(" ", "_") for column in columns)
    for item in items:
        writer.writerow(harmless(column.value(item)) for column in columns)
    return stream.getvalue()


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, and no terminal for a command."""
    if not isinstance(value, str):
        return value
    shown = text.plain(value)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
