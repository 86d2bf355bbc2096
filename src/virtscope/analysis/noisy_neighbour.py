"""Noisy neighbours: who suffers on a host, and which other domain of it is to blame.

A domain is a *victim* where its steal, or the latency of its disks, is above the mean of its own baseline by
``deviations`` (2) standard deviations, and above a floor, ``times`` (3) times within 5 minutes. Suspects are the
other domains on the same host: over 10 minutes their use (of CPU for steal, of disks for latency) is held against the
victim's excess, as CPI² does (Zhang et al., EuroSys 2013), and those of ``cut`` (0.35) and above are named, the
heaviest first. They must also use more than they are used to. Without a suspect here, the cause is elsewhere: the host
itself, or storage that it shares with others. See ``neighbour``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.grid import grid
from virtscope.analysis.neighbour import LEAST_BASELINE, Disturbance, Limits, disturbances
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import HOUR, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Number, Whole

NAME = "noisy-neighbour"
WINDOW, STEP, COVERAGE = window(2 * HOUR), step(30), coverage()
RECENT = Setting(
    "recent", Duration(10, 7 * 24 * HOUR), HOUR / 2, "How much of the window is judged; the rest is normal."
)
DEVIATIONS = Setting("deviations", Number(0, 10), 2.0, "How many standard deviations above its normal is too much.")
TIMES = Setting("times", Whole(1, 100), 3, "How many steps above within 5 minutes make a victim.")
CUT = Setting("cut", Number(0, 1), 0.35, "From this score on a neighbour is suspect.")
STEAL = Setting("steal", Number(0, 1, "of the time"), 0.02, "Less steal than this is none.")
LATENCY = Setting("latency", Number(0, 60, "s"), 0.005, "Less latency of a request than this is none.")


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way to suffer."""

    name: str
    symptoms: tuple[str, ...]
    """Of which the worst counts."""
    uses: tuple[str, ...]
    """Which add up."""
    floor: Setting[float]
    unit: str
    use_unit: str


_KINDS = (
    _Kind("steal", ("steal_ratio",), ("cpu_cores",), STEAL, "ratio", "cores"),
    _Kind(
        "disk latency",
        ("disk_read_latency", "disk_write_latency"),
        ("disk_read", "disk_write"),
        LATENCY,
        "s",
        "bytes/s",
    ),
)


def _needs(settings: Settings) -> Needs:
    quantities = tuple(name for kind in _KINDS for name in (*kind.symptoms, *kind.uses))
    return Needs(settings[WINDOW], settings[STEP], (), (Steps(Scope.DOMAIN, quantities),))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rows = {row["id"]: row for row in tables.domains.filter("active").to_dicts()}
    names = sorted(rows)
    series = tables.series[Scope.DOMAIN]
    matrices = {
        quantity: grid(series, "domain", quantity, names, tables.over.times)
        for kind in _KINDS
        for quantity in (*kind.symptoms, *kind.uses)
    }
    hosts: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        hosts.setdefault(rows[name]["host"], []).append(number)
    worst: dict[str, tuple[_Kind, Disturbance]] = {}
    for here in hosts.values():
        for kind in _KINDS:
            for one in _on_host(tables, settings, kind, [(names[at], at) for at in here], matrices):
                worst.setdefault(one.victim, (kind, one))
    known = np.isfinite(matrices["steal_ratio"])
    counts = dict(zip(names, known.sum(axis=1), strict=True))
    subjects = tables.subjects.filter("active")["id"]
    return [_finding(tables, settings, rows, rows[name], int(counts[name]), worst.get(name)) for name in subjects]


def _on_host(
    tables: Tables,
    settings: Settings,
    kind: _Kind,
    here: list[tuple[str, int]],
    matrices: Mapping[str, NDArray[np.float64]],
) -> Iterator[Disturbance]:
    at = np.asarray(tables.over.times, dtype=np.float64) / 1000
    symptoms = {name: np.fmax.reduce([matrices[one][row] for one in kind.symptoms]) for name, row in here}
    uses = {name: np.sum([matrices[one][row] for one in kind.uses], axis=0) for name, row in here}
    limits = Limits(settings[DEVIATIONS], settings[TIMES], cut=settings[CUT])
    yield from disturbances(at, symptoms, uses, settings[kind.floor], settings[RECENT], limits)


def _finding(
    tables: Tables,
    settings: Settings,
    rows: Mapping[str, Row],
    row: Row,
    samples: int,
    suffered: tuple[_Kind, Disturbance] | None,
) -> Finding:
    subject = evidence.domain(row)
    found = evidence.evidence(tables, samples, [Pointer("steal_ratio", row["id"])])
    thin = evidence.thin(found, settings[COVERAGE], "its steal", LEAST_BASELINE)
    if suffered is None:
        if thin:
            return evidence.insufficient(NAME, subject, found, thin)
        reason = "neither its steal nor the latency of its disks was above its own normal for long"
        return Finding(NAME, subject, NOTHING, Severity.OK, reason, found, round(found.coverage, 3))
    kind, one = suffered
    notes = [
        f"{rows[suspect.domain]['name']}: score {suspect.score:.2f}, used {suspect.use:.3g} {kind.use_unit}, "
        f"normally {suspect.baseline:.3g}"
        for suspect in one.suspects
    ]
    series = [Pointer(name, row["id"]) for name in kind.symptoms]
    series += [Pointer(name, suspect.domain) for suspect in one.suspects for name in kind.uses]
    found = evidence.evidence(tables, samples, series, notes)
    first = one.suspects[0] if one.suspects else None
    blame = (
        f"{rows[first.domain]['name']} on the same host is suspect"
        if first
        else "no other domain of its host is suspect: look at the host, and at what it shares"
    )
    return Finding(
        NAME,
        subject,
        "disturbed" if first else "disturbed, by whom is not known",
        Severity.WARNING,
        f"its {kind.name} was {_value(one.symptom, kind)}, normally {_value(one.baseline, kind)}; {blame}",
        found,
        round((first.score if first else 0.3) * min(1.0, found.coverage + 0.2), 3),
        (
            Figure(kind.name, one.symptom, kind.unit),
            Figure(f"{kind.name}, normally", one.baseline, kind.unit),
            Figure(f"{kind.name}, limit", one.threshold, kind.unit),
            Figure("steps above it within 5 minutes", one.steps, ""),
            Figure("suspects", len(one.suspects), ""),
            Figure("score of the first suspect", first.score if first else None, ""),
        ),
    )


def _value(value: float, kind: _Kind) -> str:
    return f"{value:.1%}" if kind.unit == "ratio" else f"{value * 1000:.1f} ms"


ANALYSIS = Analysis(
    NAME,
    "Noisy neighbours",
    "Which domains suffer from others on the same host, and from whom?",
    (WINDOW, STEP, COVERAGE, RECENT, DEVIATIONS, TIMES, CUT, STEAL, LATENCY),
    _needs,
    _run,
    apart=Scope.HOST,
)
