"""Reclaim: all that can be taken back, each thing once.

``powered-off``, ``idle``, ``cpu-sizing`` and ``memory-sizing`` are asked over one window, with their defaults. A domain
may be found by several; it is counted by the first that finds it: *powered off* before *idle* before *oversized*. So an
idle domain frees all of its vCPUs, and not in addition those that it has too many. The domains come with what each
frees, and the fleet with the sum.

A window of 21 days holds what each of them needs. A domain on which none of them has enough data is *insufficient
data*, and frees nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from virtscope.analysis import cpu_sizing, evidence, idle, memory_sizing, powered_off
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Figure, Finding, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables
from virtscope.catalogue import Scope

NAME = "reclaim"
WINDOW, STEP, COVERAGE = window(21 * DAY), step(), coverage()
_RANKED = (powered_off.ANALYSIS, idle.ANALYSIS, cpu_sizing.ANALYSIS, memory_sizing.ANALYSIS)
_VERDICTS = ("powered off", "idle", "oversized")
_UNITS = {"vcpus": "", "bytes": "bytes", "disk bytes": "bytes"}


def _needs(settings: Settings) -> Needs:
    each = [one for analysis in _RANKED for one in analysis.needs(_theirs(analysis, settings)).reduced]
    return Needs(settings[WINDOW], settings[STEP], tuple(_joined(each)))


def _joined(each: Iterable[Reduced]) -> Iterable[Reduced]:
    """One for each scope, with all that any of them wants."""
    scopes: dict[Scope, list[Reduced]] = defaultdict(list)
    for one in each:
        scopes[one.scope].append(one)
    for scope, of in scopes.items():
        quantities = dict.fromkeys(name for one in of for name in one.quantities)
        ranks = dict.fromkeys(rank for one in of for rank in one.percentiles)
        ranked = dict.fromkeys(name for one in of for name in one.ranks)
        quiet = {name: most for one in of for name, most in one.quiet.items()}
        share = max(one.share for one in of if one.quiet) if quiet else 1.0
        yield Reduced(scope, tuple(quantities), tuple(ranks), tuple(ranked), quiet, share)


def _theirs(analysis: Analysis, settings: Settings) -> Settings:
    """The settings of one of them: its defaults, with what is set here."""
    shared = {name: value for name, value in settings.values.items() if name not in ("window", "step")}
    return Settings({**analysis.read({}).values, **shared})


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    by_domain: dict[str, list[Finding]] = defaultdict(list)
    for analysis in _RANKED:
        for found in analysis.run(tables, _theirs(analysis, settings)):
            by_domain[found.subject.id].append(found)
    each = [_first(of) for of in by_domain.values()]
    return [*each, _sum(tables, each)] if each else []


def _first(of: Sequence[Finding]) -> Finding:
    """What a domain counts as."""
    for verdict in _VERDICTS:
        fitting = [found for found in of if found.verdict == verdict]
        if fitting:
            return replace(
                fitting[0],
                analysis=NAME,
                reason="; ".join(found.reason for found in fitting),
                effect=_added(found.effect or {} for found in fitting),
                figures=tuple(figure for found in fitting for figure in found.figures),
                action=" && ".join(found.action for found in fitting if found.action),
                confidence=min(found.confidence for found in fitting),
            )
    known = [found for found in of if found.verdict != INSUFFICIENT]
    if not known:
        return replace(of[0], analysis=NAME)
    return replace(
        known[0],
        analysis=NAME,
        verdict=NOTHING,
        severity=Severity.OK,
        reason="it is neither off nor idle nor oversized" if len(known) == len(of) else "what is known of it is in use",
        figures=(),
        effect=None,
        action="",
    )


def _added(effects: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for effect in effects:
        for unit, value in effect.items():
            total[unit] += value
    return dict(total)


def _sum(tables: Tables, each: Sequence[Finding]) -> Finding:
    counts = Counter(found.verdict for found in each)
    freed = _added(found.effect or {} for found in each if found.verdict in _VERDICTS)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
    known = len(each) - counts[INSUFFICIENT]
    found = evidence.evidence(tables, tables.steps)
    found = replace(found, coverage=known / len(each), notes=(f"{counts[INSUFFICIENT]} domains with too little data",))
    if not known:
        return evidence.insufficient(NAME, evidence.fleet(), found, f"too little is known of all {len(each)} domains")
    return Finding(
        NAME,
        evidence.fleet(),
        "to reclaim" if freed else NOTHING,
        Severity.INFO if freed else Severity.OK,
        f"of {len(each)} domains {told}",
        found,
        evidence.confidence(found, 1.0),
        tuple(Figure(unit, freed.get(unit, 0.0), name) for unit, name in _UNITS.items()),
        freed or None,
    )


ANALYSIS = Analysis(
    NAME,
    "Reclaim",
    "What can be taken back of the fleet, each thing counted once?",
    (WINDOW, STEP, COVERAGE),
    _needs,
    _run,
)
