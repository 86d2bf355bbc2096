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
    values: NDArray[np.float64], recent: int, stretches: int, percentile: float = PERCENTILE, times: int = 1
) -> NDArray[np.float64]:
    """How far each of the last ``recent`` steps is from all that was before, in units of what is usual.

    Args:
        values: a row for each series, NaN where it is not known.
        recent: how many steps are judged; what is before is cut into ``stretches`` of equal length.
        stretches: how many models each series has.
        percentile: of a model's own distances, which counts as 1.
        times: once some model leaves fewer steps than this above 1, no other is asked of that series.

    Returns:
        A row for each series, ``recent`` wide: the least of all models' distances over their percentile, of those that
        were asked; above 1 all of them agree. NaN where the step, or most of the past, is not known.
    """
    features, spread = _features(values)
    past = features.shape[1] - recent
    width = past // stretches
    if width <= LAGS + SMOOTH:
        return np.full((len(values), recent), np.nan)
    judged = features[:, past:]
    least = np.full((len(values), recent), np.inf)
    models = np.zeros(len(values), dtype=np.int64)
    for number in range(stretches):
        part = features[:, past - (number + 1) * width : past - number * width]
        enough = np.isfinite(part).all(axis=2).mean(axis=1) >= LEAST_KNOWN
        models += enough
        asked = np.flatnonzero(enough & ((least > 1).sum(axis=1) >= times))
        if len(asked):
            found = _against(part[asked], judged[asked], spread[asked], percentile)
            least[asked] = np.fmin(least[asked], found)
    least[~np.isfinite(judged).all(axis=2) | ~np.isfinite(least)] = np.nan
    least[models < min(LEAST_MODELS, stretches)] = np.nan
    return least


def _features(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(series, steps, lags): NaN for the first steps and around gaps; and each series' own spread."""
    moved = np.diff(values, axis=1, prepend=np.nan)
    whole = np.full(values.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(moved, SMOOTH, axis=1)
    whole[:, SMOOTH - 1 :] = windows.mean(axis=2)
    lagged = np.full((*values.shape, LAGS + 1), np.nan)
    for lag in range(LAGS + 1):
        lagged[:, lag:, lag] = whole[:, : values.shape[1] - lag]
    low, high = _percentile(values, 1), _percentile(values, 99)
    return lagged, np.nan_to_num(np.maximum(high - low, np.abs(high) * _NOISE))


def _percentile(values: NDArray[np.float64], percentile: float) -> NDArray[np.float64]:
    """Of each row, without what is NaN; between two ranks in proportion, as NumPy's. NaN where nothing is known."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    place = np.maximum(np.isfinite(values).sum(axis=1) - 1, 0) * percentile / 100
    low = place.astype(np.int64)
    high = np.ceil(place).astype(np.int64)
    rows = np.arange(len(values))
    return np.asarray(ordered[rows, low] + (ordered[rows, high] - ordered[rows, low]) * (place - low))


def _against(
    part: NDArray[np.float64], judged: NDArray[np.float64], spread: NDArray[np.float64], percentile: float
) -> NDArray[np.float64]:
    """One model of each series, and the judged steps against it."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(part).all(axis=2))
    filled = np.where(known[:, :, None], part, 0.0)
    centres = _centres(filled, known)
    own = np.where(known, _distance(filled, centres), np.nan)
    usual = np.maximum(_percentile(own, percentile), _NOISE * spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_distance(judged, centres) / usual[:, None])


def _centres(points: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lloyd's k-means with two centres for every series at once, from the steepest fall and the steepest rise on.

    A point is nearer to the second centre where it lies beyond the middle between both.
    """
    rows = np.arange(len(points))
    slope = points.sum(axis=2)
    first = np.where(known, slope, np.inf).argmin(axis=1)
    last = np.where(known, slope, -np.inf).argmax(axis=1)
    centres = np.stack([points[rows, first], points[rows, last]], axis=1)
    whole, count = points.sum(axis=1), known.sum(axis=1)
    second = np.zeros_like(known)
    for _ in range(_ROUNDS):
        across = centres[:, 1] - centres[:, 0]
        middle = (across * (centres[:, 1] + centres[:, 0])).sum(axis=1) / 2
        before, second = second, known & ((points @ across[:, :, None])[:, :, 0] > middle[:, None])
        if (second == before).all():
            break
        mine = second.sum(axis=1)
        sums = (second[:, None].astype(np.float64) @ points)[:, 0]
        for number, (number_of, sum_of) in enumerate(((count - mine, whole - sums), (mine, sums))):
            there = number_of > 0
            centres[there, number] = sum_of[there] / number_of[there, None]
    return centres


def _distance(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each point to the nearer centre."""
    away = (points - centres[:, None, number] for number in (0, 1))
    first, second = (np.einsum("snl,snl->sn", one, one) for one in away)
    return np.asarray(np.sqrt(np.minimum(first, second)))
