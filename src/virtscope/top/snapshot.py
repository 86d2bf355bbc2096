"""What is newest, asked for again and again in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from virtscope.cli.source import Item, Kind, Source
from virtscope.errors import NotFound, ServerError, VirtscopeError

Listed: TypeAlias = Kind | Literal["alerts"]
"""What top lists."""

SHORTEST, LONGEST = 0.5, 60.0
"""Seconds between two snapshots, at least and at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the screens show of one moment."""

    at: float
    """When it was asked for, Unix seconds."""
    items: Mapping[Listed, Sequence[Item]] = field(default_factory=dict)
    """Hosts and domains always, alerts where somebody asks rules; disks and interfaces where somebody looks at them."""
    detail: Item | None = None
    """The domain that is looked at closely, with its devices."""
    problem: str | None = None
    """Why there is nothing newer: the rest is of the last time that there was."""
    answered: float | None = None
    """When the items were answered, Unix seconds; None: never."""
    unasked: str | None = None
    """Why there are no alerts, or none that are new."""

    def of(self, kind: Listed) -> Sequence[Item]:
        """The items of a kind."""
        return self.items.get(kind, ())


class Feed:
    """Asks a source at an interval and tells what it answers. For any thread."""

    def __init__(self, source: Source, interval: float, told: Callable[[Snapshot], None]) -> None:
        """Make it; ``told`` is called from the feed's own thread."""
        self._source = source
        self._told = told
        self._wake = threading.Condition()
        self._interval = self._paced = interval
        self._kinds: frozenset[Kind] = frozenset({"hosts", "domains"})
        self._detail: str | None = None
        self._paused = self._ended = self._hurry = False
        self._last = Snapshot(time.time())
        self._thread = threading.Thread(target=self._run, name="top's feed", daemon=True)

    @property
    def interval(self) -> float:
        """Seconds between two snapshots."""
        return self._interval

    @property
    def is_paused(self) -> bool:
        """Whether nothing is asked for at the moment."""
        return self._paused

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question under way is left alone."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()

    def look_at(self, kind: Listed, detail: str | None = None) -> None:
        """Ask for this kind too, and for one domain closely, at once."""
        always: frozenset[Kind] = frozenset({"hosts", "domains"})
        with self._wake:
            self._kinds = always if kind == "alerts" else always | {kind}
            self._detail = detail
            self._hurry = True
            self._wake.notify_all()

    def hurry(self) -> None:
        """Ask at once."""
        with self._wake:
            self._hurry = True
            self._wake.notify_all()

    def pause(self, paused: bool) -> None:
        """Ask no more, or again."""
        with self._wake:
            self._paused = paused
            self._hurry = not paused
            self._wake.notify_all()

    def step(self, factor: float) -> float:
        """Make the interval longer or shorter; the new one."""
        with self._wake:
            self._interval = min(max(self._interval * factor, SHORTEST), LONGEST)
            self._wake.notify_all()
        return self._interval

    def ask(self) -> Snapshot:
        """Ask once. A source that does not answer leaves the last answer, with the problem."""
        asked = time.time()
        kinds, wanted = self._kinds, self._detail
        try:
            items: dict[Listed, Sequence[Item]] = {kind: self._source.items(kind) for kind in sorted(kinds)}
            alerts, unasked = self._alerts()
            if alerts is not None:
                items["alerts"] = alerts
            detail, problem = self._closely(wanted)
            self._last = Snapshot(asked, items, detail, problem, asked, unasked)
        except VirtscopeError as error:
            self._last = replace(self._last, at=asked, problem=str(error))
        return self._last

    def _alerts(self) -> tuple[Sequence[Item] | None, str | None]:
        """What there is to say of alerts, and what is wrong with it."""
        try:
            answer = self._source.alerts()
        except ServerError:
            raise  # it is away: nothing else that it said is new either
        except VirtscopeError as error:
            return None, str(error)
        problem = answer["problem"]
        return answer["alerts"], problem and f"the rules cannot be asked at the moment: {problem}"

    def _closely(self, wanted: str | None) -> tuple[Item | None, str | None]:
        if wanted is None:
            return None, None
        try:
            return self._source.domain(wanted), None
        except NotFound as error:
            return None, f"{error}: it is not defined any more"

    def _run(self) -> None:
        while not self._ended:
            if self._paced != self._interval:
                self._paced = self._interval
                self._source.pace(self._interval)
            began = time.monotonic()
            self._told(self.ask())
            self._rest(began)

    def _rest(self, began: float) -> None:
        """Wait until the next one is due, or something else is wanted."""
        with self._wake:
            while not self._ended and not self._hurry:
                left = began + self._interval - time.monotonic()
                if not self._paused and left <= 0:
                    break
                self._wake.wait(None if self._paused else left)
            self._hurry = False
