"""Objects that are marked, side by side."""

from __future__ import annotations

from typing import ClassVar

from rich import box
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from virtscope import text
from virtscope.cli import output
from virtscope.cli.columns import Column
from virtscope.cli.source import Item
from virtscope.search import owned
from virtscope.top import view
from virtscope.top.controls import controls
from virtscope.top.drawing import sparkline
from virtscope.top.snapshot import Listed, Snapshot
from virtscope.top.trails import Trails, identity
from virtscope.top.view import VIEWS

MOST = 8
"""How many are compared at once."""


class CompareScreen(Screen[None]):
    """A column for each object, a line for each figure; the highest of a line is bold."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self, kind: Listed, keys: frozenset[str]) -> None:
        super().__init__()
        self._kind: Listed = kind
        self._keys = keys

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        with VerticalScroll():
            yield Static(id="table")
        yield Footer()

    def on_mount(self) -> None:
        """Show what there is, as soon as there is room for it."""
        self.call_after_refresh(controls(self).redraw)

    def on_screen_resume(self) -> None:
        """Show what there is."""
        controls(self).redraw()

    def show(self, snapshot: Snapshot, trails: Trails) -> None:
        """There is something newer."""
        items = snapshot.of(self._kind)
        if self._kind in ("disks", "nics"):
            items = owned(items, snapshot.of("domains"))
        found = [item for item in items if identity(self._kind, item) in self._keys]
        self.query_one("#table", Static).update(self._table(found[:MOST], len(self._keys), trails))

    def _table(self, items: list[Item], wanted: int, trails: Trails) -> Table:
        columns = VIEWS[self._kind].columns
        left_out = f"; {wanted - len(items)} not shown" if wanted > len(items) else ""
        drawn = Table(box=box.SIMPLE_HEAD, title=Text(f"{len(items)} {VIEWS[self._kind].title} compared{left_out}"))
        drawn.add_column("")
        for item in items:
            drawn.add_column(Text(text.plain(columns[0].value(item))), justify="right")
        for column in columns[1:]:
            values = [column.value(item) for item in items]
            if any(value not in (None, "") for value in values):
                drawn.add_row(Text(column.title, "dim"), *(_cells(column, values)))
        lines = [view.spark_values(trails, self._kind, identity(self._kind, item)) for item in items]
        if VIEWS[self._kind].spark:
            full = VIEWS[self._kind].full
            drawn.add_row(Text("HISTORY", "dim"), *(Text(sparkline(line, 24, full), "green") for line in lines))
        return drawn


def _cells(column: Column, values: list[object]) -> list[Text]:
    numbers = [value for value in values if isinstance(value, (int, float))]
    highest = max(numbers, default=None) if len(set(numbers)) > 1 else None
    cells = []
    for value in values:
        shown = text.UNKNOWN if value is None or value == "" else column.shown(value)
        style = output.STATE_STYLES.get(str(value).partition(",")[0], "") if column.title == "STATE" else ""
        cells.append(Text(shown, "bold" if value is not None and value == highest else style))
    return cells
