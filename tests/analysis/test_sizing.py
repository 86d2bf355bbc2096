"""Sizing policies against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.analysis.sizing import (
    CPU,
    DAY,
    DEFAULT,
    MEMORY,
    MEMORY_PRESSED,
    Demand,
    Policy,
    demand,
    mean_and_half,
    vpa,
    whole_vcpus,
    worst_days,
)

STEP = 300.0


def steps(used: list[float] | np.ndarray, start: float = 0.0) -> Demand:
    return demand(start + STEP * np.arange(len(used)), used)


def test_what_makes_no_sense_is_left_out() -> None:
    found = demand([600, 0, 300, 300, 900, 1200, np.nan], [3, 1, 2, 9, np.nan, -1, 5])
    assert list(found.at) == [0, 300, 600]
    assert list(found.used) == [1, 2, 3]  # of a time told twice, the first


def test_times_and_values_belong_together() -> None:
    with pytest.raises(ValueError, match="2 times for 1 values"):
        demand([0, 300], [1])


@pytest.mark.parametrize(
    ("used", "enough"),
    [
        ([], False),
        ([1.0] * 144, False),  # half a day
        ([1.0] * (13 * 288), False),
        ([1.0] * (14 * 288), True),
        ([0.0] * (14 * 288), False),  # never anything: switched off, or not measured
        ([np.nan] * (14 * 288), False),
    ],
)
def test_a_short_an_empty_and_a_silent_history_are_not_enough(used: list[float], enough: bool) -> None:
    assert steps(used).enough() is enough


def test_a_history_with_two_samples_two_weeks_apart_is_not_enough() -> None:
    assert not demand([0, 14 * DAY], [1, 1]).enough()


def test_a_part_has_its_start_and_not_its_end() -> None:
    assert list(steps([1, 2, 3, 4]).within(300, 900).used) == [2, 3]


def test_mean_and_half() -> None:
    assert mean_and_half(steps([1, 2, 3])) == 3


def test_percentiles_and_margins() -> None:
    history = steps(list(np.linspace(0, 10, 1001)))
    assert DEFAULT.need(history) == pytest.approx(9.95 * 1.2)
    needs = {policy.name: policy.need(history) for policy in (*CPU, *MEMORY, MEMORY_PRESSED)}
    assert needs["KRR p95"] == pytest.approx(9.5)
    assert needs["p95+20%"] == pytest.approx(11.4)
    assert needs["max+15%"] == pytest.approx(11.5)
    assert needs["max+25%"] == pytest.approx(12.5)


def test_vpa_forgets() -> None:
    busy, idle = [4.0] * 288, [1.0] * 288
    assert vpa(steps(busy + idle)) == pytest.approx(4 * 1.15)  # a third of the weight is yesterday's
    assert vpa(steps(busy + idle * 6)) == pytest.approx(1.15)  # less than a sixtieth is a week old


def test_worst_days_leaves_out_one_bad_day() -> None:
    day = [1.0] * 284 + [2.0] * 4
    accident = [1.0] * 268 + [6.0] * 20
    assert worst_days(steps(day * 7 + accident + day * 8)) == pytest.approx(2 * 1.15)
    assert (
        worst_days(steps(day * 7 + accident + day * 7 + accident)) == 6
    )  # twice is no accident; no room above the peak


def test_worst_days_gives_a_flat_load_room_to_grow_up_to_its_peak() -> None:
    assert worst_days(steps(([1.0] * 287 + [3.0]) * 16)) == pytest.approx(1.4)
    assert worst_days(steps([1.0] * 288 * 16)) == 1


def test_worst_days_of_days_with_hardly_a_sample() -> None:
    rest = [1.0] * 288 * 15
    assert worst_days(steps([*rest, 8.0, 8.0])) == pytest.approx(1.4)


@pytest.mark.parametrize("policy", [*CPU, *MEMORY], ids=lambda policy: policy.name)
@given(
    used=st.lists(st.floats(0, 64), min_size=1, max_size=60),
    factor=st.floats(0.1, 10),
)
def test_a_policy_knows_no_unit(policy: Policy, used: list[float], factor: float) -> None:
    at = 7_200.0 * np.arange(len(used))
    need = policy.need(demand(at, used))
    assert 0 <= need <= max(used) * 1.5 + 1e-9
    assert policy.need(demand(at, np.multiply(used, factor))) == pytest.approx(need * factor)


@pytest.mark.parametrize(("need", "vcpus"), [(0, 1), (0.2, 1), (1, 1), (1.001, 2), (0.1 * 3 * 10, 3), (2.5, 3)])
def test_whole_vcpus(need: float, vcpus: int) -> None:
    assert whole_vcpus(need) == vcpus
