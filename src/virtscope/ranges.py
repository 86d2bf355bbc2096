"""Sets of sequence numbers as ranges: which batches are stored, and which are missing.

A range is (first, last), both within it. A set is kept as few ranges as possible, in order: with nothing missing it is
one, however many batches there were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]


class Ranges:
    """A set of whole numbers. Not for several threads at once."""

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Take ranges in any order; those that overlap or touch become one."""
        self._ranges: list[Range] = []
        for first, last in sorted(ranges):
            if first > last:
                raise ValueError(f"{first} to {last} is no range")
            if self._ranges and first <= self._ranges[-1][1] + 1:
                self._ranges[-1] = (self._ranges[-1][0], max(last, self._ranges[-1][1]))
            else:
                self._ranges.append((first, last))

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        """How many ranges it takes."""
        return len(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._ranges == other._ranges

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Ranges({self._ranges!r})"

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._ranges, (number, _ENDLESS)) - 1
        return at >= 0 and number <= self._ranges[at][1]

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return sum(last - first + 1 for first, last in self._ranges)

    def add(self, first: int, last: int) -> None:
        """Take in every number from ``first`` to ``last``."""
        begin = bisect_right(self._ranges, (first, _ENDLESS))
        if begin and self._ranges[begin - 1][1] >= first - 1:
            begin -= 1
        end = begin
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            first, last = min(first, self._ranges[end][0]), max(last, self._ranges[end][1])
            end += 1
        self._ranges[begin:end] = [(first, last)]

    def close(self, most: int) -> None:
        """Fill the lowest gaps until there are so many ranges at most."""
        if (extra := len(self._ranges) - most) > 0:
            self._ranges[: extra + 1] = [(self._ranges[0][0], self._ranges[extra][1])]

    def missing(self, first: int, last: int) -> list[Range]:
        """The parts of a range that are not in the set, in order."""
        found = []
        at = max(bisect_right(self._ranges, (first, _ENDLESS)) - 1, 0)
        for begin, end in self._ranges[at:]:
            if begin > last:
                break
            if first < begin:
                found.append((first, begin - 1))
            first = max(first, end + 1)
        if first <= last:
            found.append((first, last))
        return found

    def copy(self) -> Ranges:
        """Another set of the same numbers."""
        made = Ranges()
        made._ranges = list(self._ranges)
        return made


_ENDLESS = 2**63
