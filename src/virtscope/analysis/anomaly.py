"""Steps that are like none before, after Netdata's anomaly bit: k-means on what a series looks like over a while.

A step is described by how the series came there: differenced once, smoothed over 3 steps, and this at the step and at
the 5 before. Each of several stretches of the past has a model of its own: two centres (k-means, k = 2), and the 99th
percentile of how far its own steps are from the nearer one. A step is anomalous only if every model finds it too far.
All series are computed at once (https://learn.netdata.cloud, "Anomaly detection"; Netdata trains 18 models of 6 hours).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMOOTH, LAGS = 3, 5
PERCENTILE = 99.0
LEAST_KNOWN = 0.8
"""The share of a stretch that must be known for a model of it."""
LEAST_MODELS = 3
_ROUNDS = 20
_NOISE = 1e-3
"""A move of less than this part of the series' own spread is no anomaly, however even it was before."""


def scores(
    values: NDArray[np.float64], recent: int, stretches: int, percentile: float = PERCENTILE
) -> NDArray[np.float64]:
    """How far each of the last ``recent`` steps is from all that was before, in units of what is usual.

    Args:
        values: a row for each series, NaN where it is not known.
        recent: how many steps are judged; what is before is cut into ``stretches`` of equal length.
        stretches: how many models each series has.
        percentile: of a model's own distances, which counts as 1.

    Returns:
        A row for each series, ``recent`` wide: the least of all models' distances over their percentile; above 1 all of
        them agree. NaN where the step, or most of the past, is not known.
    """
    features, spread = _features(values)
    past = features.shape[1] - recent
    width = past // stretches
    if width <= LAGS + SMOOTH:
        return np.full((len(values), recent), np.nan)
    judged = features[:, past:]
    found = np.full((stretches, len(values), recent), np.nan)
    for number in range(stretches):
        part = features[:, past - (number + 1) * width : past - number * width]
        found[number] = _against(part, judged, spread, percentile)
    models = np.isfinite(found).any(axis=2).sum(axis=0)
    least = np.where(np.isfinite(found), found, np.inf).min(axis=0)
    least[~np.isfinite(least)] = np.nan
    least[models < min(LEAST_MODELS, stretches)] = np.nan
    return np.asarray(least)


def _features(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(series, steps, lags): NaN for the first steps and around gaps; and each series' own spread."""
    moved = np.diff(values, axis=1, prepend=np.nan)
    whole = np.full(values.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(moved, SMOOTH, axis=1)
    whole[:, SMOOTH - 1 :] = windows.mean(axis=2)
    lagged = np.full((*values.shape, LAGS + 1), np.nan)
    for lag in range(LAGS + 1):
        lagged[:, lag:, lag] = whole[:, : values.shape[1] - lag]
    known = np.isfinite(values).sum(axis=1, keepdims=True) > 0
    low, high = np.nanpercentile(np.where(known, values, 0.0), [1, 99], axis=1)
    return lagged, np.maximum(high - low, np.abs(high) * _NOISE)


def _against(
    part: NDArray[np.float64], judged: NDArray[np.float64], spread: NDArray[np.float64], percentile: float
) -> NDArray[np.float64]:
    """One model of each series, and the judged steps against it."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(part).all(axis=2))
    enough = known.mean(axis=1) >= LEAST_KNOWN
    filled = np.where(known[:, :, None], part, 0.0)
    centres = _centres(filled, known)
    own = np.where(known, _distance(filled, centres), np.nan)
    own[~enough] = 0.0
    usual = np.maximum(np.nanpercentile(own, percentile, axis=1), _NOISE * spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _distance(judged, centres) / usual[:, None]
    found[~enough] = np.nan
    return np.asarray(found)


def _centres(points: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lloyd's k-means with two centres for every series at once, from the steepest fall and the steepest rise on."""
    rows = np.arange(len(points))
    slope = points.sum(axis=2)
    first = np.where(known, slope, np.inf).argmin(axis=1)
    last = np.where(known, slope, -np.inf).argmax(axis=1)
    centres = np.stack([points[rows, first], points[rows, last]], axis=1)
    for _ in range(_ROUNDS):
        nearer = np.linalg.norm(points[:, :, None] - centres[:, None], axis=3).argmin(axis=2)
        moved = centres.copy()
        for number in (0, 1):
            mine = known & (nearer == number)
            count = mine.sum(axis=1)
            sums = np.einsum("snl,sn->sl", points, mine)
            moved[:, number] = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], centres[:, number])
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def _distance(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each point to the nearer centre."""
    return np.asarray(np.linalg.norm(points[:, :, None] - centres[:, None], axis=3).min(axis=2))
