"""Bulk statistics into rows: holes, the unknown, and the guest's view."""

from __future__ import annotations

from typing import Any

from virtscope.agent import domstats
from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import DomainFacts, NicFacts, Row


def values(scope: Scope, row: Row) -> dict[str, Any]:
    keys = len(scope.keys) - 1
    return dict(zip((metric.name for metric in metrics_of(scope)), row[keys:], strict=True))


def test_absent_is_unknown_and_too_large_is_unknown() -> None:
    rows = domstats.rows([("d", {"cpu.time": 7, "balloon.current": 2**64 - 1, "balloon.unused": -1})], {})
    found = values(Scope.DOMAIN, rows[Scope.DOMAIN][0])
    assert found["cpu_time"] == 7
    assert found["memory_current"] is None
    assert found["memory_unused"] is None
    assert found["state"] is None


def test_vcpus_have_holes() -> None:
    record = {"vcpu.maximum": 4, "vcpu.0.state": 1, "vcpu.0.time": 5, "vcpu.2.state": 1, "vcpu.2.time": 6}
    rows = domstats.rows([("d", record)], {})[Scope.VCPU]
    assert [row[:2] for row in rows] == [("d", 0), ("d", 2)]


def test_an_interface_is_named_by_its_mac_and_seen_as_the_guest_sees_it() -> None:
    record = {"net.count": 2, "net.0.name": "tap0", "net.0.rx.bytes": 1, "net.0.tx.bytes": 2,
              "net.1.name": "vnet1", "net.1.rx.bytes": 3, "net.1.tx.bytes": 4}  # fmt: skip
    nics = (NicFacts("aa", "tap0", type="ethernet"), NicFacts("bb", "vnet1", type="bridge"))
    rows = domstats.rows([("d", record)], {"d": DomainFacts("d", "d", "h", nics=nics)})[Scope.NIC]
    assert [row[:3] for row in rows] == [("d", "aa", "tap0"), ("d", "bb", "vnet1")]
    received = [values(Scope.NIC, row)["receive_bytes"] for row in rows]
    assert received == [2, 3]


def test_a_backing_chain_is_one_disk() -> None:
    record = {"block.count": 2, "block.0.name": "vda", "block.0.rd.bytes": 1, "block.1.name": "vda"}
    rows = domstats.rows([("d", record)], {})[Scope.DISK]
    assert [row[:2] for row in rows] == [("d", "vda")]
    assert values(Scope.DISK, rows[0])["read_bytes"] == 1
