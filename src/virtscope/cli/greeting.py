"""What a program says when it begins and ends: in colour on a terminal, as records of the log elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from virtscope import __version__, logs
from virtscope.agent.settings import Watching
from virtscope.text import plain

log = logging.getLogger(__name__)


class Greeting:
    """Says a few lines."""

    def __init__(self, form: str) -> None:
        """``form`` is the log's."""
        self._console = Console(stderr=True) if logs.for_people(form) else None

    def begins(self, name: str, address: str, watching: Watching, *more: Text) -> None:
        """Tell where a program is to be found, and what it watches."""
        self._say(Text.assemble((f"{name} ", "bold"), f"{__version__} is at ", (address, "bold cyan")))
        for line in (*_watched(watching), *more):
            self._say(line)
        if self._console is not None:
            self._say(Text("  Ctrl-C ends it.", "dim"))

    def ended(self, name: str) -> None:
        """Tell that it has."""
        self._say(Text(f"{name} has ended.", "dim"))

    def _say(self, line: Text) -> None:
        if self._console is not None:
            self._console.print(line)
        else:
            log.info("%s", line.plain.strip())


def _watched(watching: Watching) -> Iterator[Text]:
    for watched in (*(uri.text for uri in watching.uris), *watching.sources):
        writes = ", ".join(sorted(watching.allowed_on(watched)))
        yield Text(f"  watches {plain(watched)}" + (f", and may write: {writes}" if writes else ""))
