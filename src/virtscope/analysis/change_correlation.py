"""Change correlation: what changed a domain's behaviour.

Change points of its CPU, memory, network and disk (PELT) are joined to its events (starts, migrations, changes of its
configuration or devices…) and to those of its host within ``reach`` (10 minutes). How likely so many would stand beside
each other by accident is a permutation's p-value: all events moved together through the window. Up to ``chance`` the
events are named as what probably did it; it is an order in time, not yet a cause. See ``breaks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virtscope.analysis import evidence
from virtscope.analysis.breaks import LEAST_STEPS, Change, chance, changes
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.grid import grid
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Number

NAME = "change-correlation"
WINDOW, STEP, COVERAGE = window(DAY), step(), coverage()
REACH = Setting("reach", Duration(30, DAY), 600.0, "How near an event must be to a change.")
CHANCE = Setting("chance", Number(0, 1), 0.05, "Up to this p-value an event is named as what did it.")
LEAST = Setting("least", Number(0, 100, "of the level"), 0.25, "The least change of a level.")
QUANTITIES: Mapping[str, tuple[str, float]] = {
    "cpu_cores": ("CPU", 0.2),
    "memory_used": ("memory", 256.0 * (1 << 20)),
    "net_receive": ("network in", 1e5),
    "net_transmit": ("network out", 1e5),
    "disk_read": ("disk read", 1e6),
    "disk_write": ("disk written", 1e6),
}
"""What may change, how people call it, and the level under which a change does not matter."""
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class _Event:
    at: float
    text: str


def _needs(settings: Settings) -> Needs:
    return Needs(
        settings[WINDOW], settings[STEP], (), (Steps(Scope.DOMAIN, tuple(QUANTITIES), beside_events=True),), events=True
    )


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    own, of_hosts = _events(tables)
    rows = tables.subjects.filter("active").to_dicts()
    heard = [row for row in rows if own.get(row["id"]) or of_hosts.get(row["host"])]
    names = [row["id"] for row in heard]
    series = tables.series[Scope.DOMAIN]
    matrices = {name: grid(series, "domain", name, names, tables.over.times) for name in QUANTITIES}
    quiet = [row for row in rows if not (own.get(row["id"]) or of_hosts.get(row["host"]))]
    return [
        *(
            _finding(
                tables,
                settings,
                row,
                {name: matrix[at] for name, matrix in matrices.items()},
                sorted([*own.get(row["id"], ()), *of_hosts.get(row["host"], ())], key=lambda event: event.at),
            )
            for at, row in enumerate(heard)
        ),
        *(_nothing_happened(tables, row) for row in quiet),
    ]


def _events(tables: Tables) -> tuple[dict[str, list[_Event]], dict[str, list[_Event]]]:
    """Those of domains, and those of hosts as a whole."""
    own: dict[str, list[_Event]] = {}
    of_hosts: dict[str, list[_Event]] = {}
    for row in tables.events.to_dicts():
        told = _Event(row["at"] / 1000, f"{row['kind']}: {row['detail']}" if row["detail"] else str(row["kind"]))
        if row["domain"]:
            own.setdefault(row["domain"], []).append(told)
        else:
            of_hosts.setdefault(row["host"], []).append(told)
    return own, of_hosts


def _nothing_happened(tables: Tables, row: Row) -> Finding:
    reason = "no event of it or of its host is known in the window"
    return Finding(NAME, evidence.domain(row), NOTHING, Severity.OK, reason, evidence.now(tables), 1.0)


def _finding(
    tables: Tables,
    settings: Settings,
    row: Row,
    series: Mapping[str, NDArray[np.float64]],
    events: Sequence[_Event],
) -> Finding:
    subject = evidence.domain(row)
    known = max(int(np.isfinite(values).sum()) for values in series.values())
    found = evidence.evidence(tables, known, [Pointer(name, row["id"]) for name in series])
    if thin := evidence.thin(found, settings[COVERAGE], "what it does", LEAST_STEPS):
        return evidence.insufficient(NAME, subject, found, thin)
    changed = sorted(_changes(tables, settings, series), key=lambda one: one[1].at)
    start, end = tables.over.start / 1000, tables.over.end / 1000
    when, moments = [one.at for _, one in changed], [event.at for event in events]
    by_accident = chance(when, moments, start, end, settings[STEP], settings[REACH])
    beside = [
        (name, one, event)
        for name, one in changed
        if (event := min(events, key=lambda event: abs(event.at - one.at)))
        and abs(event.at - one.at) <= settings[REACH]
    ]
    figures = (
        Figure("changes", len(changed), ""),
        Figure("changes beside an event", len(beside), ""),
        Figure("events", len(events), ""),
        Figure("chance of an accident", by_accident if beside else None, "ratio"),
    )
    if not beside or by_accident > settings[CHANCE]:
        reason = f"of {len(changed)} changes {len(beside)} stand beside one of {len(events)} events"
        reason += f", which may be an accident ({by_accident:.0%})" if beside else ""
        return Finding(NAME, subject, NOTHING, Severity.OK, reason, found, round(found.coverage, 3), figures)
    notes = [f"{_told(name, one)}, beside {event.text}" for name, one, event in beside[:_MOST_TOLD]]
    name, one, event = max(beside, key=lambda which: abs(which[1].after - which[1].before) / QUANTITIES[which[0]][1])
    return Finding(
        NAME,
        subject,
        "changed",
        Severity.INFO,
        f"{_told(name, one)} within {abs(event.at - one.at) / 60:.0f} minutes of {event.text}; "
        f"by accident that happens in {by_accident:.1%}",
        evidence.evidence(tables, known, [Pointer(name, row["id"]) for name, *_ in beside], notes),
        round(found.coverage * (1 - by_accident), 3),
        figures,
    )


def _changes(
    tables: Tables, settings: Settings, series: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, Change]]:
    at = np.asarray(tables.over.times, dtype=np.float64) / 1000
    for name, values in series.items():
        if np.isfinite(values).any():
            level = max(float(np.nanmedian(values)), QUANTITIES[name][1])
            for one in changes(at, values, settings[LEAST] * level) or ():
                yield name, one


def _told(name: str, one: Change) -> str:
    word = QUANTITIES[name][0]
    return f"{word} went from {one.before:.3g} to {one.after:.3g}"


ANALYSIS = Analysis(
    NAME,
    "Change correlation",
    "What changed a domain's behaviour: which events stand beside the jumps of its figures?",
    (WINDOW, STEP, COVERAGE, REACH, CHANCE, LEAST),
    _needs,
    _run,
    apart=Scope.DOMAIN,
)
