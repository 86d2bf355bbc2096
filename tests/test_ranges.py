"""Ranges against plain sets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.ranges import Range, Ranges

PAIRS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12
)


def numbers(pairs: list[Range]) -> set[int]:
    return {number for first, last in pairs for number in range(first, last + 1)}


@given(PAIRS, PAIRS)
def test_ranges_are_a_set(begin: list[Range], more: list[Range]) -> None:
    ranges = Ranges(begin)
    for first, last in more:
        ranges.add(first, last)
    expected = numbers(begin) | numbers(more)
    assert numbers(list(ranges)) == expected
    assert ranges == Ranges(reversed(begin + more))
    assert ranges.count == len(expected)
    assert all(number in ranges for number in expected)
    assert all(number not in ranges for number in set(range(90)) - expected)


@given(PAIRS, st.integers(0, 70), st.integers(0, 20))
def test_as_few_ranges_as_possible(pairs: list[Range], first: int, width: int) -> None:
    found = list(Ranges(pairs))
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))
    missing = Ranges(pairs).missing(first, first + width)
    assert numbers(missing) == set(range(first, first + width + 1)) - numbers(pairs)


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no range"):
        Ranges([(2, 1)])


def test_a_copy_is_another_set() -> None:
    ranges = Ranges([(1, 3)])
    ranges.copy().add(4, 9)
    assert list(ranges) == [(1, 3)]


def test_the_lowest_gaps_are_closed() -> None:
    every_second = Ranges((number, number) for number in range(1, 21, 2))
    every_second.close(3)
    assert list(every_second) == [(1, 15), (17, 17), (19, 19)]
    every_second.close(3)
    assert len(every_second) == 3
