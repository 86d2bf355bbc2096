"""Anomalies: domains that do what they have not done before.

Each quantity of a domain (CPU, network, disk) is held against several stretches of its own past, as Netdata does: a
step is anomalous where k-means models of *all* of them find it further off than the 99th percentile of their own steps.
A domain is called anomalous where ``times`` (3) of the recent steps of one quantity are. The past is two days, so that
what happens every night is no anomaly. It tells that something is new, not that something is wrong. See ``anomaly``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from virtscope.analysis import evidence
from virtscope.analysis.anomaly import scores
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.grid import grid
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import HOUR, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number, Whole

NAME = "anomalies"
WINDOW, STEP, COVERAGE = window(49 * HOUR), step(600), coverage(0.8)
RECENT = Setting("recent", Whole(1, 1000), 6, "How many of the last steps are judged.")
TIMES = Setting("times", Whole(1, 1000), 3, "How many of them must be anomalous.")
STRETCHES = Setting("stretches", Whole(3, 100), 4, "Into how many stretches the past is cut; all must agree.")
PERCENTILE = Setting("percentile", Number(50, 100, "%"), 99.0, "Which percentile of a stretch's own steps is usual.")
QUANTITIES = {
    "cpu_cores": "CPU",
    "net_receive": "network in",
    "net_transmit": "network out",
    "disk_read": "disk read",
    "disk_write": "disk written",
}
AT_ONCE = 200
"""Domains of which the models are in memory at one time."""


def _needs(settings: Settings) -> Needs:
    return Needs(settings[WINDOW], settings[STEP], (), (Steps(Scope.DOMAIN, tuple(QUANTITIES)),))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rows = tables.subjects.filter("active").to_dicts()
    names = [row["id"] for row in rows]
    found: dict[str, NDArray[np.float64]] = {}
    known = np.zeros(len(names), dtype=np.int64)
    for quantity in QUANTITIES:
        values = grid(tables.series[Scope.DOMAIN], "domain", quantity, names, tables.over.times)
        known = np.maximum(known, np.isfinite(values).sum(axis=1))
        parts = [
            scores(part, settings[RECENT], settings[STRETCHES], settings[PERCENTILE], settings[TIMES])
            for at in range(0, len(names), AT_ONCE)
            for part in (values[at : at + AT_ONCE],)
        ]
        found[quantity] = np.concatenate(parts) if parts else values[:, : settings[RECENT]]
    return [
        _finding(tables, settings, row, int(known[at]), [found[quantity][at] for quantity in QUANTITIES])
        for at, row in enumerate(rows)
    ]


def _finding(
    tables: Tables, settings: Settings, row: Row, known: int, scored: Sequence[NDArray[np.float64]]
) -> Finding:
    subject = evidence.domain(row)
    odd = {
        name: float(np.nanmax(score))
        for name, score in zip(QUANTITIES, scored, strict=True)
        if (score > 1).sum() >= settings[TIMES]
    }
    found = evidence.evidence(tables, known, [Pointer(name, row["id"]) for name in (odd or QUANTITIES)])
    thin = evidence.thin(found, settings[COVERAGE], "what it does")
    if thin or not any(np.isfinite(score).any() for score in scored):
        reason = thin or "too little of its past is known to say what is usual"
        return evidence.insufficient(NAME, subject, found, reason)
    figures = tuple(
        Figure(f"{word}, next to what is usual", _most(score), "")
        for word, score in zip(QUANTITIES.values(), scored, strict=True)
    )
    if not odd:
        reason = "what it does now is like its past"
        return Finding(NAME, subject, NOTHING, Severity.OK, reason, found, round(found.coverage, 3), figures)
    most = max(odd, key=lambda name: odd[name])
    words = " and ".join(QUANTITIES[name] for name in odd)
    reason = (
        f"{words} moved as in none of {settings[STRETCHES]} stretches of its past: {odd[most]:.1f} times what is usual"
    )
    confidence = round(found.coverage * min(1.0, 0.3 + 0.2 * odd[most]), 3)
    return Finding(NAME, subject, "anomalous", Severity.INFO, reason, found, confidence, figures)


def _most(score: NDArray[np.float64]) -> float | None:
    return float(np.nanmax(score)) if np.isfinite(score).any() else None


ANALYSIS = Analysis(
    NAME,
    "Anomalies",
    "Which domains do what they have not done before?",
    (WINDOW, STEP, COVERAGE, RECENT, TIMES, STRETCHES, PERCENTILE),
    _needs,
    _run,
    own_subject_only=True,
    apart=Scope.DOMAIN,
)
