"""The shapes of the routes about analyses: what is sent, and what is answered. Times are Unix seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Finding
from virtscope.analysis.registry import Analysis
from virtscope.server.analysing import Result
from virtscope.store.findings import Kept, Run

SeverityName = Literal["ok", "info", "warning", "critical"]
StateName = Literal["new", "still", "gone"]


@dataclass(frozen=True, slots=True)
class AnalysisSetting:
    """What may be set of an analysis."""

    name: str
    default: str
    bounds: str
    """What is allowed, in words; empty where everything is."""
    help: str


@dataclass(frozen=True, slots=True)
class AnalysisDescription:
    """An analysis."""

    name: str
    title: str
    help: str
    method: str
    settings: list[AnalysisSetting]


@dataclass(frozen=True, slots=True)
class AnalysisList:
    """Every analysis."""

    analyses: list[AnalysisDescription]


@dataclass(frozen=True, slots=True)
class SubjectAnswer:
    """What a finding speaks of."""

    kind: str
    id: str
    name: str
    host: str
    host_name: str
    part: str


@dataclass(frozen=True, slots=True)
class FigureAnswer:
    """One number that a finding rests on or leads to."""

    name: str
    value: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class PointerAnswer:
    """A series to look at."""

    quantity: str
    object: str


@dataclass(frozen=True, slots=True)
class EvidenceAnswer:
    """What a verdict rests on."""

    start: float
    end: float
    samples: int
    coverage: float
    series: list[PointerAnswer]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class FindingAnswer:
    """A verdict on one subject, and why."""

    analysis: str
    subject: SubjectAnswer
    verdict: str
    severity: SeverityName
    reason: str
    confidence: float
    figures: list[FigureAnswer]
    effect: dict[str, float]
    """What acting on it frees (positive) or costs (negative), by unit."""
    action: str
    """A command that the operator may run himself; empty: there is none."""
    evidence: EvidenceAnswer


@dataclass(frozen=True, slots=True)
class DismissalAnswer:
    """Somebody does not want to hear of a finding."""

    at: float
    until: float | None
    """Null: for ever."""
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeptFinding:
    """A finding of a scheduled run, with its history."""

    id: str
    """The same whenever the same is found on the same subject."""
    state: StateName
    """``new``: the newest run found it first; ``still``: it was there before; ``gone``: it is not there any more."""
    first: float
    last: float
    gone: float | None
    dismissal: DismissalAnswer | None
    finding: FindingAnswer


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """The newest scheduled run of an analysis."""

    analysis: str
    at: float
    seconds: float
    findings: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class FindingList:
    """What scheduled runs have found."""

    runs: list[RunAnswer]
    """An analysis without a run here has not been run by itself yet: that nothing was found says nothing."""
    total: int
    """How many there are, of which ``findings`` are the first."""
    findings: list[KeptFinding]


@dataclass(frozen=True, slots=True)
class NewDismissal:
    """Why nobody wants to hear of a finding, and until when."""

    reason: Annotated[str, Field(min_length=1, max_length=1_000)]
    until: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)] | None = None
    """Unix seconds; null is for ever."""


@dataclass(frozen=True, slots=True)
class AnalysisAnswer:
    """What came of an analysis that was run just now."""

    analysis: str
    title: str
    start: float
    end: float
    seconds: float
    """How long it took."""
    settings: dict[str, str]
    verdicts: dict[str, int]
    """How many findings have each verdict, those that are left out with them."""
    findings: list[FindingAnswer]


_ORDER = {"critical": 0, "warning": 1, "info": 2, "ok": 3}


def described(analysis: Analysis) -> AnalysisDescription:
    """An analysis with its settings."""
    return AnalysisDescription(
        analysis.name,
        analysis.title,
        analysis.help,
        analysis.method,
        [AnalysisSetting(one.name, one.kind.show(one.default), one.kind.bounds, one.help) for one in analysis.declared],
    )


def result(found: Result, hosts: Mapping[str, str], *, everything: bool) -> AnalysisAnswer:
    """What came of a run, the most severe first. Where all is well is left out, unless everything is asked for."""
    shown = [one for one in found.findings if everything or one.verdict != NOTHING]
    return AnalysisAnswer(
        found.analysis.name,
        found.analysis.title,
        found.over.start / 1000,
        found.over.end / 1000,
        round(found.seconds, 3),
        {one.name: one.show(found.settings[one]) for one in found.analysis.declared},
        dict(Counter(one.verdict for one in found.findings)),
        [finding(one, hosts) for one in ordered(shown)],
    )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The most severe first, what is not known last; alike ones by name."""

    def place(one: Finding) -> tuple[Any, ...]:
        return one.verdict == INSUFFICIENT, _ORDER[one.severity.value], one.verdict, one.subject.name, one.subject.part

    return sorted(findings, key=place)


def finding(one: Finding, hosts: Mapping[str, str]) -> FindingAnswer:
    """A finding, with the name of its host."""
    told, subject = one.evidence, one.subject
    return FindingAnswer(
        one.analysis,
        SubjectAnswer(
            subject.kind, subject.id, subject.name, subject.host, hosts.get(subject.host, subject.host), subject.part
        ),
        one.verdict,
        one.severity.value,
        one.reason,
        one.confidence,
        [FigureAnswer(figure.name, figure.value, figure.unit) for figure in one.figures],
        dict(one.effect or {}),
        one.action,
        EvidenceAnswer(
            told.start / 1000,
            told.end / 1000,
            told.samples,
            told.coverage,
            [PointerAnswer(pointer.quantity, pointer.object) for pointer in told.series],
            list(told.notes),
        ),
    )


def kept(one: Kept, hosts: Mapping[str, str]) -> KeptFinding:
    """A finding with its history."""
    dismissed = one.dismissal
    return KeptFinding(
        one.id,
        "gone" if one.gone is not None else "new" if one.is_new else "still",
        one.first / 1000,
        one.last / 1000,
        None if one.gone is None else one.gone / 1000,
        None
        if dismissed is None
        else DismissalAnswer(
            dismissed.at / 1000,
            None if dismissed.until is None else dismissed.until / 1000,
            dismissed.who,
            dismissed.reason,
        ),
        finding(one.finding, hosts),
    )


def ran(run: Run) -> RunAnswer:
    """A run."""
    return RunAnswer(run.analysis, run.at / 1000, run.seconds, run.findings, run.problem)


def at_least(severity: str) -> frozenset[str]:
    """The severities from this one on."""
    return frozenset(name for name, place in _ORDER.items() if place <= _ORDER[severity])


def by_severity(findings: Iterable[KeptFinding]) -> list[KeptFinding]:
    """The most severe first; alike ones by age, the newest first."""
    return sorted(findings, key=lambda one: (_ORDER[one.finding.severity], -one.first, one.finding.subject.name))
