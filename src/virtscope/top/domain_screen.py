"""One domain closely: the history of its figures, its devices, what happened to it, its XML, its network filters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static, TabbedContent, TabPane

from virtscope import text
from virtscope.cli import columns, filter_view, output, portrait
from virtscope.cli.source import Curves, Happened, Item
from virtscope.errors import BadInput, VirtscopeError
from virtscope.top import alarms, drawing
from virtscope.top.controls import Controls, controls
from virtscope.top.snapshot import Snapshot
from virtscope.top.trails import Trails

LIVE = 0.0
RANGES = (LIVE, 3600.0, 6 * 3600.0, 86_400.0, 7 * 86_400.0)
"""Seconds that the charts show; 0 is what this program has seen itself."""
REFRESH_SECONDS = 15.0
"""How often a server is asked for charts."""
EVENTS_SECONDS = 7 * 86_400.0
_MOST_ALARMS = 3
_TABS = ("charts", "devices", "events", "xml", "filters")


@dataclass(frozen=True, slots=True)
class Plotted:
    """One chart."""

    quantity: str
    title: str
    shown: Callable[[float | None], str]
    top: float | None = None
    """What the full height stands for; None: the highest value."""


PLOTTED = (
    Plotted("cpu_ratio", "CPU", text.ratio, 1.0),
    Plotted("steal_ratio", "Steal", text.ratio),
    Plotted("memory_used_ratio", "Memory used", text.ratio, 1.0),
    Plotted("disk_read", "Disk read", text.rate),
    Plotted("disk_write", "Disk write", text.rate),
    Plotted("disk_write_latency", "Write latency", text.duration),
    Plotted("net_receive", "Net in", text.rate),
    Plotted("net_transmit", "Net out", text.rate),
    Plotted("memory_current", "Memory", text.size),
)


class Chart(Widget):
    """One figure over time."""

    DEFAULT_CSS = "Chart { height: 1fr; min-height: 4; padding: 0 1; }"

    def __init__(self, plotted: Plotted) -> None:
        super().__init__(id=plotted.quantity)
        self._plotted = plotted
        self._values: Sequence[float | None] = ()

    def show(self, values: Sequence[float | None]) -> None:
        """Draw these."""
        self._values = values
        self.refresh()

    def render(self) -> Text:
        """The title with the newest and the highest value, and the curve below."""
        known = [value for value in self._values if value is not None]
        plotted = self._plotted
        newest = plotted.shown(self._values[-1] if self._values else None)
        head = Text.assemble((plotted.title, "bold"), f" {newest}", no_wrap=True, overflow="ellipsis")
        if not known:
            return head.append("\nnot known", "dim")
        head.append(f"  highest {plotted.shown(max(known))}", "dim")
        width, height = max(self.content_size.width, 2), max(self.content_size.height - 1, 1)
        lines = drawing.chart(self._values, width, height, plotted.top)
        return head.append("\n" + "\n".join(lines), "cyan")


class DomainScreen(Screen[None]):
    """Everything known of one domain."""

    CSS = """
    DomainScreen #head { height: auto; }
    DomainScreen #range { height: 1; }
    DomainScreen TabbedContent { height: 1fr; }
    DomainScreen TabPane { padding: 0; }
    DomainScreen #curves { grid-size: 3; grid-gutter: 0 1; height: 1fr; }
    DomainScreen VerticalScroll Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        *(
            Binding(str(at + 1), f"tab('{name}')", name.capitalize() if name != "xml" else "XML")
            for at, name in enumerate(_TABS)
        ),
        Binding("left_square_bracket", "range(-1)", "Shorter", key_display="["),
        Binding("right_square_bracket", "range(1)", "Longer", key_display="]"),
    ]

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain
        self._range = LIVE
        self._curves: Curves | None = None
        self._asked = 0.0
        self._told = ""
        self._xml: str | None = None

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        yield Static(Text("asking …"), id="head")
        with TabbedContent(initial="charts"):
            with TabPane("1 Charts", id="charts"):
                yield Static(id="range")
                with Grid(id="curves"):
                    yield from (Chart(plotted) for plotted in PLOTTED)
            for at, name in enumerate(_TABS[1:], 2):
                title = "XML" if name == "xml" else name.capitalize()
                with TabPane(f"{at} {title}", id=name), VerticalScroll():
                    yield Static(id=f"{name}-text")
        yield Footer()

    @property
    def _top(self) -> Controls:
        return controls(self)

    def on_mount(self) -> None:
        """Show what there is, as soon as there is room for it."""
        self.call_after_refresh(self._top.redraw)

    def on_screen_resume(self) -> None:
        """Somebody comes to it."""
        self.ask()
        self._top.redraw()

    def ask(self) -> None:
        """Ask for what this screen shows, at once."""
        self._top.feed.look_at("domains", self._domain)
        self._ask_once()

    def show(self, snapshot: Snapshot, trails: Trails) -> None:
        """There is something newer."""
        found = next((item for item in snapshot.of("domains") if item["id"] == self._domain), None)
        item = snapshot.detail if snapshot.detail and snapshot.detail["id"] == self._domain else None
        self.query_one("#head", Static).update(_head(item or found, snapshot))
        self._show_charts(trails)
        if item is not None:
            self._fill("devices", portrait.domain(item))
            if item["xml"] != self._xml:
                self._xml = item["xml"]
                self._fill("xml", Text("\n".join(text.plain(line) for line in item["xml"].splitlines())))

    def _show_charts(self, trails: Trails) -> None:
        for plotted in PLOTTED:
            values: Sequence[float | None]
            if self._range == LIVE:
                values = trails.of("domains", self._domain, plotted.quantity)
            else:
                values = self._curves.values.get(plotted.quantity, ()) if self._curves else ()
            self.query_one(f"#{plotted.quantity}", Chart).show(values)
        if self._range == LIVE:
            seen = trails.times[-1] - trails.times[0] if len(trails.times) > 1 else 0.0
            told = f"the last {text.duration(min(seen, 120 * self._top.feed.interval))}, as seen here"
        else:
            told = f"the last {text.duration(self._range)}, from the server"
            if time.monotonic() - self._asked > REFRESH_SECONDS:
                self._ask_curves()
        line = Text(told, "dim")
        if self._told:
            line.append(f"  {text.plain(self._told)}", "yellow")
        self.query_one("#range", Static).update(line)

    def action_tab(self, name: str) -> None:
        """Show another part."""
        self.query_one(TabbedContent).active = name

    def action_range(self, by: int) -> None:
        """A shorter or longer time in the charts."""
        at = min(max(RANGES.index(self._range) + by, 0), len(RANGES) - 1)
        self._range, self._curves, self._told = RANGES[at], None, ""
        if self._range != LIVE:
            self._ask_curves()
        self._top.redraw()

    def _ask_curves(self) -> None:
        self._asked = time.monotonic()
        seconds = self._range
        source = self._top.source

        def ask() -> None:
            try:
                found = source.curves(self._domain, [plotted.quantity for plotted in PLOTTED], seconds)
            except BadInput as error:
                self.app.call_from_thread(self._no_curves, str(error))
            except VirtscopeError as error:
                self.app.call_from_thread(self._got_curves, seconds, self._curves, str(error))
            else:
                self.app.call_from_thread(self._got_curves, seconds, found, "")

        self.run_worker(ask, thread=True, group="curves")

    def _got_curves(self, seconds: float, found: Curves | None, told: str) -> None:
        if seconds == self._range:
            self._curves, self._told = found, told
            self._top.redraw()

    def _no_curves(self, told: str) -> None:
        self._range, self._told = LIVE, told
        self._top.redraw()

    def _ask_once(self) -> None:
        """What changes seldom: events and network filters."""
        source, domain = self._top.source, self._domain

        def ask() -> None:
            which = Happened(time.time() - EVENTS_SECONDS, domain=domain)
            self._ask_into("events", lambda: output.Listing(source.events(which), columns.EVENTS))
            self._ask_into("filters", lambda: filter_view.guards(source.guards(domain)))

        self.run_worker(ask, thread=True, group="once", exclusive=True)

    def _ask_into(self, name: str, answer: Callable[[], RenderableType]) -> None:
        try:
            found = answer()
        except VirtscopeError as error:
            found = Text(text.plain(f"{error}. {error.hint}"), "yellow")
        self.app.call_from_thread(self._fill, name, found)

    def _fill(self, name: str, shown: RenderableType) -> None:
        if self.is_mounted:
            self.query_one(f"#{name}-text", Static).update(shown)


def _head(item: Item | None, snapshot: Snapshot) -> Text:
    """What the domain is, and what is wrong with it or with what is known of it."""
    if item is None:
        return Text("this domain is not there" if snapshot.answered else "asking …", "bold red")
    style = output.STATE_STYLES.get(item["state"], "")
    figures = item["figures"]
    line = Text.assemble(
        (text.plain(item["name"]), "bold"),
        "  ",
        (text.plain(item["state"]), style),
        text.plain(f" ({item['state_reason']})" if item["state_reason"] else ""),
        text.plain(f"  on {item['host_name']}"),
        f"  {text.number(figures.get('vcpus'))} vCPUs, {text.size(figures.get('memory_current'))}",
        text.plain(f"  project {item['facts']['project']}" if item["facts"]["project"] else ""),
        f"  {item['id']}",
        no_wrap=True,
        overflow="ellipsis",
    )
    if item["stale"]:
        line.append(f"\n✗ its host is not up: the figures are {text.ago(item['sampled'])}", "bold red")
    if item["timed_out"]:
        line.append("\n✗ its emulator does not answer: memory and disks are not known", "bold red")
    for alarm in alarms.of_domain(snapshot, item["id"])[:_MOST_ALARMS]:
        line.append("\n").append_text(alarm)
    if snapshot.problem:
        line.append(f"\n✗ {text.plain(snapshot.problem)}", "bold red")
    return line
