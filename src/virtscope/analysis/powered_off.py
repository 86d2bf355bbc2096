"""Powered off: domains that nobody has started for long.

A domain is *powered off* where it is off now and in no step of the window (21 days) used any CPU, and its host told of
it in at least the share ``coverage`` of the steps. A domain that was defined yesterday, or whose host said nothing, is
*insufficient data*: that nobody saw it run is not that it did not.

It holds no CPU and no memory; what it frees is its disks, as large as their images were when they were last read, where
that is known.
"""

from __future__ import annotations

from dataclasses import replace
from shlex import quote

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables
from virtscope.catalogue import Scope

NAME = "powered-off"
WINDOW, STEP, COVERAGE = window(21 * DAY), step(), coverage(0.7)
DISKS = Reduced(Scope.DISK, ("physical",))


def _needs(settings: Settings) -> Needs:
    return Needs(settings[WINDOW], settings[STEP], (Reduced(Scope.DOMAIN, ("cpu_cores",)), DISKS))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    disks = tables.summaries[Scope.DISK].group_by("domain").agg(pl.col("physical.average").sum().alias("disks"))
    rows = tables.with_summary(Scope.DOMAIN, {"id": "domain"}).filter(~pl.col("active"))
    return [
        _finding(tables, settings, row)
        for row in rows.join(disks, left_on="id", right_on="domain", how="left").to_dicts()
    ]


def _finding(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject, ran = evidence.domain(row), row["cpu_cores.samples"] or 0
    found = evidence.evidence(tables, row["seen"], (Pointer("cpu_cores", row["id"]),))
    days = settings[WINDOW] / DAY
    if ran:
        reason = f"it is off, and ran in {ran} steps of the last {days:g} days"
        return Finding(NAME, subject, NOTHING, Severity.OK, reason, found, evidence.confidence(found, 1.0))
    if thin := evidence.thin(found, settings[COVERAGE], "whether it ran"):
        return evidence.insufficient(NAME, subject, found, thin)
    notes = () if row["persistent"] else ("it is transient: its host forgets it by itself",)
    disks = row["disks"]
    return Finding(
        NAME,
        subject,
        "powered off",
        Severity.INFO,
        f"it has not run for {days:g} days at least",
        replace(found, notes=notes),
        evidence.confidence(found, 1.0),
        (Figure("size of its images", disks, "bytes"), Figure("vCPUs", row["vcpus"], "")),
        {"disk bytes": float(disks)} if disks else {},
        f"virsh domblklist {quote(row['id'])}",
    )


ANALYSIS = Analysis(
    NAME,
    "Powered off",
    "Which domains has nobody started for weeks?",
    (WINDOW, STEP, COVERAGE),
    _needs,
    _run,
    own_subject_only=True,
)
