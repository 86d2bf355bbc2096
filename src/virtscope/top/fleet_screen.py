"""The lists: hosts, domains, disks, interfaces or alerts, sorted, searched, gathered."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar, cast

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from virtscope import text
from virtscope.cli.source import Item
from virtscope.errors import BadInput
from virtscope.top import alarms, view
from virtscope.top.controls import Controls, controls
from virtscope.top.grid import Grid, Shown
from virtscope.top.snapshot import Listed, Snapshot
from virtscope.top.trails import Trails
from virtscope.top.view import VIEWS, Look, Tree

_MOST_PROBLEMS = 4
"""Lines of what is down; the rest is counted."""


class Kinds(Static):
    """What can be listed, in a line; a click goes there."""

    def on_click(self, event: events.Click) -> None:
        """Go to what is clicked on."""
        end = 0
        for shown in VIEWS.values():
            end += len(_tab(shown))
            if event.x < end:
                cast("FleetScreen", self.screen).action_kind(shown.kind)
                return


class FleetScreen(Screen[None]):
    """A table of one kind of objects."""

    CSS = """
    FleetScreen #summary { text-style: bold; height: 1; }
    FleetScreen #kinds { height: 1; }
    FleetScreen #problems { color: $text-error; height: auto; max-height: 5; }
    FleetScreen #told { height: auto; max-height: 4; }
    FleetScreen #search { display: none; height: 1; border: none; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("h", "kind('hosts')", "Hosts", show=False),
        Binding("d", "kind('domains')", "Domains", show=False),
        Binding("b", "kind('disks')", "Disks", show=False),
        Binding("n", "kind('nics')", "NICs", show=False),
        Binding("a", "kind('alerts')", "Alerts", show=False),
        Binding("tab", "next_kind(1)", "Next list", show=False),
        Binding("shift+tab", "next_kind(-1)", "List before", show=False),
        Binding("t", "tree", "Tree"),
        Binding("w", "wide", "Wide"),
        Binding("less_than_sign", "order(-1)", "Sort before", show=False),
        Binding("greater_than_sign", "order(1)", "Sort next", key_display="<>"),
        Binding("r", "reverse", "Reverse"),
        Binding("space", "mark", "Mark", key_display="Space"),
        Binding("u", "unmark", "Unmark all", show=False),
        Binding("c", "compare", "Compare"),
        Binding("escape", "back", "Back", show=False),
        *(
            Binding(digit, f"column({at})", f"Sort by column {at + 1}", show=False)
            for at, digit in enumerate("1234567890")
        ),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        usual = {kind: Look(kind, "", shown.order, descending=True) for kind, shown in VIEWS.items()}
        self._looks = usual | {look.kind: look}
        self._kind: Listed = look.kind
        self._marked: dict[Listed, frozenset[str]] = {name: frozenset() for name in VIEWS}
        self._came_from: Listed | None = None
        self._tried: str | None = None
        """The search while it is being typed."""
        self._shown: tuple[Snapshot, Trails] | None = None

    @property
    def look(self) -> Look:
        """How the list that is shown is looked at."""
        return self._looks[self._kind]

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        yield Static(Text("virtscope top: asking …"), id="summary")
        yield Kinds(id="kinds")
        yield Static(id="problems")
        yield Grid()
        yield Static(id="told")
        yield Input(id="search", placeholder="host:a project:web cpu>80 state:running text", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        """The keys go to the table."""
        self.query_one(Grid).focus()
        self.ask()
        self.call_after_refresh(self._top.redraw)

    def on_screen_resume(self) -> None:
        """Somebody comes back to it."""
        self.ask()
        self._top.redraw()

    def ask(self) -> None:
        """Ask for what this screen shows, at once."""
        self._top.feed.look_at(self._kind)

    @property
    def _top(self) -> Controls:
        return controls(self)

    def show(self, snapshot: Snapshot, trails: Trails) -> None:
        """There is something newer."""
        self._shown = snapshot, trails
        summary = Text(view.summary(snapshot), no_wrap=True, overflow="ellipsis").append_text(alarms.count(snapshot))
        self.query_one("#summary", Static).update(summary)
        self._show_problems(view.problems(snapshot, time.time()))
        self._draw()

    def _show_problems(self, found: list[str]) -> None:
        more = [f"… and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
        shown = "\n".join(f"✗ {line}" for line in [*found[:_MOST_PROBLEMS], *more])
        problems = self.query_one("#problems", Static)
        problems.update(Text(shown, no_wrap=True, overflow="ellipsis"))
        problems.display = bool(found)

    def _draw(self) -> None:
        """The table, as it is looked at now."""
        if self._shown is None:
            return
        snapshot, trails = self._shown
        kind = self._kind
        look = self.look if self._tried is None else replace(self.look, search=self._tried)
        told = Text("")
        try:
            lines = view.lines(snapshot, look)
        except BadInput as error:
            told = Text(text.plain(f"{error}"), "bold red")
            told.append("".join(f"\n  {text.plain(line)}" for line in error.hint.splitlines()[-1:]), "dim")
            lines = []
        if not lines and not told:
            told = self._nothing(snapshot, look)
        self.query_one("#told", Static).update(told)
        self.query_one("#told").display = bool(told)
        self.query_one("#kinds", Static).update(self._head(snapshot, look, len([one for one in lines if one.item])))
        self.query_one(Grid).show(
            Shown(
                lines,
                view.shown_columns(look),
                look.order,
                look.descending,
                self._marked[kind],
                lambda key: view.spark_values(trails, kind, key),
                VIEWS[kind].full,
                alarms.severity_of(snapshot, kind),
            )
        )

    def _nothing(self, snapshot: Snapshot, look: Look) -> Text:
        if look.kind == "alerts" and snapshot.unasked:
            return Text(text.plain(snapshot.unasked), "yellow")
        if look.kind not in snapshot.items:
            return Text("asking …" if snapshot.problem is None else "nothing is known yet", "dim")
        if look.search:
            return Text(text.plain(f"nothing matches {look.search!r} (Esc shows everything)"), "yellow")
        return Text(f"{view.counted(look.kind, 0)} there", "dim")

    def _head(self, snapshot: Snapshot, look: Look, count: int) -> Text:
        """Which list it is, and how it is looked at."""
        line = Text(no_wrap=True, overflow="ellipsis")
        for one in VIEWS.values():
            line.append(_tab(one), "reverse bold" if one.kind == look.kind else "")
        feed = self._top.feed
        whole = len(snapshot.of(look.kind))
        parts = [
            f"{count} of {whole}" if look.search else f"{whole}",
            f"by {look.order} {'▼' if look.descending else '▲'}",
        ]
        parts += [look.tree.value] if look.tree is not Tree.NONE else []
        parts += ["wide"] if look.wide else []
        parts += [f"{len(marked)} marked"] if (marked := self._marked[look.kind]) else []
        parts.append(f"every {feed.interval:g} s")
        line.append("  " + " · ".join(parts))
        if look.search:
            line.append(f" · /{text.plain(look.search)}", "yellow")
        if feed.is_paused:
            line.append(f" · PAUSED, {text.duration(max(0.0, time.time() - snapshot.at))} old", "bold yellow")
        return line

    def _changed(self, **how: object) -> None:
        self._looks[self._kind] = replace(self.look, **how)  # type: ignore[arg-type]  # a field each
        self._draw()

    def action_kind(self, kind: Listed) -> None:
        """Go to another list."""
        self._kind = kind
        self._came_from = None
        self.ask()
        self._draw()

    def action_next_kind(self, by: int) -> None:
        """Go to the list beside this one."""
        kinds = list(VIEWS)
        self.action_kind(kinds[(kinds.index(self._kind) + by) % len(kinds)])

    def action_tree(self) -> None:
        """Gather the lines: by host, by project, not at all."""
        if self._kind == "hosts":
            self.notify("hosts stand by themselves: 'd' lists domains, which can be gathered by host", timeout=4)
            return
        trees = list(Tree)
        self._changed(tree=trees[(trees.index(self.look.tree) + 1) % len(trees)])

    def action_wide(self) -> None:
        """Show all columns, or the usual ones."""
        self._changed(wide=not self.look.wide)

    def action_reverse(self) -> None:
        """Sort the other way."""
        self._changed(descending=not self.look.descending)

    def action_order(self, by: int) -> None:
        """Sort by the column beside."""
        titles = self._titles()
        at = titles.index(self.look.order) if self.look.order in titles else 0
        self._sort(titles[(at + by) % len(titles)])

    def action_column(self, at: int) -> None:
        """Sort by the column with this digit; once more turns it round."""
        columns = view.shown_columns(self.look)
        if at < len(columns) and columns[at] is not view.HISTORY:
            self._choose(columns[at].title)

    def on_grid_sorted(self, message: Grid.Sorted) -> None:
        """Sort by the column that is clicked on."""
        if message.title != view.HISTORY.title:
            self._choose(message.title)

    def _titles(self) -> list[str]:
        return [column.title for column in view.shown_columns(self.look) if column is not view.HISTORY]

    def _choose(self, title: str) -> None:
        if title == self.look.order:
            self.action_reverse()
        else:
            self._sort(title)

    def _sort(self, title: str) -> None:
        column = next(column for column in VIEWS[self._kind].columns if column.title == title)
        self._changed(order=title, descending=column.is_number)

    def action_mark(self) -> None:
        """Mark the line under the cursor, or not; the cursor goes on."""
        grid = self.query_one(Grid)
        if grid.line is None or grid.line.item is None:
            return
        self._marked[self._kind] ^= {grid.line.key}
        self._draw()
        grid.action_step(1)

    def action_unmark(self) -> None:
        """Unmark everything."""
        self._marked[self._kind] = frozenset()
        self._draw()

    def action_compare(self) -> None:
        """See what is marked side by side."""
        if len(self._marked[self._kind]) < 2:
            self.notify("mark two or more with Space first", timeout=4)
            return
        self._top.compare(self._kind, self._marked[self._kind])

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """A branch folds, a host shows its domains, an alert what it speaks of, anything else its domain."""
        line = message.line
        if line.item is None:
            self._changed(closed=self.look.closed ^ {line.key})
        elif self._kind == "hosts":
            self._narrow("domains", f'host="{line.item["name"]}"')
        elif self._kind == "alerts":
            self._open_subject(line.item["subject"])
        else:
            self._top.open_domain(line.item["id"] if self._kind == "domains" else line.item["domain"])

    def _narrow(self, kind: Listed, search: str) -> None:
        """Go to what a search finds of another list, from where Esc leads back."""
        came_from = self._kind
        self._looks[kind] = replace(self._looks[kind], search=search)
        self.action_kind(kind)
        self._came_from = came_from

    def _open_subject(self, subject: Item) -> None:
        if subject["domain"]:
            self._top.open_domain(subject["domain"])
        elif subject["host"]:
            self._narrow("hosts", f"id={subject['host']}")
        else:
            told = f"{subject['name']} is not listed here: it is neither a host nor a domain, nor part of one"
            self.notify(text.plain(told), timeout=4, markup=False)

    def action_search(self) -> None:
        """Type a search."""
        entry = self.query_one("#search", Input)
        entry.value = self.look.search
        entry.display = True
        self.set_focus(entry)  # at once: what is typed next belongs there

    def on_input_changed(self, message: Input.Changed) -> None:
        """Show what it finds while it is being typed."""
        if message.input.display:
            self._tried = message.value
            self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Keep the search, unless it makes no sense: then it stays to be mended."""
        if self._shown is not None:
            try:
                view.lines(self._shown[0], replace(self.look, search=message.value))
            except BadInput:
                return
        self._end_search()
        self._changed(search=message.value.strip())

    def _end_search(self) -> None:
        self._tried = None
        self.set_focus(self.query_one(Grid))
        self.query_one("#search").display = False

    def action_back(self) -> None:
        """Give up the search that is typed; else go back to the host; else show everything again."""
        if self.query_one("#search").display:
            self._end_search()
            self._draw()
        elif self._came_from is not None:
            self._looks[self._kind] = replace(self.look, search="")
            self.action_kind(self._came_from)
        elif self.look.search:
            self._changed(search="")


def _tab(shown: view.View) -> str:
    return f" {shown.key}:{shown.title} "
