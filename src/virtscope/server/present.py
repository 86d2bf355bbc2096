"""The present: what is answered about now until something newer is stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from virtscope.catalogue import Scope
from virtscope.server.fleet import Directory
from virtscope.server.now import Now
from virtscope.store import Latest

DEAR_SECONDS = 0.25
"""Figures that took longer to compute are not computed for every commit …"""
KEPT = 4.0
"""… but stay for so many times what they took: of thousands of hosts, some commit every fraction of a second."""


class Newest(Protocol):
    """What can tell the newest figures: a store, or two samples just taken."""

    def latest(self, scope: Scope) -> Iterable[Latest]:
        """Every object that is in its host's newest sample, with all quantities and states of its scope."""


class Present:
    """The newest moment, computed once, whoever asks."""

    def __init__(self, newest: Newest, fleet: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._newest = newest
        self._fleet = fleet
        self._clock = clock
        self._guard = threading.Lock()
        self._commit = self._at = 0
        self._made = clock()
        self._now = self._make()

    def committed(self, commit: int, at: int) -> None:
        """There is something newer."""
        with self._guard:
            self._commit, self._at = commit, at

    def now(self) -> Now:
        """The moment of the newest commit; one a little older where the fleet is too large for a new one each time."""
        with self._guard:
            if self._now.commit != self._commit and not self._is_dear():
                self._now, self._made = self._make(), self._clock()
            return self._now

    def _make(self) -> Now:
        return Now(self._commit, self._at, self._fleet, self._newest.latest)

    def _is_dear(self) -> bool:
        cost = self._now.cost
        return cost > DEAR_SECONDS and self._clock() < self._made + KEPT * cost
