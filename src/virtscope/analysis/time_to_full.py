"""Time to full: when storage pools and the file systems of guests will have no room left.

A robust line (Theil and Sen) through what was used over the window, in steps of hours, and where it meets the size; the
interval of 90 % comes from a residual bootstrap. It is told only where such a line would have been a better forecast
in the past than "it stays as it is", by rolling origin; where not, nothing is said to be known of the future. What has
three days of past or less is *insufficient data*. See ``forecast``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from virtscope.analysis import evidence
from virtscope.analysis.finding import NOTHING, Evidence, Figure, Finding, Pointer, Severity, Subject
from virtscope.analysis.forecast import LEAST_POINTS, Trend, trends
from virtscope.analysis.grid import grid
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, HOUR, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration

NAME = "time-to-full"
WINDOW, STEP, COVERAGE = window(30 * DAY), step(6 * HOUR), coverage(0.3)
WARNING = Setting("warning", Duration(0, 3650 * DAY), 30 * DAY, "Full within this time is a warning.")
CRITICAL = Setting("critical", Duration(0, 3650 * DAY), 7 * DAY, "Full within this time is critical.")
LEAST_PAST = 3 * DAY


@dataclass(frozen=True, slots=True)
class _Filling:
    """What may become full."""

    scope: Scope
    used: str
    size: str
    keys: tuple[str, str]
    """Whose it is, and which of it."""


_FILLINGS = (
    _Filling(Scope.POOL, "allocation", "capacity", ("host", "pool")),
    _Filling(Scope.FILESYSTEM, "used", "size", ("domain", "mountpoint")),
)


def _needs(settings: Settings) -> Needs:
    series = tuple(Steps(one.scope, (one.used, one.size)) for one in _FILLINGS)
    return Needs(settings[WINDOW], settings[STEP], (), series)


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    return [found for one in _FILLINGS for found in _of(tables, settings, one)]


def _of(tables: Tables, settings: Settings, one: _Filling) -> Iterator[Finding]:
    owners = _owners(tables, one)
    series = tables.series[one.scope].sort(one.keys).with_columns(row=pl.struct(one.keys).rle_id().cast(pl.Int64))
    names = series.unique("row", keep="first", maintain_order=True).select(one.keys).rows()
    used, sizes = (grid(series, "row", name, range(len(names)), tables.over.times) for name in (one.used, one.size))
    at = np.asarray(tables.over.times, dtype=np.float64) / 1000
    size = _newest(sizes)
    lines = trends(at, used, size)
    for number, (owner, part) in enumerate(names):
        if (subject := owners.get(str(owner))) is not None:
            kind = "pool" if one.scope is Scope.POOL else subject.kind
            about = Subject(kind, subject.id, subject.name, subject.host, str(part))
            yield _finding(tables, settings, one, about, (at, used[number], float(size[number]), lines[number]))


def _newest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last known value of each row, NaN where there is none."""
    last = values.shape[1] - 1 - np.isfinite(values)[:, ::-1].argmax(axis=1)
    return np.asarray(values[np.arange(len(values)), last])


def _owners(tables: Tables, one: _Filling) -> Mapping[str, Subject]:
    if one.scope is Scope.POOL:
        return {row["id"]: evidence.host(row) for row in tables.hosts.to_dicts()}
    return {row["id"]: evidence.domain(row) for row in tables.subjects.to_dicts()}


def _finding(
    tables: Tables,
    settings: Settings,
    one: _Filling,
    subject: Subject,
    known: tuple[NDArray[np.float64], NDArray[np.float64], float, Trend | None],
) -> Finding:
    at, used, size, line = known
    samples = int(np.isfinite(used).sum())
    found = evidence.evidence(tables, samples, [Pointer(one.used, subject.id)])
    doubt = evidence.thin(found, settings[COVERAGE], "what is used of it", LEAST_POINTS) or _doubt(at, used, size)
    if doubt or line is None:
        return evidence.insufficient(NAME, subject, found, doubt or "too little of the past is known")
    return _told(settings, subject, found, line, float(used[np.isfinite(used)][-1]), size)


def _doubt(at: NDArray[np.float64], used: NDArray[np.float64], size: float) -> str | None:
    known = at[np.isfinite(used)]
    if not math.isfinite(size) or not size:
        return "its size is not known"
    if known[-1] - known[0] < LEAST_PAST:
        past = (known[-1] - known[0]) / HOUR
        return f"its past of {past:.0f} hours is too short: {LEAST_PAST / DAY:.0f} days are needed"
    return None


def _told(settings: Settings, subject: Subject, found: Evidence, line: Trend, used: float, size: float) -> Finding:
    figures: Sequence[Figure] = (
        Figure("used", used, "bytes"),
        Figure("size", size, "bytes"),
        Figure("growth a day", line.slope * DAY, "bytes"),
    )
    if used >= size:
        soonest = middle = latest = 0.0
    elif line.beats_persistence:
        soonest, middle, latest = line.reaches(size)
    else:
        reason = "no trend of its past would have been a better forecast than that it stays as it is"
        return Finding(
            NAME, subject, NOTHING, Severity.OK, reason, found, round(found.coverage * 0.5, 3), tuple(figures)
        )
    times = (
        Figure("full in", _finite(middle), "s"),
        Figure("full in, soonest (5 %)", _finite(soonest), "s"),
        Figure("full in, latest (95 %)", _finite(latest), "s"),
    )
    severity = (
        Severity.CRITICAL
        if middle <= settings[CRITICAL]
        else Severity.WARNING
        if middle <= settings[WARNING]
        else Severity.OK
    )
    if not math.isfinite(middle):
        reason = "it will not be full within a year"
    else:
        end = f"{latest / DAY:.0f}" if math.isfinite(latest) else "never"
        reason = f"it is full in {middle / DAY:.0f} days (90 % interval: {soonest / DAY:.0f} to {end})"
    # The wider the interval next to its middle, the less is known.
    width = (latest - soonest) / middle if math.isfinite(latest) and middle > 0 else 2.0 if middle > 0 else 0.0
    confidence = round(found.coverage / (1 + width), 3)
    verdict = "filling" if severity is not Severity.OK else NOTHING
    return Finding(NAME, subject, verdict, severity, reason, found, confidence, (*figures, *times))


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


ANALYSIS = Analysis(
    NAME,
    "Time to full",
    "When will storage pools and guests' file systems be full?",
    (WINDOW, STEP, COVERAGE, WARNING, CRITICAL),
    _needs,
    _run,
)
