"""How long to wait before asking again: each time twice as long, and never everybody at once."""

from __future__ import annotations

import random

FIRST, LONGEST = 1.0, 60.0
"""Seconds, of the first wait and of any."""


class Backoff:
    """The waits between tries of one thing."""

    def __init__(self, longest: float | None = None) -> None:
        """Begin; the longest wait is :data:`LONGEST` where it is not told."""
        self._longest = LONGEST if longest is None else longest
        self._next = FIRST

    def pause(self, asked: float | None = None) -> float:
        """Seconds until the next try, after one that failed; no less, about, than the server ``asked`` for."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return max(pause, asked or 0.0) * random.uniform(0.7, 1.3)

    def reset(self) -> None:
        """It went well."""
        self._next = FIRST
