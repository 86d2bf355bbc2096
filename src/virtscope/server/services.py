"""What the routes answer from. A route gets it as somebody may see it (``Seen``), and there is no other way to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from virtscope.exposition.board import View
from virtscope.exposition.own import Told
from virtscope.prometheus.history import History
from virtscope.sample import Event
from virtscope.server.answers import EventAnswer
from virtscope.server.fleet import Directory
from virtscope.server.ingest import Ingest
from virtscope.server.present import Present
from virtscope.store import Reader, Version
from virtscope.store.checking import Checked, Flaw
from virtscope.store.findings import Dismissal, Kept, Run
from virtscope.store.levels import Held
from virtscope.store.sql import Sql


class Chronicle(Protocol):
    """What happened, and how things were described before."""

    def history(self, kind: str, id: str, limit: int = 500) -> list[Version]:  # noqa: A002
        """How a thing was described, oldest first: the newest ``limit`` versions of it."""

    def events(
        self,
        since: int,
        until: int,
        host: str | None = None,
        domain: str | None = None,
        kind: str | None = None,
        limit: int = 200,
        *,
        domains: Sequence[str] | None = None,
    ) -> list[Event]:
        """Events between two times (Unix ms), newest first; ``domains``: of none but these."""


class Found(Protocol):
    """What analyses have found, with its history."""

    def all(self, now: int, *, gone_since: int | None = None) -> list[Kept]:
        """What is found now; and what is gone since a time, where one is given. Unix ms."""

    def runs(self) -> dict[str, Run]:
        """The newest run of each analysis."""

    def dismiss(self, id: str, dismissal: Dismissal) -> None:  # noqa: A002
        """Take note that somebody does not want to hear of a finding; NotFound where there is none."""

    def restore(self, id: str) -> None:  # noqa: A002
        """Undo a dismissal; NotFound where there is none."""


class Newest(Protocol):
    """What is newest in the batches, for Prometheus."""

    def view(self, now: int) -> View:
        """Everything at one moment, Unix ms."""


class Stream(Protocol):
    """What is told to open pages."""

    def stream(self, only: Callable[[Iterable[EventAnswer]], list[EventAnswer]] | None = None) -> AsyncIterator[bytes]:
        """The messages for one listener, until either side ends it; of events those that ``only`` lets through."""

    def open(self) -> None:
        """Begin, in the running event loop."""

    def close(self) -> None:
        """End every stream."""


class Keeper(Protocol):
    """What whoever keeps the store asks of it."""

    def backup(self) -> Iterator[bytes]:
        """All of the data folder as it is now, as the bytes of a tar."""

    def check(self) -> Checked:
        """Read every file, and tell which are not what was written."""

    def mend(self, flaw: Flaw) -> str:
        """Put such a file away, and make it again where that can be done; tells what is lost."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes answer from."""

    store: Reader
    records: Chronicle
    findings: Found
    fleet: Directory
    present: Present
    ingest: Ingest
    live: Stream
    started: float
    demo: bool
    interval: float
    keep_days: int
    board: Newest
    ailment: Callable[[], str | None] = lambda: None
    """Why hours cannot be archived or forgotten, though all is stored; None where all is well."""
    history: History | None = None
    """Raw samples as Prometheus's series; None for whoever does not see all of it."""
    sql: Sql | None = None
    """SQL over the store; None for whoever does not see all of it."""
    keeper: Keeper | None = None
    """The store as a whole; None for whoever does not see all of it."""
    held: Callable[[], Sequence[Held]] = tuple
    """What the store holds of each level."""
    damage: Callable[[], str | None] = lambda: None
    """What is missing because the store was damaged; None where it was not."""
    own: Callable[[], Told] = dict
    """What the server tells of itself."""
    sight: str = ""
    """Names what can be seen, where that is not everything: two answers of one path differ by it."""
