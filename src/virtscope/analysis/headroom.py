"""Headroom and overcommit: what each host has left, and what it has promised.

Two ratios tell what is promised: vCPUs of active domains for each CPU of the host, and their memory for its memory.
Beyond ``vcpu-ratio`` and ``memory-ratio`` a host is *overcommitted*.

What is left is the host's CPUs less its peak. The peak is predicted as the larger of two: the sum of each domain's
percentile ``percentile`` (they might all peak at once), and the host's mean and ``sigmas`` deviations (they hardly ever
do, and the host has work of its own). Of memory it is the most that was used in a step. A host that has less than the
share ``reserve`` left of either has *no headroom*.

The larger of the two predictors, and the defaults of each (99th percentile, 5 sigma): N. Bashir et al., "Take it to the
limit: peak prediction-driven resource overcommitment in datacenters", EuroSys 2021. Tried on the Bitbrains trace, each
ten machines as a host, the days 0 to 15 predicting 16 to 29: see ``tests/analysis/test_headroom.py``.

Where too many of a host's vCPUs belong to domains of which too little is known, the sum would be too small, and the
verdict is *insufficient data*.
"""

from __future__ import annotations

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

NAME = "headroom"
WINDOW, STEP, COVERAGE = window(14 * DAY), step(), coverage()
PERCENTILE = Setting("percentile", Number(50, 100, "%"), 99.0, "Which percentile of each domain's use is summed.")
SIGMAS = Setting("sigmas", Number(0, 10, "deviations"), 5.0, "How many deviations are put on the host's mean.")
RESERVE = Setting("reserve", Number(0, 1, "of the host"), 0.10, "The least share of a host that must be left.")
VCPU_RATIO = Setting("vcpu-ratio", Number(0, 1_000, "vCPUs per CPU"), 4.0, "The most vCPUs for each CPU of a host.")
MEMORY_RATIO = Setting(
    "memory-ratio", Number(0, 100, "times the memory"), 1.0, "The most memory of domains for a host's memory."
)
_GIB = float(1 << 30)


def _needs(settings: Settings) -> Needs:
    return Needs(
        settings[WINDOW],
        settings[STEP],
        (
            Reduced(Scope.DOMAIN, ("cpu_cores",), (settings[PERCENTILE],)),
            Reduced(Scope.HOST, ("cpu_cores", "memory_used")),
        ),
    )


def peak(domains: float, mean: float, deviation: float | None, sigmas: float) -> float:
    """The predicted peak of a host, cores: ``domains`` is the sum of its domains' percentiles."""
    return max(domains, mean + sigmas * (deviation or 0.0))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rank = percentile("cpu_cores", settings[PERCENTILE])
    least = max(settings[COVERAGE] * tables.steps, 1)
    figures = tables.summaries[Scope.DOMAIN].select("domain", rank, "cpu_cores.samples")
    # Those that are left out of other verdicts take their share of a host all the same.
    owned = tables.domains.filter("active").join(figures, left_on="id", right_on="domain", how="left")
    known = pl.col("cpu_cores.samples").fill_null(0) >= least
    of_hosts = owned.group_by("host").agg(
        pl.len().alias("domains"),
        pl.col("vcpus").sum().alias("vcpus"),
        pl.col("vcpus").filter(known).sum().alias("known"),
        pl.col("memory").sum().alias("granted"),
        pl.col(rank).filter(known).sum().alias("peaks"),
    )
    hosts = tables.hosts.filter(~pl.col("maintenance")).join(
        tables.summaries[Scope.HOST], left_on="id", right_on="host", how="left"
    )
    return [
        _finding(tables, settings, row)
        for row in hosts.join(of_hosts, left_on="id", right_on="host", how="left").to_dicts()
    ]


def _finding(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject, vcpus, granted = evidence.host(row), row["vcpus"] or 0, row["granted"] or 0
    found = evidence.evidence(
        tables, row["cpu_cores.samples"], (Pointer("cpu_cores", row["id"]), Pointer("memory_used", row["id"]))
    )
    thin = evidence.thin(found, settings[COVERAGE], "its CPU use")
    if doubt := thin or _doubt(row, vcpus, settings):
        return evidence.insufficient(NAME, subject, found, doubt)
    cpus, memory = row["cpus"], row["memory"]
    most = peak(row["peaks"] or 0.0, row["cpu_cores.average"], row["cpu_cores.deviation"], settings[SIGMAS])
    cores, free = cpus - most, None if row["memory_used.maximum"] is None else memory - row["memory_used.maximum"]
    promised = [
        *([f"{vcpus / cpus:.2f} vCPUs for each CPU"] if vcpus / cpus > settings[VCPU_RATIO] else ()),
        *([f"{granted / memory:.0%} of its memory"] if granted / memory > settings[MEMORY_RATIO] else ()),
    ]
    short = [
        *([f"{cores:.1f} of {cpus} CPUs"] if cores < settings[RESERVE] * cpus else ()),
        *(
            [f"{free / _GIB:.1f} of {memory / _GIB:.1f} GiB"]
            if free is not None and free < settings[RESERVE] * memory
            else ()
        ),
    ]
    verdict = "no headroom" if short else "overcommitted" if promised else NOTHING
    told = {
        "no headroom": f"at its peak {' and '.join(short)} are left",
        "overcommitted": f"it has promised {' and '.join(promised)}",
    }.get(verdict, f"at its peak {cores:.1f} of {cpus} CPUs are left, with {vcpus} vCPUs promised")
    margin = abs(cores - settings[RESERVE] * cpus) / cpus
    return Finding(
        NAME,
        subject,
        verdict,
        {"no headroom": Severity.WARNING, "overcommitted": Severity.INFO}.get(verdict, Severity.OK),
        told,
        found,
        evidence.confidence(found, margin),
        (
            Figure("vCPUs for each CPU", vcpus / cpus, "ratio"),
            Figure("memory promised", granted / memory, "ratio"),
            Figure("CPU peak, predicted", most, "cores"),
            Figure("CPU left", cores, "cores"),
            Figure("memory left", free, "bytes"),
            Figure("domains that run", row["domains"] or 0, ""),
        ),
    )


def _doubt(row: Row, vcpus: int, settings: Settings) -> str | None:
    if not row["cpus"] or not row["memory"]:
        return "it is not told how many CPUs and how much memory it has"
    share = (row["known"] or 0) / vcpus if vcpus else 1.0
    if share < settings[COVERAGE]:
        return f"enough is known of {share:.0%} of its domains' vCPUs, {settings[COVERAGE]:.0%} are needed"
    return None


ANALYSIS = Analysis(
    NAME,
    "Headroom and overcommit",
    "What does each host have left, and what has it promised?",
    (WINDOW, STEP, COVERAGE, PERCENTILE, SIGMAS, RESERVE, VCPU_RATIO, MEMORY_RATIO),
    _needs,
    _run,
)
