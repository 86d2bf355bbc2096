"""What is off, and what can be taken back: nothing is counted twice."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.analysis.fleet import analysed, domain, fleet, summary
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS, GIB = 21 * 288, 1 << 30
OFF = {"state": "shut off", "active": False}


def row(
    domain: str, *, seen: int = STEPS, ran: int = STEPS, use: float = 1.0, quiet: int = 0, used: float = 3.0
) -> Any:
    known: dict[str, Any] = {"domain": domain, "seen": seen, "quiet.known": ran, "quiet.under": quiet}
    for name in ("cpu_cores", "cpu_demand"):
        known |= summary(name, ran, p99_5=use, p95=use)
    for name in ("steal_ratio", "swap_in", "swap_out"):
        known |= summary(name, ran, p99_5=0.0, p95=0.0)
    for name in ("cpu_ratio", "net_receive", "net_transmit", "disk_read", "disk_write"):
        known |= summary(name, ran, p95=0.0 if quiet else 1e9, p99_5=0.0)
    known |= summary("memory_used", ran, p95=used * GIB, p99_5=used * GIB)
    known |= summary("memory_used_ratio", ran, p95=0.5, p99_5=0.5)
    return known | summary("memory_current", ran, p95=used * 2 * GIB, p99_5=used * 2 * GIB)


def tables(domains: list[Any], rows: list[Any], disks: dict[str, float] | None = None) -> Tables:
    figures = [{"domain": name, "target": "vda", **summary("physical", 288, average=size)} for name, size in
               (disks or {"nobody": 1.0}).items()]  # fmt: skip
    owned = pl.DataFrame({"domain": [one["id"] for one in domains]})
    return fleet(domains, summaries={Scope.DOMAIN: rows, Scope.DISK: figures}, steps=STEPS, nics=owned, disks=owned)


@pytest.mark.parametrize(
    ("seen", "ran", "verdict"),
    [
        (STEPS, 0, "powered off"),
        (STEPS, 1, NOTHING),
        (288, 0, INSUFFICIENT),  # defined yesterday
        (0, 0, INSUFFICIENT),  # its host said nothing
    ],
)
def test_off_for_long(seen: int, ran: int, verdict: str) -> None:
    given = tables([domain("a", **OFF)], [row("a", seen=seen, ran=ran)], {"a": 7.0 * GIB})
    found = analysed("powered-off", given)["a"]
    assert found.verdict == verdict
    assert found.effect == ({"disk bytes": 7.0 * GIB} if verdict == "powered off" else None)


def test_what_runs_is_not_off() -> None:
    [found] = analysed("powered-off", tables([domain("a")], [row("a", ran=0)])).values()
    assert found.subject.kind == "fleet"


def test_nothing_is_counted_twice() -> None:
    domains = [
        domain("off", **OFF),
        domain("idle", vcpus=8, memory=8 * GIB),
        domain("big", vcpus=8, memory=8 * GIB),
        domain("fit", vcpus=2, memory=4 * GIB),
        domain("new", vcpus=8, memory=8 * GIB),
    ]
    rows = [
        row("off", ran=0),
        row("idle", quiet=STEPS, use=0.01, used=0.5),  # it is oversized, too
        row("big", use=1.0, used=0.5),
        row("fit", use=1.5, used=3.4),
        row("new", ran=5, seen=5, use=0.01, used=0.5),
    ]
    found = analysed("reclaim", tables(domains, rows, {"off": 5.0 * GIB}))
    verdicts = {name: one.verdict for name, one in found.items()}
    assert verdicts == {
        "off": "powered off",
        "idle": "idle",
        "big": "oversized",
        "fit": NOTHING,
        "new": INSUFFICIENT,
        "": "to reclaim",
    }
    assert found["idle"].effect == {"vcpus": 8, "bytes": 8 * GIB}
    # Half a GiB of 1, 15 % on top, and what its kernel keeps; 1.2 cores.
    assert found["big"].effect == {"vcpus": 6, "bytes": 8 * GIB - 0.75 * GIB}
    assert " && " in found["big"].action
    assert found[""].effect == {"disk bytes": 5 * GIB, "vcpus": 14, "bytes": 8 * GIB + 7.25 * GIB}
    assert found[""].reason == "of 5 domains 1 powered off, 1 idle, 1 oversized"
    assert found[""].evidence.coverage == 0.8


def test_of_nothing_known_nothing_is_freed() -> None:
    found = analysed("reclaim", tables([domain("new")], [row("new", ran=5, seen=5)]))
    assert {one.verdict for one in found.values()} == {INSUFFICIENT}
    assert found[""].effect is None
