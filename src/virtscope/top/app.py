"""The application: what is newest, and the screens that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from virtscope.cli.source import Source
from virtscope.top.compare_screen import CompareScreen
from virtscope.top.domain_screen import DomainScreen
from virtscope.top.fleet_screen import FleetScreen
from virtscope.top.help_screen import HelpScreen
from virtscope.top.snapshot import Feed, Listed, Snapshot
from virtscope.top.trails import Trails
from virtscope.top.view import Look


@runtime_checkable
class Showing(Protocol):
    """A screen that shows the newest."""

    def show(self, snapshot: Snapshot, trails: Trails) -> None:
        """There is something newer."""


class TopApp(App[None]):
    """The fleet, live."""

    TITLE = "virtscope top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("p", "pause", "Pause"),
        Binding("plus,equals_sign", "slower", "Longer interval", show=False),
        Binding("minus", "faster", "Shorter interval", show=False),
        Binding("f5", "now", "Ask now", show=False),
        Binding("T", "theme", "Theme", show=False),
    ]

    @dataclass
    class Fetched(Message):
        """There is something newer."""

        snapshot: Snapshot

    def __init__(self, source: Source, interval: float, look: Look) -> None:
        """Make it.

        Args:
            source: where everything comes from.
            interval: seconds between two questions.
            look: what is seen at first.
        """
        super().__init__()
        self.source = source
        self.feed = Feed(source, interval, self._arrived)
        self.snapshot: Snapshot | None = None
        self.trails = Trails()
        self._first = FleetScreen(look)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.push_screen(self._first)
        self.feed.start()

    def on_unmount(self) -> None:
        """Ask no more."""
        self.feed.stop()

    def _arrived(self, snapshot: Snapshot) -> None:
        if self.is_running:
            self.post_message(self.Fetched(snapshot))

    def on_top_app_fetched(self, message: Fetched) -> None:
        """Remember it, and show it."""
        self.snapshot = message.snapshot
        self.trails.add(message.snapshot)
        self.redraw()

    def redraw(self) -> None:
        """Show the newest on the screen that is seen."""
        screen = self.screen
        # One that is only being made has nothing to show it on yet; it asks for this again when it has.
        if self.snapshot is not None and isinstance(screen, Showing) and screen.is_mounted:
            screen.show(self.snapshot, self.trails)

    def open_domain(self, domain: str) -> None:
        """See a domain closely."""
        self.push_screen(DomainScreen(domain))

    def compare(self, kind: Listed, keys: frozenset[str]) -> None:
        """See some beside each other."""
        self.push_screen(CompareScreen(kind, keys))

    def action_help(self) -> None:
        """Tell the keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        """Ask no more, or again."""
        self.feed.pause(not self.feed.is_paused)
        self.redraw()

    def action_slower(self) -> None:
        """Ask half as often."""
        self.notify(f"every {self.feed.step(2):g} s", timeout=2)
        self.redraw()

    def action_faster(self) -> None:
        """Ask twice as often."""
        self.notify(f"every {self.feed.step(0.5):g} s", timeout=2)
        self.redraw()

    def action_now(self) -> None:
        """Ask at once."""
        if isinstance(self.screen, (FleetScreen, DomainScreen)):
            self.screen.ask()
        else:
            self.feed.hurry()

    def action_theme(self) -> None:
        """The next theme."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(f"theme {self.theme}", timeout=2)


def run(source: Source, interval: float, look: Look) -> None:
    """Show the fleet until somebody quits."""
    TopApp(source, interval, look).run()
