"""When a growing figure will reach its limit: a robust line through the past, with an interval.

The line is Theil and Sen's (the median of the slopes of all pairs): a fourth of the values may be wrong without moving
it far. The series is first reduced to at most 30 means of equal stretches. The interval comes from a residual
bootstrap: residuals are put back on the line at random and the line is drawn anew, and the future gets one of the
residuals on top. A forecast is *worth telling* only if, from origins in the second half of the past, it would have been
nearer to what came than "it stays as it is" (persistence).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_POINTS = 30
LEAST_POINTS = 12
"""Fewer stretches with a value than this say nothing."""
DRAWS = 250
FAR = 365 * 86_400.0
"""Seconds: what is further away is never."""
_ORIGINS = 5
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through the past, and how sure it is. Times are seconds from the last sample on."""

    slope: float
    """Units of the figure per second."""
    level: float
    """Of the line at the last sample."""
    beats_persistence: bool
    slopes: NDArray[np.float64]
    """Of the lines drawn anew; none where nobody needs them."""
    levels: NDArray[np.float64]
    """Of the same lines at the last sample, with one residual on top."""

    def at(self, ahead: float, low: float = 5.0, high: float = 95.0) -> tuple[float, float, float]:
        """Low, median and high of the figure so many seconds ahead; the percentiles of a single value then."""
        drawn = self.levels + self.slopes * ahead
        first, middle, last = np.percentile(drawn, [low, 50, high])
        return float(first), float(middle), float(last)

    def reaches(self, limit: float) -> tuple[float, float, float]:
        """Seconds until it reaches a limit from below: soonest (5 %), median, latest (95 %). Infinite is never."""
        if not len(self.slopes):
            return math.inf, math.inf, math.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.where(self.slopes > 0, (limit - self.levels) / self.slopes, np.inf)
        drawn = np.where(self.levels >= limit, 0.0, drawn)
        soonest, middle, latest = np.percentile(drawn, [5, 50, 95], method="nearest")
        return float(soonest), float(middle), float(latest)


def trend(at: ArrayLike, values: ArrayLike, limit: float = math.nan, seed: int = 1) -> Trend | None:
    """The trend of one series: see ``trends``."""
    return trends(at, np.asarray(values, dtype=np.float64)[None], [limit], seed)[0]


def trends(at: ArrayLike, values: ArrayLike, limits: ArrayLike, seed: int = 1) -> list[Trend | None]:
    """The trends of many series of the same times.

    Args:
        at: seconds, ascending.
        values: a row for each series, NaN where it is not known.
        limits: which one is asked about, of each series. Where the line is not worth telling, or would not reach it in
            a year, no lines are drawn anew; NaN is none, and lines are drawn.
        seed: of the draws.

    Returns:
        None where too little is known: fewer than LEAST_POINTS stretches of the past have a value.
    """
    whole, rows = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    asked = np.asarray(limits, dtype=np.float64)
    found: list[Trend | None] = [None] * len(rows)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        times, figures, number = _reduced(whole, part)
        for count in np.unique(number[number >= LEAST_POINTS]):
            which = np.flatnonzero(number == count)
            last = _last(whole, part[which])
            lines = _Lines(times[which, :count] - last[:, None], figures[which, :count])
            for row, one in enumerate(which):
                known = np.isfinite(part[one])
                past, told = whole[known] - last[row], part[one][known]
                found[start + one] = lines.trend(row, float(asked[start + one]), past, told, seed)
    return found


class _Lines:
    """Lines through series of as many points each."""

    def __init__(self, times: NDArray[np.float64], figures: NDArray[np.float64]) -> None:
        self._times, self._figures = times, figures
        self._slope, self._level = _lines(times, figures)
        self._worth = _beats(times, figures)

    def trend(self, row: int, limit: float, past: NDArray[np.float64], told: NDArray[np.float64], seed: int) -> Trend:
        """One of them; ``past`` and ``told`` are all its samples, from which its points were made."""
        slope, level, worth = float(self._slope[row]), float(self._level[row]), bool(self._worth[row])
        times, figures = self._times[row], self._figures[row]
        far = slope <= 0 or level + slope * FAR < limit
        if not math.isnan(limit) and (far or not worth):
            return Trend(slope, level, worth, np.empty(0), np.empty(0))
        residuals = _residuals(times, figures, slope, level)
        random = np.random.default_rng(seed)
        drawn = level + slope * times + random.choice(residuals, (DRAWS, len(times)))
        slopes = _slopes(times[None], drawn)
        # One value varies more than the mean of a stretch: the future's are of all samples.
        single = random.choice(_residuals(past, told, slope, level), DRAWS)
        levels = np.median(drawn - slopes[:, None] * times, axis=1) + single
        return Trend(slope, level, worth, slopes, levels)


def _last(at: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each series is known for the last time."""
    return np.asarray(at[len(at) - 1 - np.isfinite(values)[:, ::-1].argmax(axis=1)])


def _reduced(
    at: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Of each series means of equal stretches of its time, and how many of them have a value; these come first."""
    known = np.isfinite(values) & np.isfinite(at)
    row, column = np.nonzero(known)
    number = known.sum(axis=1)
    first, last = at[known.argmax(axis=1)][row] if len(at) else at, _last(at, values)[row] if len(at) else at
    span = np.maximum(last - first, 1e-9)
    stretch = np.minimum(((at[column] - first) / span * MOST_POINTS).astype(np.int64), MOST_POINTS - 1)
    # As few points as that are taken as they are.
    stretch = np.where(number[row] > MOST_POINTS, stretch, known.cumsum(axis=1)[row, column] - 1)
    flat, size = row * MOST_POINTS + stretch, len(values) * MOST_POINTS
    counts = np.bincount(flat, minlength=size).reshape(-1, MOST_POINTS)
    sums = [np.bincount(flat, weights=x, minlength=size).reshape(-1, MOST_POINTS) for x in (at[column], values[known])]
    order = np.argsort(counts == 0, axis=1, kind="stable")
    times, figures = (np.take_along_axis(x / np.maximum(counts, 1), order, axis=1) for x in sums)
    return times, figures, (counts > 0).sum(axis=1)


def _residuals(
    times: NDArray[np.float64], figures: NDArray[np.float64], slope: float, level: float
) -> NDArray[np.float64]:
    """What the line leaves, around 0; a line through n points takes two of their freedoms."""
    left = figures - (level + slope * times)
    return np.asarray((left - left.mean()) * math.sqrt(len(times) / (len(times) - 2)))


def _lines(times: NDArray[np.float64], figures: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and level of each row."""
    slope = _slopes(times, figures)
    return slope, np.asarray(np.median(figures - slope[:, None] * times, axis=1))


def _slopes(times: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Theil and Sen's slope of each row."""
    first, second = _pairs(times.shape[1])
    return np.asarray(np.median((drawn[:, second] - drawn[:, first]) / (times[:, second] - times[:, first]), axis=1))


@cache
def _pairs(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.triu_indices(number, 1)
    return first, second


def _beats(times: NDArray[np.float64], figures: NDArray[np.float64]) -> NDArray[np.bool_]:
    """By rolling origin: is each row's line nearer to what came than its last value was?"""
    number = times.shape[1]
    horizon = max(1, number // 4)
    ours, persistence = np.zeros(len(times)), np.zeros(len(times))
    for origin in np.unique(np.linspace(number // 2, number - horizon, _ORIGINS).astype(int)):
        slope, level = _lines(times[:, :origin], figures[:, :origin])
        came, when = figures[:, origin : origin + horizon], times[:, origin : origin + horizon]
        ours += np.abs(came - (level[:, None] + slope[:, None] * when)).mean(axis=1)
        persistence += np.abs(came - figures[:, origin - 1, None]).mean(axis=1)
    return np.asarray(ours < persistence)
