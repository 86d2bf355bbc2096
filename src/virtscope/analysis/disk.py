"""Disks and pools: what is promised, what is taken, and what is full.

A pool is *filling* from ``warning`` (80 %) of its capacity on, critically so from ``critical`` on; the most in any step
of the window decides. It is *overprovisioned* where its volumes, as large as their users see them, add up to more than
``overprovision`` times its capacity: all of them cannot fill. Both can be true of one pool.

An image is *mostly unused* where what was written of it is at most ``unused`` of its capacity, and at least ``size`` is
left: its user has been promised what he does not take. What was written is the offset of the highest byte, which a
hypervisor counts from the domain's start on: an image of which that is 0 has not been written since, and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Evidence, Figure, Finding, Severity, Subject
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.tables import Needs, Reduced, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number, Size

NAME = "disk"
WINDOW, STEP, COVERAGE = window(DAY), step(), coverage()
WARNING = Setting("warning", Number(0, 1, "of the capacity"), 0.80, "From this share on a pool is filling.")
CRITICAL = Setting("critical", Number(0, 1, "of the capacity"), 0.90, "From this share on it is critical.")
OVERPROVISION = Setting(
    "overprovision", Number(0, 1_000, "times the capacity"), 1.5, "The most that a pool's volumes may promise."
)
UNUSED = Setting("unused", Number(0, 1, "of the capacity"), 0.2, "The most that is written of a mostly unused image.")
SIZE = Setting("size", Size(0, 1 << 60), 10 << 30, "The least that such an image must have left.")
_GIB = float(1 << 30)


def _needs(settings: Settings) -> Needs:
    return Needs(
        settings[WINDOW],
        settings[STEP],
        (
            Reduced(Scope.DISK, ("capacity", "allocation", "physical")),
            Reduced(Scope.POOL, ("capacity", "allocation", "used_ratio", "volumes_capacity")),
        ),
    )


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    return [*_pools(tables, settings), *_images(tables, settings)]


def _pools(tables: Tables, settings: Settings) -> Iterator[Finding]:
    joined = tables.pools.filter("active").join(tables.summaries[Scope.POOL], on=["host", "pool"], how="left")
    for row in joined.to_dicts():
        subject = Subject("pool", f"{row['host']}/{row['pool']}", row["pool"], row["host"])
        found = evidence.evidence(tables, row["used_ratio.samples"])
        thin = evidence.thin(found, settings[COVERAGE], "how full it is")
        if thin or not row["capacity.average"]:
            yield evidence.insufficient(NAME, subject, found, thin or "its capacity is said to be 0")
            continue
        verdicts = [*_filling(row, subject, found, settings), *_promised(row, subject, found, settings)]
        reason = f"{row['used_ratio.maximum']:.0%} of its {row['capacity.average'] / _GIB:,.0f} GiB are taken"
        fine = Finding(NAME, subject, NOTHING, Severity.OK, reason, found, found.coverage, _figures(row))
        yield from verdicts or [fine]


def _filling(row: Row, subject: Subject, found: Evidence, settings: Settings) -> Iterator[Finding]:
    used = row["used_ratio.maximum"]
    if used < settings[WARNING]:
        return
    critical = used >= settings[CRITICAL]
    limit = settings[CRITICAL if critical else WARNING]
    yield Finding(
        NAME,
        subject,
        "filling",
        Severity.CRITICAL if critical else Severity.WARNING,
        f"{used:.1%} of its {row['capacity.average'] / _GIB:,.0f} GiB are taken; {limit:.0%} is the limit",
        found,
        evidence.confidence(found, 1.0),
        _figures(row),
    )


def _promised(row: Row, subject: Subject, found: Evidence, settings: Settings) -> Iterator[Finding]:
    promised = row["volumes_capacity.maximum"]
    ratio = None if promised is None else promised / row["capacity.average"]
    if ratio is None or ratio <= settings[OVERPROVISION]:
        return
    yield Finding(
        NAME,
        subject,
        "overprovisioned",
        Severity.WARNING,
        f"its volumes promise {ratio:.2f} times its capacity; {settings[OVERPROVISION]:g} times is the limit",
        found,
        evidence.confidence(found, 1.0),
        _figures(row),
    )


def _figures(row: Row) -> tuple[Figure, ...]:
    promised = row["volumes_capacity.maximum"]
    return (
        Figure("capacity", row["capacity.average"], "bytes"),
        Figure("taken", row["used_ratio.maximum"], "ratio"),
        Figure("promised", promised, "bytes"),
        Figure("overprovision", None if promised is None else promised / row["capacity.average"], "ratio"),
    )


def _images(tables: Tables, settings: Settings) -> Iterator[Finding]:
    disks = tables.disks.filter((pl.col("device") == "disk") & ~pl.col("readonly"))
    owners = tables.subjects.filter("active").select("id", "name", "host", "flavor")
    rows = owners.join(disks.drop("host"), left_on="id", right_on="domain")
    figures = tables.summaries[Scope.DISK]
    for row in rows.join(figures, left_on=["id", "target"], right_on=["domain", "target"], how="left").to_dicts():
        yield _image(tables, settings, row)


def _image(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject = evidence.domain(row, row["target"], "disk")
    found = evidence.evidence(tables, row["allocation.samples"])
    capacity, written = row["capacity.average"], row["allocation.maximum"]
    thin = evidence.thin(found, settings[COVERAGE], "what is written of it")
    if thin or not capacity or not written:
        doubt = "its capacity is not known" if not capacity else "nothing was written since the domain started"
        return evidence.insufficient(NAME, subject, found, thin or doubt)
    share, left = written / capacity, max(capacity - written, 0.0)
    unused = share <= settings[UNUSED] and left >= settings[SIZE]
    return Finding(
        NAME,
        subject,
        "mostly unused" if unused else NOTHING,
        Severity.INFO if unused else Severity.OK,
        f"{written / _GIB:,.1f} of {capacity / _GIB:,.1f} GiB are written ({share:.0%})",
        found,
        evidence.confidence(found, abs(share - settings[UNUSED]) / max(settings[UNUSED], 0.01)),
        (
            Figure("capacity", capacity, "bytes"),
            Figure("written", written, "bytes"),
            Figure("size of the image", row["physical.average"], "bytes"),
            Figure("written", share, "ratio"),
        ),
    )


ANALYSIS = Analysis(
    NAME,
    "Disks and pools",
    "Which pools fill or promise too much, and which images are mostly unused?",
    (WINDOW, STEP, COVERAGE, WARNING, CRITICAL, OVERPROVISION, UNUSED, SIZE),
    _needs,
    _run,
)
