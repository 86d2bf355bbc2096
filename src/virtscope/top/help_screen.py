"""The keys."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("h d b n a", "hosts, domains, disks (block devices), NICs, alerts; Tab goes on to the next"),
    ("↑ ↓ PgUp PgDn", "move; Home and End; j k g G as in vi; ← → see more columns"),
    ("Enter", "a host's domains; a domain with its history; what an alert speaks of; fold a branch"),
    ("Esc", "back; give up the search"),
    ("/", "search, as below"),
    ("1 … 9 0", "sort by the column with this digit; once more turns it round"),
    ("< >", "sort by the column before, or the next; r turns it round"),
    ("t", "tree: by host, by project, flat"),
    ("w", "wide: all columns"),
    ("Space", "mark a line; u unmarks all; c compares what is marked"),
    ("▲ △ ◇", "beside a line: an alert fires for it, critical, warning or info"),
    ("p", "pause, and go on"),
    ("+ -", "a longer, or a shorter interval; F5 asks now"),
    ("T", "the next theme"),
    ("Mouse", "a title sorts, a click moves, a double click opens, the wheel scrolls"),
    ("1 … 5", "in a domain: charts, devices, events, XML, network filters"),
    ("[ ]", "in a domain: a shorter, or a longer time in the charts"),
    ("q", "quit"),
)
SEARCH = (
    ("web", "in a name, host, project, UUID"),
    ("host:a project:web", "both: a part of the text; = is all of it; * and ? stand for anything"),
    ("cpu>80 memory>=4G", "numbers, in the units of the table"),
    ("state:running,paused", "one of them"),
    ("used:20..50", "within"),
    ("used:unknown", "not known"),
    ("-state:running", "not; 'or' and parentheses do what they say"),
)


class HelpScreen(ModalScreen[None]):
    """What the keys do."""

    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen VerticalScroll { width: 90; max-width: 95%; height: auto; max-height: 95%; border: round $primary;
        background: $surface; padding: 0 1; }
    HelpScreen Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q,enter", "app.pop_screen", "Back"),
    ]

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        with VerticalScroll():
            yield Static(Text("virtscope top", "bold"))
            yield Static(_table(KEYS))
            yield Static(Text("\nSearch", "bold"))
            yield Static(_table(SEARCH))


def _table(rows: tuple[tuple[str, str], ...]) -> Table:
    drawn = Table(box=None, show_header=False, pad_edge=False)
    drawn.add_column(style="bold cyan", no_wrap=True)
    drawn.add_column()
    for key, meaning in rows:
        drawn.add_row(Text(key), Text(meaning))
    return drawn
