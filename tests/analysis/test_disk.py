"""Pools and images: known answers."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.analysis.fleet import domain, fleet, summary
from virtscope.analysis import registry, tables
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Severity
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

TIB, GIB = float(1 << 40), float(1 << 30)


def given(used: float | None = 0.5, promised: float | None = 1.0, written: float = 50.0, size: float = 100.0,
          samples: int = 288, **of_disk: Any) -> Tables:  # fmt: skip
    pool: dict[str, Any] = {"host": "h1", "pool": "default"}
    pool |= summary("capacity", samples, average=TIB)
    pool |= summary("allocation", samples, average=(used or 0) * TIB)
    pool |= summary("used_ratio", 0 if used is None else samples, maximum=used)
    pool |= summary("volumes_capacity", 0 if promised is None else samples, maximum=promised and promised * TIB)
    disk: dict[str, Any] = {"domain": "a", "target": "vda", **summary("capacity", samples, average=size * GIB)}
    disk |= summary("allocation", samples, maximum=written * GIB) | summary("physical", samples, average=written * GIB)
    described = {"domain": "a", "host": "h1", "target": "vda", "device": "disk", "readonly": False} | of_disk
    return fleet(
        [domain("a")],
        summaries={Scope.POOL: [pool], Scope.DISK: [disk]},
        disks=pl.DataFrame([described], schema=tables.DISKS),
        pools=pl.DataFrame([{"host": "h1", "pool": "default", "active": True}], schema=tables.POOLS),
    )


def found(tables: Tables, kind: str) -> dict[str, Severity]:
    analysis = registry.find("disk")
    all_found = registry.run(analysis, tables, analysis.read({}))
    return {one.verdict: one.severity for one in all_found if one.subject.kind == kind}


@pytest.mark.parametrize(
    ("used", "promised", "verdicts"),
    [
        (0.79, 1.5, {NOTHING: Severity.OK}),
        (0.80, 1.0, {"filling": Severity.WARNING}),
        (0.95, 1.0, {"filling": Severity.CRITICAL}),
        (0.50, 1.6, {"overprovisioned": Severity.WARNING}),
        (0.95, 2.0, {"filling": Severity.CRITICAL, "overprovisioned": Severity.WARNING}),
        (0.50, None, {NOTHING: Severity.OK}),
        (None, 1.0, {INSUFFICIENT: Severity.INFO}),
    ],
)
def test_pools(used: float | None, promised: float | None, verdicts: dict[str, Severity]) -> None:
    assert found(given(used, promised), "pool") == verdicts


@pytest.mark.parametrize(
    ("written", "size", "verdict"),
    [(20.0, 100.0, "mostly unused"), (21.0, 100.0, NOTHING), (1.0, 10.0, NOTHING), (0.0, 100.0, INSUFFICIENT)],
)
def test_images(written: float, size: float, verdict: str) -> None:
    assert set(found(given(written=written, size=size), "disk")) == {verdict}


def test_what_has_no_image_of_its_own_is_left_alone() -> None:
    assert found(given(device="cdrom"), "disk") == {}
    assert found(given(readonly=True), "disk") == {}


def test_half_a_day_is_not_enough() -> None:
    assert set(found(given(samples=100), "pool")) == set(found(given(samples=100), "disk")) == {INSUFFICIENT}
