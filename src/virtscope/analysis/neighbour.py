"""Who disturbs whom on one host, after CPI² (Zhang et al., EuroSys 2013): victims by their own past, suspects by time.

A domain is a *victim* at a step where its symptom (steal, or the latency of its disks) is above the mean of its own
baseline by more than two standard deviations, and above a floor under which nobody would notice; it counts after three
such steps within 5 minutes. Suspects are the other domains of the same host. Over the 10 minutes that end there, each
gets the score of CPI²: its use, as shares that add up to 1, times how far the symptom is above its threshold
(1 - threshold / symptom), or below it (symptom / threshold - 1, which counts against). 0.35 and above is suspect. By
that alone one that works evenly were guilty whenever a victim suffers all the time; so a suspect must also use more
while the victim suffers than in the baseline, by two of its own standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_BASELINE = 30
"""Steps that a baseline needs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes a victim, and a suspect."""

    deviations: float = 2.0
    times: int = 3
    """So many steps above the threshold …"""
    within: float = 300.0
    """… in so many seconds."""
    look_back: float = 600.0
    """Seconds over which suspects are compared."""
    cut: float = 0.35
    least_use: float = 0.05
    """Of the use of all together during that time a suspect must have so much."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One who may be to blame."""

    domain: str
    score: float
    """0.35 to 1."""
    use: float
    """Its mean use while the victim suffered, in the unit it was given in."""
    baseline: float
    """Its mean use before."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One victim at its worst time."""

    victim: str
    at: float
    """Seconds: the last step of the 10 minutes compared."""
    symptom: float
    """Its mean over the steps above the threshold."""
    baseline: float
    threshold: float
    steps: int
    """Steps above the threshold in the 5 minutes."""
    suspects: tuple[Suspect, ...]
    """The most suspect first; empty where nobody on this host is."""


def disturbances(
    at: NDArray[np.float64],
    symptoms: Mapping[str, NDArray[np.float64]],
    uses: Mapping[str, NDArray[np.float64]],
    floor: float,
    recent: float,
    limits: Limits = Limits(),
) -> list[Disturbance]:
    """The victims of one host, each once: where it suffered most of all times in the last ``recent`` seconds.

    Args:
        at: seconds, ascending, evenly spaced; all series have a value for each, NaN where it is not known.
        symptoms: of each domain, all in one unit.
        uses: of each domain what it takes of that which the victims lack.
        floor: a symptom under this is none.
        recent: what is before is everybody's baseline.
        limits: what makes a victim, and a suspect.
    """
    if len(at) < LEAST_BASELINE:
        return []
    before = at <= at[-1] - recent
    names = [name for name, series in symptoms.items() if np.isfinite(series[before]).sum() >= LEAST_BASELINE]
    if not names:
        return []
    all_of_them = np.array([symptoms[name] for name in names])
    means, deviations = np.nanmean(all_of_them[:, before], axis=1), np.nanstd(all_of_them[:, before], axis=1)
    thresholds = np.maximum(means + limits.deviations * deviations, floor)
    suffering = ((all_of_them > thresholds[:, None]) & ~before).sum(axis=1) >= limits.times
    found = [
        _victim(names[n], at, all_of_them[n], before, uses, float(means[n]), float(thresholds[n]), limits)
        for n in np.flatnonzero(suffering)
    ]
    return [one for one in found if one is not None]


def _victim(
    name: str,
    at: NDArray[np.float64],
    symptom: NDArray[np.float64],
    before: NDArray[np.bool_],
    uses: Mapping[str, NDArray[np.float64]],
    mean: float,
    threshold: float,
    limits: Limits,
) -> Disturbance | None:
    above = (symptom > threshold) & ~before  # NaN is not above anything
    step = float(at[1] - at[0])
    counts = _trailing(above.astype(np.float64), max(1, round(limits.within / step)))
    if counts.max() < limits.times:
        return None
    span = max(1, round(limits.look_back / step))
    excess = np.where(above, symptom - threshold, 0.0)
    worst = int(np.argmax(np.where(counts >= limits.times, _trailing(excess, span), -math.inf)))
    window = slice(max(0, worst - span + 1), worst + 1)
    return Disturbance(
        name,
        float(at[worst]),
        float(symptom[window][above[window]].mean()),
        mean,
        threshold,
        int(counts[worst]),
        tuple(_suspects(name, symptom[window], above[window], threshold, window, before, uses, limits)),
    )


def _suspects(
    victim: str,
    symptom: NDArray[np.float64],
    above: NDArray[np.bool_],
    threshold: float,
    window: slice,
    before: NDArray[np.bool_],
    uses: Mapping[str, NDArray[np.float64]],
    limits: Limits,
) -> Sequence[Suspect]:
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(symptom > threshold, 1 - threshold / symptom, symptom / threshold - 1)
    everybody = sum(float(np.nansum(use[window][above])) for name, use in uses.items() if name != victim)
    found = []
    for name, use in uses.items():
        there, past = use[window], use[before]
        known = np.isfinite(there) & np.isfinite(weight)
        total = float(there[known].sum())
        if name == victim or total <= 0 or np.isfinite(past).sum() < LEAST_BASELINE or not (known & above).any():
            continue
        score = float((there[known] * weight[known]).sum() / total)
        during, usual = float(there[known & above].mean()), float(np.nanmean(past))
        more = during - usual > limits.deviations * float(np.nanstd(past))
        share = float(there[known & above].sum()) / everybody
        if score >= limits.cut and more and share >= limits.least_use:
            found.append(Suspect(name, score, during, usual))
    return sorted(found, key=lambda suspect: (-suspect.score * suspect.use, suspect.domain))


def _trailing(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The sum over the last ``width`` values at each place."""
    whole = np.concatenate([[0.0], np.cumsum(values)])
    start = np.maximum(np.arange(1, len(whole)) - width, 0)
    return np.asarray(whole[1:] - whole[start])
