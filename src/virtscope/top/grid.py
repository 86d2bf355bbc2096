"""The table: thousands of lines, of which only those on the screen are ever drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from virtscope import text
from virtscope.cli import output
from virtscope.cli.columns import Column
from virtscope.cli.source import Item
from virtscope.top.alarms import mark
from virtscope.top.drawing import sparkline
from virtscope.top.view import HISTORY, SPARK_WIDTH, Line, style_of

WIDEST, WIDEST_PROSE = 40, 100
"""Characters of a cell."""
_GAP = "  "
_MARGIN = 3
"""Characters before the first column: whether a line is marked, and what fires for it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the table shows."""

    lines: Sequence[Line]
    columns: Sequence[Column]
    order: str
    descending: bool
    marked: frozenset[str]
    spark: Callable[[str], Sequence[float | None]]
    """The values of a line's sparkline, by its key."""
    full: float | None
    """What the sparklines' full height stands for."""
    severity: Callable[[Item], str | None]
    """Of what fires for an item; None: nothing does."""


class Grid(ScrollView, can_focus=True):
    """Lines with a cursor. The header stays; the line that the cursor is on keeps it when the order changes."""

    DEFAULT_CSS = """
    Grid { height: 1fr; }
    Grid > .grid--header { text-style: bold; color: $text-primary; background: $panel; }
    Grid > .grid--cursor { background: $primary; color: $text; text-style: bold; }
    Grid > .grid--branch { text-style: bold; color: $text-accent; }
    Grid > .grid--spark { color: $text-success; }
    Grid > .grid--old { text-style: dim; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--header",
        "grid--cursor",
        "grid--branch",
        "grid--spark",
        "grid--old",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(-1)", "Last", show=False),
        Binding("left", "sideways(-1)", "Left", show=False),
        Binding("right", "sideways(1)", "Right", show=False),
        Binding("enter", "open", "Open"),
    ]

    @dataclass
    class Opened(Message):
        """Somebody wants to see a line closely."""

        line: Line

    @dataclass
    class Sorted(Message):
        """Somebody has clicked on a column's title."""

        title: str

    def __init__(self) -> None:
        super().__init__()
        self._shown = Shown((), (), "", False, frozenset(), lambda _key: (), None, lambda _item: None)
        self._cursor = 0
        self._widths: dict[str, int] = {}
        self._cells: dict[int, list[tuple[str, str]]] = {}

    @property
    def line(self) -> Line | None:
        """The line that the cursor is on."""
        return self._shown.lines[self._cursor] if self._cursor < len(self._shown.lines) else None

    def show(self, shown: Shown) -> None:
        """Show something else, with the cursor where it was: on its line, or else at its place."""
        held = self.line
        if [column.title for column in shown.columns] != [column.title for column in self._shown.columns]:
            self._widths = {}
        self._shown = shown
        self._cells = {}
        if held is not None and not (self._cursor < len(shown.lines) and shown.lines[self._cursor].key == held.key):
            found = (at for at, line in enumerate(shown.lines) if line.key == held.key)
            self._cursor = next(found, min(self._cursor, max(len(shown.lines) - 1, 0)))
        self._measure()
        self.refresh()

    def _measure(self) -> None:
        """Columns grow with what is seen in them, and never shrink, so that nothing jumps."""
        first = self.scroll_offset.y
        for at in range(first, min(first + max(self.size.height, 1), len(self._shown.lines))):
            if self._shown.lines[at].item is None:
                continue
            indent = len(_GAP) * self._shown.lines[at].depth
            for column, (cell, _) in zip(self._shown.columns, self._cells_of(at), strict=True):
                self._widths[column.title] = max(self._width(column), min(cell_len(cell) + indent, _widest(column)))
                indent = 0
        width = sum(self._width(column) + len(_GAP) for column in self._shown.columns) + _MARGIN
        size = Size(width, len(self._shown.lines) + 1)
        if size != self.virtual_size:
            self.virtual_size = size

    def _width(self, column: Column) -> int:
        # A digit and an arrow may stand beside the title.
        least = SPARK_WIDTH if column is HISTORY else len(column.title) + 2
        return max(self._widths.get(column.title, 0), least)

    def _cells_of(self, at: int) -> list[tuple[str, str]]:
        """Each cell's text and style, made when its line is seen first."""
        if at not in self._cells:
            line = self._shown.lines[at]
            self._cells[at] = [self._cell(line, column) for column in self._shown.columns]
        return self._cells[at]

    def _cell(self, line: Line, column: Column) -> tuple[str, str]:
        if line.item is None:
            return "", ""
        if column is HISTORY:
            return sparkline(self._shown.spark(line.key), SPARK_WIDTH, self._shown.full), "spark"
        value = column.value(line.item)
        if value is None or value == "":
            return text.UNKNOWN, "dim"
        shown = column.shown(value)
        if column.title == "STATE":
            return shown, output.STATE_STYLES.get(str(value).partition(",")[0], "")
        return shown, style_of(column, value)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        base = self.rich_style
        at = y - 1 + self.scroll_offset.y
        if y == 0:
            strip, style = self._header(), base + self.get_component_rich_style("grid--header")
        elif at < len(self._shown.lines):
            strip = self._row(at)
            is_under = at == self._cursor
            style = base + (self.get_component_rich_style("grid--cursor") if is_under else Style())
            if is_under:
                strip = Strip([Segment(segment.text) for segment in strip])
        else:
            strip, style = Strip([]), base
        shown = strip.crop(self.scroll_offset.x, self.scroll_offset.x + self.size.width)
        return shown.extend_cell_length(self.size.width).apply_style(style)

    def _header(self) -> Strip:
        parts = [" " * _MARGIN]
        for number, column in enumerate(self._shown.columns):
            digit = str((number + 1) % 10) if number < 10 else ""
            arrow = ("▼" if self._shown.descending else "▲") if column.title == self._shown.order else ""
            title = f"{column.title}{arrow or digit.translate(_SMALL)}"
            parts.append(self._fitted(column, title) + _GAP)
        return Strip([Segment("".join(parts))])

    def _row(self, at: int) -> Strip:
        line = self._shown.lines[at]
        if line.item is None:
            return Strip([Segment(" " * _MARGIN), Segment(line.branch, self.get_component_rich_style("grid--branch"))])
        is_old = bool(line.item.get("stale") or line.item.get("silenced")) or line.item.get("state") in (
            "down",
            "connecting",
        )
        dim = self.get_component_rich_style("grid--old", partial=True) if is_old else Style()
        segments = [Segment("●" if line.key in self._shown.marked else " "), self._alarm(line.item), Segment(" ")]
        for number, (column, (cell, name)) in enumerate(zip(self._shown.columns, self._cells_of(at), strict=True)):
            shown = f"{_GAP * line.depth}{cell}" if number == 0 else cell
            segments.append(Segment(self._fitted(column, shown), self._style(name) + dim))
            segments.append(Segment(_GAP))
        return Strip(segments)

    def _alarm(self, item: Item) -> Segment:
        severity = self._shown.severity(item)
        return Segment(mark(severity).symbol, Style.parse(mark(severity).style)) if severity else Segment(" ")

    def _style(self, name: str) -> Style:
        if name == "spark":
            return self.get_component_rich_style("grid--spark", partial=True)
        return Style.parse(name)

    def _fitted(self, column: Column, cell: str) -> str:
        width = self._width(column)
        if column.is_number and (short := width - cell_len(cell)) > 0:
            return " " * short + cell
        return set_cell_size(cell, width) if cell_len(cell) <= width else f"{set_cell_size(cell, width - 1)}…"

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """What is seen now may be wider."""
        super().watch_scroll_y(old_value, new_value)
        self._measure()

    def on_resize(self) -> None:
        """What is seen now may be more."""
        self._measure()
        self._follow()

    def action_step(self, by: int) -> None:
        """Move the cursor."""
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by a screen."""
        self._go(self._cursor + by * max(self.size.height - 2, 1))

    def action_edge(self, at: int) -> None:
        """Move the cursor to the first or last line."""
        self._go(0 if at == 0 else len(self._shown.lines) - 1)

    def action_sideways(self, by: int) -> None:
        """See more columns."""
        self.scroll_to(x=self.scroll_offset.x + by * 12, animate=False)

    def action_open(self) -> None:
        """See the line closely."""
        if self.line is not None:
            self.post_message(self.Opened(self.line))

    def on_click(self, event: events.Click) -> None:
        """A title sorts, a line takes the cursor, a second click opens it."""
        if event.y == 0:
            if column := self._column_at(event.x + self.scroll_offset.x):
                self.post_message(self.Sorted(column.title))
            return
        at = event.y - 1 + self.scroll_offset.y
        if at < len(self._shown.lines):
            self._go(at)
            if event.chain == 2:
                self.action_open()

    def _column_at(self, x: int) -> Column | None:
        end = _MARGIN
        for column in self._shown.columns:
            end += self._width(column) + len(_GAP)
            if x < end:
                return column
        return None

    def _go(self, at: int) -> None:
        self._cursor = min(max(at, 0), max(len(self._shown.lines) - 1, 0))
        self._follow()
        self.refresh()

    def _follow(self) -> None:
        """Scroll so that the cursor is seen."""
        room = max(self.size.height - 1, 1)
        first = self.scroll_offset.y
        if self._cursor < first:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= first + room:
            self.scroll_to(y=self._cursor - room + 1, animate=False)


def _widest(column: Column) -> int:
    return WIDEST_PROSE if column.is_prose else WIDEST


_SMALL = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
