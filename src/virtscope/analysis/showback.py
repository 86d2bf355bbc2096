"""Showback: what each project takes of the fleet, and what that costs.

A domain takes its vCPUs and its memory for as long as it runs: vCPU-hours are its vCPUs times the time in which its CPU
was known to run, GiB-hours likewise. Both are summed by ``by``, and cost ``vcpu-hour`` and ``gib-hour`` each. What the
vCPUs really used is told beside it (core-hours), and costs nothing by itself.

The sums are whole: capacity times time is what all groups take and what is *unallocated*, to the last hour. Capacity
is what hosts have, for the time in which they told of themselves. Where vCPUs are overcommitted, less than nothing of
them is left: then the unallocated are negative. Domains without a project, and those that the settings leave out, have
groups of their own. Nothing is guessed for the time in which nobody told anything: it is in neither side of the sum,
and the coverage says how much that is.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import Evidence, Figure, Finding, Severity, Subject
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, HOUR, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Choice, Number

NAME = "showback"
WINDOW, STEP, COVERAGE = window(30 * DAY), step(), coverage(0.1)
BY = Setting("by", Choice(("project", "flavor", "owner")), "project", "What domains are grouped by.")
VCPU_HOUR = Setting("vcpu-hour", Number(0, 1e6), 0.01, "What a vCPU costs for an hour, in money of your choice.")
GIB_HOUR = Setting("gib-hour", Number(0, 1e6), 0.002, "What a GiB of memory costs for an hour.")
NO_GROUP, LEFT_OUT, UNALLOCATED = "(none)", "(left out)", "(unallocated)"
"""Names that stand for no group. No project can have them: its name is shown without parentheses."""


def _needs(settings: Settings) -> Needs:
    return Needs(
        settings[WINDOW],
        settings[STEP],
        (
            Reduced(Scope.DOMAIN, ("cpu_cores", "vcpus", "memory_current")),
            Reduced(Scope.HOST, ("cpus", "memory_total")),
        ),
    )


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    capacity = _capacity(tables)
    if capacity is None:
        return []
    found = evidence.evidence(tables, None)
    found = replace(found, samples=int(capacity["steps"]), coverage=capacity["share"])
    if thin := evidence.thin(found, settings[COVERAGE], "what the hosts have"):
        return [evidence.insufficient(NAME, evidence.fleet(), found, thin)]
    groups = _groups(tables, settings).to_dicts()
    taken = {name: sum(row[name] for row in groups) for name in ("vcpu_hours", "gib_hours")}
    each = [_finding(tables, settings, row, capacity) for row in groups]
    return [*each, _rest(settings, capacity, taken, found)]


def _hours(tables: Tables) -> float:
    return tables.over.step / 1000 / HOUR


def _capacity(tables: Tables) -> Row | None:
    """What all hosts have, in hours; None where no host has told."""
    hosts, hours = tables.summaries[Scope.HOST], _hours(tables)
    wanted = hosts.join(tables.hosts.select("id"), left_on="host", right_on="id").filter(pl.col("cpus.samples") > 0)
    if wanted.is_empty():
        return None
    return wanted.select(
        vcpu_hours=(pl.col("cpus.average") * pl.col("cpus.samples") * hours).sum(),
        gib_hours=(pl.col("memory_total.average") * pl.col("memory_total.samples") * hours / (1 << 30)).sum(),
        steps=pl.col("cpus.samples").sum(),
        share=(pl.col("cpus.samples").sum() / (tables.hosts.height * tables.steps)).clip(upper_bound=1.0),
    ).to_dicts()[0]


def _groups(tables: Tables, settings: Settings) -> pl.DataFrame:
    hours = _hours(tables)
    group = pl.when("excluded").then(pl.lit(LEFT_OUT)).otherwise(pl.col(settings[BY]).fill_null(NO_GROUP))
    # Vcpus and memory of a domain that is off are told, too: only while it used CPU did it take them.
    ran = pl.col("cpu_cores.samples") * hours
    return (
        tables.domains.join(tables.summaries[Scope.DOMAIN], left_on="id", right_on="domain")
        .with_columns(group.alias("group"))
        .group_by("group")
        .agg(
            pl.len().alias("domains"),
            (pl.col("vcpus.average") * ran).sum().alias("vcpu_hours"),
            (pl.col("memory_current.average") * ran / (1 << 30)).sum().alias("gib_hours"),
            (pl.col("cpu_cores.average") * ran).sum().alias("core_hours"),
            pl.col("cpu_cores.samples").sum().alias("samples"),
            pl.col("project_id").first().alias("project_id"),
        )
        .sort("group")
    )


def _finding(tables: Tables, settings: Settings, row: Row, capacity: Row) -> Finding:
    is_project = settings[BY] == "project" and row["group"] not in (NO_GROUP, LEFT_OUT)
    subject = Subject(settings[BY], (row["project_id"] if is_project else None) or row["group"], row["group"])
    share = min(row["samples"] / (row["domains"] * tables.steps), 1.0)
    found = replace(evidence.evidence(tables, None), samples=row["samples"], coverage=share)
    if thin := evidence.thin(found, 0.0, "what its domains take"):
        return evidence.insufficient(NAME, subject, found, thin)
    cost = _cost(settings, row)
    return Finding(
        NAME,
        subject,
        "takes",
        Severity.INFO,
        f"{row['domains']} domains took {row['vcpu_hours']:,.1f} vCPU-hours and {row['gib_hours']:,.1f} GiB-hours, "
        f"and used {row['core_hours']:,.1f} core-hours of them: {cost:,.2f}",
        found,
        1.0,
        (*_figures(row, cost, capacity), Figure("CPU used", row["core_hours"], "core-hours")),
    )


def _rest(settings: Settings, capacity: Row, taken: Row, found: Evidence) -> Finding:
    left = {name: capacity[name] - taken[name] for name in ("vcpu_hours", "gib_hours")}
    cost = _cost(settings, left)
    return Finding(
        NAME,
        Subject("fleet", "", UNALLOCATED),
        "unallocated",
        Severity.INFO,
        f"of {capacity['vcpu_hours']:,.1f} CPU-hours and {capacity['gib_hours']:,.1f} GiB-hours that the hosts had, "
        f"{left['vcpu_hours']:,.1f} and {left['gib_hours']:,.1f} were taken by nobody: {cost:,.2f}",
        found,
        1.0,
        _figures(left, cost, capacity),
    )


def _cost(settings: Settings, row: Row) -> float:
    return float(row["vcpu_hours"] * settings[VCPU_HOUR] + row["gib_hours"] * settings[GIB_HOUR])


def _figures(row: Row, cost: float, capacity: Row) -> tuple[Figure, ...]:
    share = row["vcpu_hours"] / capacity["vcpu_hours"] if capacity["vcpu_hours"] else None
    return (
        Figure("vCPU-hours", row["vcpu_hours"], "vCPU-hours"),
        Figure("GiB-hours", row["gib_hours"], "GiB-hours"),
        Figure("cost", cost, "money"),
        Figure("share of the CPUs", share, "ratio"),
    )


ANALYSIS = Analysis(
    NAME,
    "Showback",
    "What does each project take of the fleet, and what does that cost?",
    (WINDOW, STEP, COVERAGE, BY, VCPU_HOUR, GIB_HOUR),
    _needs,
    _run,
)
