"""Idle: domains that run and do nothing.

A domain is *idle* where it is powered on and, in at least the share ``share`` of the steps of the window, its CPU, its
network **and** its disks are all at or under their thresholds in that same step. CPU alone is no measure: of the 500
machines of the Bitbrains trace 352 are under 5 % of their CPU for 95 % of July 2013, and most of them serve somebody.

CPU is counted as a share of all vCPUs' time, the emulator's included; network and disk in bytes per second, each
direction by itself. A domain without any interface (or disk) is judged by what it has. A figure that is not told is not
taken for 0: a step in which one of them is unknown does not count, and where too few are left the verdict is
*insufficient data*.

What shutting an idle domain down frees is its vCPUs and the memory that it has been given.
"""

from __future__ import annotations

from shlex import quote

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Evidence, Figure, Finding, Pointer, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables, percentile
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number

NAME = "idle"
WINDOW, STEP, COVERAGE = window(14 * DAY), step(), coverage()
SHARE = Setting("share", Number(0.5, 1, "of the steps"), 0.95, "The least share of the steps that must be quiet.")
CPU = Setting("cpu", Number(0, 1, "of the vCPUs' time"), 0.05, "The most CPU of a quiet step.")
NETWORK = Setting("network", Number(0, 1e12, "bytes/s"), 1_000.0, "The most traffic of a quiet step, each way.")
DISK = Setting("disk", Number(0, 1e12, "bytes/s"), 5_000.0, "The most bytes read, and written, in a quiet step.")
_NETWORK = ("net_receive", "net_transmit")
_DISK = ("disk_read", "disk_write")


def limits(settings: Settings) -> dict[str, float]:
    """The threshold of each quantity."""
    network, disk = settings[NETWORK], settings[DISK]
    return {"cpu_ratio": settings[CPU], **dict.fromkeys(_NETWORK, network), **dict.fromkeys(_DISK, disk)}


def _needs(settings: Settings) -> Needs:
    quiet = limits(settings)
    reduced = Reduced(Scope.DOMAIN, tuple(quiet), (100 * settings[SHARE],), quiet=quiet, share=settings[SHARE])
    return Needs(settings[WINDOW], settings[STEP], (reduced,))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rows = tables.with_summary(Scope.DOMAIN, {"id": "domain"}).filter("active")
    with_nics = frozenset(tables.nics["domain"].unique())
    with_disks = frozenset(tables.disks["domain"].unique())
    rows = rows.with_columns(pl.col("id").is_in(with_nics).alias("nics"), pl.col("id").is_in(with_disks).alias("disks"))
    return [_finding(tables, settings, row) for row in rows.to_dicts()]


def _finding(tables: Tables, settings: Settings, row: Row) -> Finding:
    most = limits(settings)
    asked = ["cpu_ratio", *(_NETWORK if row["nics"] else ()), *(_DISK if row["disks"] else ())]
    whole = len(asked) == len(most)
    # Where it has no interface or no disk, no step has all figures: the share of each must do.
    samples = min(row[f"{name}.samples"] or 0 for name in asked)
    samples = min(samples, row["quiet.known"]) if whole and samples else samples
    subject = evidence.domain(row)
    found = evidence.evidence(tables, samples, [Pointer(name, row["id"]) for name in asked])
    if thin := evidence.thin(found, settings[COVERAGE], "its use of CPU, network and disks together"):
        return evidence.insufficient(NAME, subject, found, thin)
    rank = 100 * settings[SHARE]
    over = [name for name in asked if row[percentile(name, rank)] > most[name]]
    share = row["quiet.under"] / row["quiet.known"] if whole else None
    idle = share >= settings[SHARE] if share is not None else not over
    if not idle:
        why = (
            f"it is quiet in no more than {share:.1%} of the steps, {settings[SHARE]:.0%} are needed"
            if share is not None
            else ""
        )
        why = why or f"{' and '.join(over)} are over their limits"
        return _told(found, row, NOTHING, Severity.OK, why, share, settings)
    quiet = settings[SHARE] if share is None else share
    reason = (
        f"in at least {quiet:.1%} of the steps it used at most {settings[CPU]:.0%} of "
        f"its CPU, {settings[NETWORK]:,.0f} bytes/s of network and {settings[DISK]:,.0f} bytes/s of disk"
    )
    return _told(found, row, "idle", Severity.INFO, reason, share, settings)


def _told(
    found: Evidence,
    row: Row,
    verdict: str,
    severity: Severity,
    reason: str,
    share: float | None,
    settings: Settings,
) -> Finding:
    rank = 100 * settings[SHARE]
    idle = verdict != NOTHING
    units = {"cpu_ratio": "ratio"}
    margin = 1.0 if share is None else abs(share - settings[SHARE]) / max(1 - settings[SHARE], 0.01)
    return Finding(
        NAME,
        evidence.domain(row),
        verdict,
        severity,
        reason,
        found,
        evidence.confidence(found, margin),
        (
            Figure("quiet steps", share, "ratio"),
            *(
                Figure(f"{name}, p{rank:g}", row[percentile(name, rank)], units.get(name, "bytes/s"))
                for name in limits(settings)
            ),
        ),
        {"vcpus": float(row["vcpus"] or 0), "bytes": float(row["memory"] or 0)} if idle else None,
        f"virsh shutdown {quote(row['id'])}" if idle else "",
    )


ANALYSIS = Analysis(
    NAME,
    "Idle domains",
    "Which domains run and do nothing?",
    (WINDOW, STEP, COVERAGE, SHARE, CPU, NETWORK, DISK),
    _needs,
    _run,
    own_subject_only=True,
)
