"""Which records need not be sent any more: those that the server has stored, or has refused for good."""

from __future__ import annotations

from collections.abc import Iterator

from virtscope.ranges import Range, Ranges
from virtscope.wire import MOST_RANGES

_NOTHING = Ranges()


class Settled:
    """Sequence numbers, by epoch. Not for several threads at once."""

    def __init__(self) -> None:
        self._stored: dict[int, Ranges] = {}
        self._aside: dict[int, Ranges] = {}

    def store(self, epoch: int, stored: Ranges) -> bool:
        """Take the server's word for which numbers are durable; whether that is less than it was."""
        # A receipt that is full leaves out the oldest ranges.
        told_from = next(iter(stored))[0] if len(stored) >= MOST_RANGES else 0
        before = self._stored.get(epoch, _NOTHING)
        self._stored[epoch] = stored
        return any(stored.missing(max(first, told_from), last) for first, last in before if last >= told_from)

    def put_aside(self, epoch: int, sequence: int) -> None:
        """The server will never take this one."""
        self._aside.setdefault(epoch, Ranges()).add(sequence, sequence)

    def has(self, epoch: int, sequence: int) -> bool:
        """Whether this one is settled."""
        return any(sequence in known.get(epoch, _NOTHING) for known in (self._stored, self._aside))

    def missing(self, epoch: int, first: int, last: int) -> Iterator[Range]:
        """What of a range is not settled."""
        aside = self._aside.get(epoch, _NOTHING)
        for low, high in self._stored.get(epoch, _NOTHING).missing(first, last):
            yield from aside.missing(low, high)
