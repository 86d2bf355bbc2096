"""Changes of level and the events beside them: what was injected is found, and chance is told from cause."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from virtscope.analysis.breaks import LEAST_STEPS, beside, chance, changes

STEP, DAY = 300.0, 86_400.0
AT: NDArray[np.float64] = np.asarray(np.arange(288) * STEP, dtype=np.float64)


def noisy(level: float = 1.0, seed: int = 1) -> NDArray[np.float64]:
    return np.asarray(level + np.random.default_rng(seed).normal(0, 0.05, len(AT)))


def test_injected_jumps_are_found_at_their_step() -> None:
    found_all = 0
    for seed in range(50):
        where = int(np.random.default_rng(seed).integers(20, 260))
        values = noisy(seed=seed)
        values[where:] += 0.5
        found = changes(AT, values, 0.2)
        assert found is not None
        found_all += len(found) == 1 and abs(found[0].at - AT[where]) <= STEP
    assert found_all >= 48


def test_levels_are_told() -> None:
    values = noisy()
    values[100:200] += 2
    (up, down) = changes(AT, values, 0.2) or []
    assert (up.at, down.at) == (AT[100], AT[200])
    assert up.after - up.before == pytest.approx(2, abs=0.05)
    assert down.after == pytest.approx(1, abs=0.05)


def test_noise_a_flat_line_and_small_steps_are_no_changes() -> None:
    assert all(changes(AT, noisy(seed=seed), 0.2) == [] for seed in range(100))
    assert changes(AT, np.full(len(AT), 7.0), 0.2) == []
    values = noisy()
    values[100:] += 0.15
    assert changes(AT, values, 0.2) == []


def test_too_little_is_not_no_change() -> None:
    assert changes(AT[: LEAST_STEPS - 1], noisy()[: LEAST_STEPS - 1], 0.2) is None
    gaps = noisy()
    gaps[::2] = np.nan
    gaps[1::4] = np.nan
    assert changes(AT, gaps, 0.2) is None
    assert changes(AT, np.full(len(AT), np.nan), 0.2) is None


def test_a_gap_is_no_change() -> None:
    values = noisy()
    values[100:140] = np.nan
    assert changes(AT, values, 0.2) == []


def test_an_event_beside_a_change_is_hardly_chance() -> None:
    assert beside([1000.0], [1500.0], 600) == 1
    assert chance([40_000.0], [40_100.0], 0, DAY, STEP, 600) == pytest.approx(1200 / DAY, abs=STEP / DAY)
    assert chance([40_000.0, 60_000.0], [40_100.0, 60_200.0], 0, DAY, STEP, 600) < 0.02


def test_events_all_day_explain_nothing() -> None:
    everywhere = list(np.arange(0, DAY, 600))
    assert chance([40_000.0], everywhere, 0, DAY, STEP, 600) == 1.0


def test_without_an_event_nearby_there_is_nothing_to_explain() -> None:
    assert chance([40_000.0], [50_000.0], 0, DAY, STEP, 600) == 1.0
    assert chance([], [50_000.0], 0, DAY, STEP, 600) == 1.0
    assert chance([40_000.0], [], 0, DAY, STEP, 600) == 1.0


def test_chance_is_what_it_says() -> None:
    """Of events put at random, no more have a small p-value than it says."""
    random = np.random.default_rng(4)
    found = [chance([40_000.0, 70_000.0], list(random.uniform(0, DAY, 4)), 0, DAY, STEP, 600) for _ in range(400)]
    for level in (0.05, 0.1, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 0.03
