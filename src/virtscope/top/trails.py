"""The last minutes of every object's figures, in memory: what sparklines and charts are drawn from."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from virtscope.cli.source import Item
from virtscope.top.snapshot import Listed, Snapshot

LENGTH = 120
"""Snapshots that are remembered."""

KEPT: Mapping[Listed, tuple[str, ...]] = {
    "hosts": ("cpu_ratio", "memory_used_ratio", "steal_cores"),
    "domains": (
        "cpu_ratio",
        "steal_ratio",
        "memory_used_ratio",
        "memory_current",
        "disk_read",
        "disk_write",
        "disk_write_latency",
        "net_receive",
        "net_transmit",
    ),
    "disks": ("read", "write"),
    "nics": ("receive", "transmit"),
}
"""The quantities that are remembered."""


def identity(kind: Listed, item: Item) -> str:
    """What tells an item from all others of its kind."""
    match kind:
        case "disks":
            return f"{item['domain']} {item['target']}"
        case "nics":
            return f"{item['domain']} {item['mac']} {item['target']}"
        case "alerts":
            return f"{item['rule']} {item['subject']['kind']} {item['subject']['id']}"
    return f"{item['id']}"


class Trails:
    """A trail for each quantity of each object: 32-bit floats, one a snapshot, unknown as NaN."""

    def __init__(self) -> None:
        self._kept: dict[Listed, dict[str, dict[str, array[float]]]] = {}
        self.times: array[float] = array("d")
        """When the snapshots were taken, Unix seconds."""

    def add(self, snapshot: Snapshot) -> None:
        """Take in a snapshot. An object that is gone loses its trail; one that is not answered has a gap."""
        if snapshot.problem and snapshot.answered != snapshot.at:
            return
        _append(self.times, snapshot.at)
        for kind, items in snapshot.items.items():
            if kind not in KEPT:
                continue
            before = self._kept.get(kind, {})
            self._kept[kind] = {
                (key := identity(kind, item)): _extended(before.get(key), KEPT[kind], item) for item in items
            }

    def of(self, kind: Listed, key: str, quantity: str) -> Sequence[float | None]:
        """A quantity's newest values, oldest first."""
        found = self._kept.get(kind, {}).get(key, {}).get(quantity, ())
        return [None if math.isnan(value) else value for value in found[-LENGTH:]]

    def both(self, kind: Listed, key: str, first: str, second: str) -> Sequence[float | None]:
        """Two quantities added up, as what a disk reads and writes."""
        pairs = zip(self.of(kind, key, first), self.of(kind, key, second), strict=True)
        return [None if a is None and b is None else (a or 0.0) + (b or 0.0) for a, b in pairs]


def _extended(trail: dict[str, array[float]] | None, quantities: Sequence[str], item: Item) -> dict[str, array[float]]:
    trail = trail or {quantity: array("f") for quantity in quantities}
    figures = {} if item.get("stale") else item["figures"]
    for quantity, values in trail.items():
        value = figures.get(quantity)
        _append(values, math.nan if value is None else value)
    return trail


def _append(values: array[float], value: float) -> None:
    values.append(value)
    if len(values) >= 2 * LENGTH:
        del values[:LENGTH]
