"""Recording rules: the quantities that alerts compare, and that people ask for over long ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtscope.catalogue import QUANTITY, Gauge, Scope, leaves
from virtscope.exposition.promql import VIRTSCOPE, query

RECORDED: tuple[tuple[Scope, str], ...] = (
    *((Scope.HOST, name) for name in ("cpu_ratio", "memory_used_ratio", "guests_cpu_cores", "guests_memory")),
    *((Scope.HOST, name) for name in ("steal_cores", "vcpu_overcommit", "memory_overcommit")),
    *((Scope.HOST, name) for name in ("pressure_cpu_some", "pressure_memory_full", "pressure_io_full")),
    *((Scope.POOL, name) for name in ("used_ratio", "volumes_capacity")),
    *((Scope.DOMAIN, name) for name in ("cpu_cores", "cpu_ratio", "steal_ratio", "memory_used_ratio")),
    *((Scope.DOMAIN, name) for name in ("disk_read", "disk_write", "disk_read_latency", "disk_write_latency")),
    *((Scope.DOMAIN, name) for name in ("net_receive", "net_transmit")),
    (Scope.FILESYSTEM, "used_ratio"),
)


def recorded(scope: Scope, name: str) -> str:
    """What a quantity's series are called: ``level:metric:operation``, as Prometheus recommends."""
    made = QUANTITY[scope, name]
    is_now = all(isinstance(leaf, Gauge) for _, leaf in leaves(made.formula, scope))
    return f"virtscope_{scope.value}:{name}" + ("" if is_now else ":rate5m")


def groups() -> list[dict[str, Any]]:
    """Every rule, a group for each scope: groups are evaluated side by side."""
    return [
        {"name": f"virtscope-{scope.value}", "interval": "30s", "rules": list(_rules(scope))}
        for scope in dict.fromkeys(scope for scope, _ in RECORDED)
    ]


def _rules(wanted: Scope) -> Iterator[dict[str, Any]]:
    for scope, name in RECORDED:
        if scope is wanted:
            labels = ", ".join(VIRTSCOPE.labels(scope))
            asked = query(QUANTITY[scope, name].formula, scope, VIRTSCOPE)
            # Without the labels of the target, a series goes on when it is scraped by another.
            yield {
                "record": recorded(scope, name),
                "expr": asked if f"by ({labels})" in asked else f"max by ({labels}) ({asked})",
            }
