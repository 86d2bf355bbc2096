"""Where a series changes its level, and whether events stand beside it more often than chance would have them.

Change points come from PELT (Killick, Fearnhead, Eckley 2012; `ruptures.KernelCPD` with a linear kernel, which is its
cost of squared error) with a penalty of 4 · log n in units of the noise, estimated from differences so that the jumps
themselves do not count as noise. A change must be of a size, too.

The p-value is a permutation's: all events of a series are moved together through the whole window, round its end, and
the share of these places in which at least as many changes have an event within reach is the chance to see that much by
accident. Every place is tried, so it is exact and the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEAST_STEPS = 24
"""Fewer known steps than this say nothing."""
LEAST_SEGMENT = 3
"""Steps between two changes."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of level."""

    at: float
    """Seconds: the first step of the new level."""
    before: float
    after: float
    """Medians of the levels."""


def changes(at: NDArray[np.float64], values: NDArray[np.float64], least: float) -> list[Change] | None:
    """The changes of a series by at least so much, in order.

    Args:
        at: seconds, ascending.
        values: NaN where it is not known.
        least: the least difference of levels, in the series' unit.

    Returns:
        None where too little is known.
    """
    known = np.isfinite(values)
    if known.sum() < LEAST_STEPS or known.mean() < 0.5:
        return None
    times, figures = at[known], values[known]
    noise = 1.4826 * float(np.median(np.abs(np.diff(figures) - np.median(np.diff(figures))))) / np.sqrt(2)
    scale = max(noise, least / 10, 1e-12)
    if float(figures.max() - figures.min()) < least:
        return []
    import ruptures

    model = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT).fit((figures / scale).reshape(-1, 1))
    edges = [0, *model.predict(pen=4 * np.log(len(figures)))]
    levels = [float(np.median(figures[a:b])) for a, b in pairwise(edges)]
    return [
        Change(float(times[edge]), before, after)
        for edge, (before, after) in zip(edges[1:-1], pairwise(levels), strict=True)
        if abs(after - before) >= least
    ]


def beside(changed: Sequence[float], events: Sequence[float], reach: float) -> int:
    """How many changes have an event within so many seconds."""
    if not events:
        return 0
    return int((np.abs(np.subtract.outer(changed, events)).min(axis=1) <= reach).sum()) if changed else 0


def chance(
    changed: Sequence[float], events: Sequence[float], start: float, end: float, step: float, reach: float
) -> float:
    """The p-value: how often events that have nothing to do with the changes would stand beside as many of them.

    Args:
        changed: times of changes, seconds.
        events: times of events within the window.
        start: of the window.
        end: of the window.
        step: how far the events are moved each time.
        reach: seconds within which they stand beside each other.
    """
    seen = beside(changed, events, reach)
    if not seen:
        return 1.0
    length = end - start
    moved = np.arange(0, length, step)
    places = (np.asarray(events)[None, :] - start + moved[:, None]) % length + start
    near = (np.abs(np.asarray(changed)[None, :, None] - places[:, None, :]).min(axis=2) <= reach).sum(axis=1)
    return float((near >= seen).mean())
