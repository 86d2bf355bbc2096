"""Anomalies: what was injected is found, what comes every day is not, and unknown stays unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virtscope.analysis.anomaly import scores

STEPS, RECENT, STRETCHES = 294, 6, 4
"""Two days and an hour, in steps of 10 minutes."""


def daily(series: int, seed: int = 1) -> NDArray[np.float64]:
    """Noise on a wave of a day, with a backup each night."""
    random = np.random.default_rng(seed)
    at = np.arange(STEPS)
    wave = 1 + 0.5 * np.sin(2 * np.pi * at / 144)
    backup = np.where(at % 72 < 3, 1.0, 0.0)
    return np.asarray((wave + backup) * random.uniform(0.5, 4, (series, 1)) + random.normal(0, 0.05, (series, STEPS)))


def alarms(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Series of which three of the recent steps are anomalous."""
    return np.asarray((scores(values, RECENT, STRETCHES) > 1).sum(axis=1) >= 3)


def test_jumps_and_falls_are_found() -> None:
    values = daily(60)
    values[:30, -5:] += 8
    values[30:, -5:-2] -= 8
    assert alarms(values).mean() >= 0.9


def test_ordinary_days_are_not() -> None:
    assert alarms(daily(400, seed=2)).mean() <= 0.01


def test_what_happens_every_night_is_not() -> None:
    values = daily(50, seed=3)[:, : 288 + 3]
    assert alarms(values).mean() <= 0.02


def test_a_flat_line_is_no_anomaly_and_what_leaves_it_is() -> None:
    flat = np.full((2, STEPS), 3.0)
    flat[1, -4:] = 9
    assert list(alarms(flat)) == [False, True]
    assert not alarms(np.zeros((1, STEPS))).any()


def test_unknown_steps_and_pasts_have_no_score() -> None:
    values = daily(3)
    values[0, -1] = np.nan
    values[1, :200] = np.nan
    values[2] = np.nan
    found = scores(values, RECENT, STRETCHES)
    assert np.isnan(found[0, -1])
    assert np.isfinite(found[0, :-1]).all()
    assert np.isnan(found[1:]).all()


def test_half_a_day_is_no_past() -> None:
    assert np.isnan(scores(daily(2)[:, -36:], RECENT, STRETCHES)).all()


def test_the_answer_knows_no_unit_and_does_not_vary() -> None:
    values = daily(5)
    found = scores(values, RECENT, STRETCHES)
    assert np.array_equal(found, scores(values, RECENT, STRETCHES))
    assert np.allclose(found, scores(values * 1024, RECENT, STRETCHES))
