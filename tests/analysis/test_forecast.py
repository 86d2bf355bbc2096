"""Forecasts: known dates, intervals that hold what they promise, silence where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from virtscope.analysis.forecast import LEAST_POINTS, trend

DAY = 86_400.0


def days(number: int) -> NDArray[np.float64]:
    return np.asarray(np.arange(number) * DAY, dtype=np.float64)


def test_a_straight_line_reaches_its_limit_on_its_day() -> None:
    found = trend(days(30), 100 + 10 * np.arange(30))
    assert found is not None
    assert found.beats_persistence
    assert found.slope * DAY == pytest.approx(10)
    assert found.level == pytest.approx(390)
    for when in found.reaches(1000):
        assert when == pytest.approx(61 * DAY)


def test_the_median_of_a_noisy_one_is_near_its_day() -> None:
    noise = np.random.default_rng(1).normal(0, 20, 60)
    found = trend(days(60), 100 + 10 * np.arange(60) + noise)
    assert found is not None
    soonest, middle, latest = found.reaches(1690)  # 100 more days
    assert soonest < middle < latest
    assert middle == pytest.approx(100 * DAY, rel=0.05)
    assert soonest < 100 * DAY < latest


def test_a_fourth_of_nonsense_does_not_move_it() -> None:
    values = 100 + 10 * np.arange(40.0)
    values[5:15] = 100_000
    found = trend(days(40), values)
    assert found is not None
    assert found.slope * DAY == pytest.approx(10, rel=0.1)


def test_what_falls_never_reaches_it() -> None:
    found = trend(days(30), 1000 - 10 * np.arange(30))
    assert found is not None
    assert found.reaches(2000) == (math.inf, math.inf, math.inf)


def test_what_is_full_is_full_now() -> None:
    found = trend(days(30), 100 + 10 * np.arange(30))
    assert found is not None
    assert found.reaches(300)[1] == 0


@pytest.mark.parametrize("values", [[], [1.0] * (LEAST_POINTS - 1), [math.nan] * 100])
def test_too_little_says_nothing(values: list[float]) -> None:
    assert trend(np.arange(len(values)), values) is None


def test_gaps_are_not_zeros() -> None:
    values = 100 + 10 * np.arange(60.0)
    values[20:35] = math.nan
    found = trend(days(60), values)
    assert found is not None
    assert found.slope * DAY == pytest.approx(10)


def test_what_only_wanders_is_no_trend_worth_telling() -> None:
    random = np.random.default_rng(2)
    walks = [trend(days(60), 500 + np.cumsum(random.normal(0, 5, 60))) for _ in range(40)]
    flat = [trend(days(60), 500 + random.normal(0, 0.01, 60).round(1)) for _ in range(20)]
    assert sum(one is not None and one.beats_persistence for one in walks) < 20
    assert not any(one is not None and one.beats_persistence for one in flat)


@pytest.mark.parametrize("noise", ["normal", "heavy", "uneven"])
def test_nine_of_ten_values_that_come_are_within_the_interval(noise: str) -> None:
    """By rolling origin: from each of several days on, what comes in the next ten."""
    random = np.random.default_rng(3)
    within = total = 0
    for _ in range(25):
        length = 90
        errors = {
            "normal": random.normal(0, 15, length),
            "heavy": random.standard_t(4, length) * 12,
            "uneven": random.gamma(2, 10, length),
        }[noise]
        series = random.uniform(50, 500) + random.uniform(0, 10) * np.arange(length) + errors
        for origin in (50, 65, 80):
            found = trend(days(origin), series[:origin], seed=origin)
            assert found is not None
            for ahead in range(1, 11):
                low, _, high = found.at(ahead * DAY)
                within += low <= series[origin - 1 + ahead] <= high
                total += 1
    assert within / total == pytest.approx(0.9, abs=0.05)
