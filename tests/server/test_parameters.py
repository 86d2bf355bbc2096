"""What a request asks for, checked."""

from __future__ import annotations

import pytest

from virtscope.errors import TooLarge
from virtscope.server import parameters

DAY = 86_400


@pytest.mark.parametrize(
    ("days", "longest", "step"), [(1, 300, 300), (30, 300, 300), (400, 300, 300), (400, 3_600, 3_600), (0.01, 300, 5)]
)
def test_steps_of_summaries_do_not_grow_with_the_range(days: float, longest: float, step: int) -> None:
    over = parameters.span(-days * DAY, None, None, 1.0, longest=longest, most=parameters.MOST_SUMMARISED_STEPS)
    assert over.step == step * 1000


def test_steps_of_series_suit_their_range() -> None:
    assert parameters.span(-30 * DAY, None, None, 10.0).step == 21_600_000
    assert parameters.span(-3_600, None, None, 10.0).step == 30_000
    with pytest.raises(TooLarge, match="steps are too many"):
        parameters.span(-400 * DAY, None, 300, 10.0)


def test_a_year_of_a_fleet_may_be_summarised_and_not_be_answered() -> None:
    over = parameters.span(-400 * DAY, None, 300, 10.0, most=parameters.MOST_SUMMARISED_STEPS)
    parameters.limit(over, 1, 2_000, parameters.SKETCHED_SUMMARY)
    for most in (parameters.LARGEST_ANSWER, parameters.LARGEST_SUMMARY):
        with pytest.raises(TooLarge, match=f"{most:,} are the most"):
            parameters.limit(over, 1, 2_000, most)
