"""What the screens may ask of the application."""

from __future__ import annotations

from typing import Protocol, cast

from textual.screen import Screen

from virtscope.cli.source import Source
from virtscope.top.snapshot import Feed, Listed


class Controls(Protocol):
    """The application, as its screens know it."""

    source: Source
    feed: Feed

    def redraw(self) -> None:
        """Show the newest on the screen that is seen."""

    def open_domain(self, domain: str) -> None:
        """See a domain closely."""

    def compare(self, kind: Listed, keys: frozenset[str]) -> None:
        """See some beside each other."""


def controls(screen: Screen[None]) -> Controls:
    """The application that a screen belongs to."""
    return cast("Controls", screen.app)
