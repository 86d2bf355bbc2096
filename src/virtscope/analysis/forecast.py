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
    """The trend of a series.

    Args:
        at: seconds, ascending.
        values: NaN where it is not known.
        limit: which one is asked about. Where the line is not worth telling, or would not reach it in a year, no
            lines are drawn anew.
        seed: of the draws.

    Returns:
        None where too little is known: fewer than LEAST_POINTS stretches of the past have a value.
    """
    whole, all_figures = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    known = np.isfinite(whole) & np.isfinite(all_figures)
    whole, all_figures = whole[known], all_figures[known]
    times, figures = _reduced(whole, all_figures)
    if len(times) < LEAST_POINTS:
        return None
    times, whole = times - whole[-1], whole - whole[-1]
    slope, level = _line(times, figures)
    worth = _beats(times, figures)
    far = slope <= 0 or level + slope * FAR < limit
    if not math.isnan(limit) and (far or not worth):
        return Trend(slope, level, worth, np.empty(0), np.empty(0))
    residuals = _residuals(times, figures, slope, level)
    random = np.random.default_rng(seed)
    drawn = level + slope * times + random.choice(residuals, (DRAWS, len(times)))
    slopes = _slopes(times, drawn)
    # One value varies more than the mean of a stretch: the future's are of all samples.
    single = random.choice(_residuals(whole, all_figures, slope, level), DRAWS)
    levels = np.median(drawn - slopes[:, None] * times, axis=1) + single
    return Trend(slope, level, worth, slopes, levels)


def _reduced(at: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of equal stretches of time; those without a value are left out."""
    if len(at) <= MOST_POINTS or at[-1] <= at[0]:
        return at, values
    stretch = np.minimum(((at - at[0]) / (at[-1] - at[0]) * MOST_POINTS).astype(np.int64), MOST_POINTS - 1)
    number = np.bincount(stretch, minlength=MOST_POINTS)
    there = number > 0
    return tuple(np.bincount(stretch, weights=x, minlength=MOST_POINTS)[there] / number[there] for x in (at, values))  # type: ignore[return-value]


def _residuals(
    times: NDArray[np.float64], figures: NDArray[np.float64], slope: float, level: float
) -> NDArray[np.float64]:
    """What the line leaves, around 0; a line through n points takes two of their freedoms."""
    left = figures - (level + slope * times)
    return np.asarray((left - left.mean()) * math.sqrt(len(times) / (len(times) - 2)))


def _line(times: NDArray[np.float64], figures: NDArray[np.float64]) -> tuple[float, float]:
    slope = float(_slopes(times, figures[None])[0])
    return slope, float(np.median(figures - slope * times))


def _slopes(times: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Theil and Sen's slope of each row."""
    first, second = _pairs(len(times))
    return np.asarray(np.median((drawn[:, second] - drawn[:, first]) / (times[second] - times[first]), axis=1))


@cache
def _pairs(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.triu_indices(number, 1)
    return first, second


def _beats(times: NDArray[np.float64], figures: NDArray[np.float64]) -> bool:
    """By rolling origin: is the line nearer to what came than the last value was?"""
    number = len(times)
    horizon = max(1, number // 4)
    ours, persistence = 0.0, 0.0
    for origin in np.unique(np.linspace(number // 2, number - horizon, _ORIGINS).astype(int)):
        slope, level = _line(times[:origin], figures[:origin])
        came, when = figures[origin : origin + horizon], times[origin : origin + horizon]
        ours += float(np.abs(came - (level + slope * when)).mean())
        persistence += float(np.abs(came - figures[origin - 1]).mean())
    return ours < persistence
