"""Contention: who waits for a CPU, and which hosts are short of CPU, memory or disk.

A vCPU's steal is the time in which it could have run but waited for a CPU of the host, for each second:
Δ``vcpu.delay`` / Δt. Steps of the window give a distribution; the figure that decides is its percentile ``percentile``
(of the worst vCPU of the domain), so that one bad moment does not count and a bad hour a day does. From ``warning`` on
a domain is *contended*, from ``critical`` on critically so. A steal of more than the whole time is not possible: a
counter that says so makes no sense, and the verdict is *insufficient data*.

A host is *under pressure* by its pressure stall information (PSI, ``Documentation/accounting/psi.rst`` of the kernel):
the shares of time in which some tasks, and all of them at once, stalled. For memory and I/O both must reach
``pressure``. For CPU the share of *some* alone decides: a kernel knows no *full* for CPU of the system as a whole. PSI
is read where the agent runs on the host.

Scheduling delay: ``proc(5)``, ``/proc/PID/schedstat``. What 5 and 10 % mean: the thresholds in use for steal in guests.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables, percentile
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number

NAME = "contention"
WINDOW, STEP, COVERAGE = window(DAY), step(), coverage()
WARNING = Setting("warning", Number(0, 1, "of the time"), 0.05, "From this steal of a vCPU on it is a warning.")
CRITICAL = Setting("critical", Number(0, 1, "of the time"), 0.10, "From this steal of a vCPU on it is critical.")
PRESSURE = Setting("pressure", Number(0, 1, "of the time"), 0.20, "From this share of stalled time on a host is short.")
PERCENTILE = Setting(
    "percentile", Number(0, 100, "%"), 95.0, "Which percentile of the steps decides: 95 is exceeded in 5 % of them."
)
_RESOURCES = {"cpu": "CPU", "memory": "memory", "io": "I/O"}
_MOST = 1.02
"""Steal of a vCPU beyond this is no time: two readings are not taken at the very same moment."""


def _needs(settings: Settings) -> Needs:
    ranks = (settings[PERCENTILE],)
    pressures = tuple(f"pressure_{resource}_{kind}" for resource in _RESOURCES for kind in ("some", "full"))
    return Needs(
        settings[WINDOW],
        settings[STEP],
        (Reduced(Scope.VCPU, ("steal",), ranks), Reduced(Scope.HOST, pressures, ranks)),
    )


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    return [*_domains(tables, settings), *_hosts(tables, settings)]


def _domains(tables: Tables, settings: Settings) -> Iterator[Finding]:
    steal = percentile("steal", settings[PERCENTILE])
    of_vcpus = tables.summaries[Scope.VCPU]
    # The worst vCPU decides: an average over all would hide it.
    worst = (
        of_vcpus.filter(pl.col("steal.samples") > 0)
        .sort(steal, "vcpu", descending=[True, False], nulls_last=True)
        .group_by("domain", maintain_order=True)
        .agg(
            pl.col("vcpu").first(),
            pl.col(steal).first().alias("steal"),
            pl.col("steal.maximum").first().alias("peak"),
            pl.col("steal.average").mean().alias("average"),
            pl.col("steal.samples").first().alias("samples"),
        )
    )
    for row in tables.subjects.filter("active").join(worst, left_on="id", right_on="domain", how="left").to_dicts():
        yield _domain(tables, settings, row)


def _domain(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject = evidence.domain(row)
    found = evidence.evidence(
        tables, row["samples"], (Pointer("steal_ratio", row["id"]), Pointer("cpu_ratio", row["id"]))
    )
    steal = row["steal"]
    thin = evidence.thin(found, settings[COVERAGE], "the steal of its vCPUs")
    if thin or steal is None:
        return evidence.insufficient(NAME, subject, found, thin or "the steal of its vCPUs is not known")
    if steal > _MOST:
        reason = f"vCPU {row['vcpu']} is said to have waited {steal:.0%} of the time, which cannot be"
        return evidence.insufficient(NAME, subject, found, reason)
    severity = (
        Severity.CRITICAL
        if steal >= settings[CRITICAL]
        else Severity.WARNING
        if steal >= settings[WARNING]
        else Severity.OK
    )
    contended = severity is not Severity.OK
    rank = f"{settings[PERCENTILE]:g}th percentile of the steps"
    limit = settings[CRITICAL if severity is Severity.CRITICAL else WARNING]
    return Finding(
        NAME,
        subject,
        "contended" if contended else NOTHING,
        severity,
        f"vCPU {row['vcpu']} waited {steal:.1%} of the time for a CPU of {row['host_name']} ({rank}); "
        f"{limit:.0%} is the limit",
        found,
        evidence.confidence(found, (steal - limit) / limit if limit else 1.0),
        (
            Figure("steal", steal, "ratio"),
            Figure("steal, most in a step", row["peak"], "ratio"),
            Figure("steal, average of its vCPUs", row["average"], "ratio"),
            Figure("vCPUs", row["vcpus"], ""),
        ),
    )


def _hosts(tables: Tables, settings: Settings) -> Iterator[Finding]:
    joined = tables.hosts.join(tables.summaries[Scope.HOST], left_on="id", right_on="host", how="left")
    for row in joined.to_dicts():
        if not row["maintenance"]:
            yield _host(tables, settings, row)


def _host(tables: Tables, settings: Settings, row: Row) -> Finding:
    rank, limit, subject = settings[PERCENTILE], settings[PRESSURE], evidence.host(row)

    def share(resource: str, kind: str) -> float | None:
        value: float | None = row[percentile(f"pressure_{resource}_{kind}", rank)]
        return value

    known = [resource for resource in _RESOURCES if share(resource, "some") is not None]
    samples = min((row[f"pressure_{resource}_some.samples"] for resource in known), default=0)
    found = evidence.evidence(tables, samples, [Pointer(f"pressure_{name}_some", row["id"]) for name in known])
    if thin := evidence.thin(found, settings[COVERAGE], "its pressure"):
        return evidence.insufficient(NAME, subject, found, f"{thin}; it is read where the agent runs on the host")
    short = [
        resource
        for resource in known
        if (share(resource, "some") or 0.0) >= limit
        and (resource == "cpu" or (share(resource, "full") or 0.0) >= limit)
    ]
    told = ", ".join(
        f"{word} {share(resource, 'some'):.1%} some"
        + (f" and {full:.1%} all" if (full := share(resource, "full")) else "")
        for resource, word in _RESOURCES.items()
        if resource in known
    )
    severity = Severity.OK
    if short:
        severity = Severity.WARNING if short == ["cpu"] else Severity.CRITICAL
    names = " and ".join(_RESOURCES[resource] for resource in short)
    least = max((share(resource, "some") or 0.0 for resource in (short or known)), default=0.0)
    return Finding(
        NAME,
        subject,
        f"short of {names}" if short else NOTHING,
        severity,
        f"stalled for {told} of its tasks' time ({rank:g}th percentile of the steps); {limit:.0%} is the limit",
        found,
        evidence.confidence(found, (least - limit) / limit if limit else 1.0),
        tuple(
            Figure(f"{word} pressure ({kind})", share(resource, kind), "ratio")
            for resource, word in _RESOURCES.items()
            for kind in ("some", "full")
        ),
    )


ANALYSIS = Analysis(
    NAME,
    "Contention",
    "Which domains wait for a CPU, and which hosts are short of CPU, memory or disk?",
    (WINDOW, STEP, COVERAGE, WARNING, CRITICAL, PERCENTILE, PRESSURE),
    _needs,
    _run,
    own_subject_only=True,
)
