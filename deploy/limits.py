"""Where figures begin to be bad, for dashboards as for alerts: a worry, and what nobody should wait with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from virtscope.catalogue import QUANTITY, Scope


class Limit(NamedTuple):
    """In the quantity's base unit."""

    warning: float
    critical: float


LIMITS: Mapping[tuple[Scope, str], Limit] = {
    (Scope.HOST, "cpu_ratio"): Limit(0.85, 0.95),
    (Scope.HOST, "memory_used_ratio"): Limit(0.9, 0.97),
    (Scope.HOST, "vcpu_overcommit"): Limit(4, 8),
    (Scope.HOST, "memory_overcommit"): Limit(1, 1.5),
    (Scope.HOST, "pressure_cpu_some"): Limit(0.25, 0.5),
    (Scope.HOST, "pressure_memory_full"): Limit(0.05, 0.2),
    (Scope.HOST, "pressure_io_full"): Limit(0.1, 0.3),
    (Scope.HOST, "timed_out_domains"): Limit(1, 5),
    (Scope.POOL, "used_ratio"): Limit(0.85, 0.95),
    (Scope.DOMAIN, "steal_ratio"): Limit(0.1, 0.3),
    (Scope.DOMAIN, "memory_used_ratio"): Limit(0.9, 0.97),
    (Scope.DOMAIN, "disk_read_latency"): Limit(0.05, 0.25),
    (Scope.DOMAIN, "disk_write_latency"): Limit(0.05, 0.25),
    (Scope.VCPU, "steal"): Limit(0.1, 0.3),
    (Scope.DISK, "read_latency"): Limit(0.05, 0.25),
    (Scope.DISK, "write_latency"): Limit(0.05, 0.25),
    (Scope.FILESYSTEM, "used_ratio"): Limit(0.85, 0.95),
}
CLOCK_SECONDS = 5
"""How far clocks may be apart."""
SILENT_SECONDS = 180
"""After which a host or an agent is taken for gone."""
FORECAST_DAYS = 4
"""How far ahead it is asked whether something is full."""

if LIMITS.keys() - QUANTITY.keys():
    raise ValueError(f"BUG: limits of what is no quantity: {sorted(map(str, LIMITS.keys() - QUANTITY.keys()))}")
