"""What each metric is called: in the dialects of the libvirt exporters in use, and by the catalogue otherwise.

Two dialects live on dashboards: that of inovex' prometheus-libvirt-exporter, and Tinkoff's libvirt-exporter with its
forks. Both name far fewer figures than we read, and agree on most.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from virtscope.catalogue import METRICS, Kind, Metric, Scope


class Dialect(Enum):
    """Whose names are spoken where they differ."""

    INOVEX = "inovex"
    TINKOFF = "tinkoff"


_INFO, _MEMORY, _JOB = "libvirt_domain_info", "libvirt_domain_memory_stats", "libvirt_domain_job_info"
_BLOCK, _NUMA, _POOL_INFO = "libvirt_domain_block_stats", "libvirt_host_numa", "libvirt_pool_info"

_NAMES: Mapping[tuple[Scope, str], tuple[str, ...]] = {
    # Our own health is not libvirt's.
    (Scope.HOST, "collect_time"): ("virtscope_collect_duration_seconds",),
    (Scope.HOST, "kernel_time"): ("virtscope_collect_duration_seconds",),
    (Scope.HOST, "collect_errors"): ("virtscope_collect_errors_total",),
    (Scope.HOST, "stuck_calls"): ("virtscope_stuck_calls",),
    (Scope.DOMAIN, "state"): (f"{_INFO}_state",),
    (Scope.DOMAIN, "cpu_time"): (f"{_INFO}_cpu_time_seconds_total",),
    (Scope.DOMAIN, "vcpus"): (f"{_INFO}_virtual_cpus", "libvirt_domain_vcpu_current"),
    (Scope.DOMAIN, "vcpus_maximum"): ("libvirt_domain_vcpu_maximum",),
    (Scope.DOMAIN, "memory_current"): (f"{_INFO}_memory_usage_bytes", f"{_MEMORY}_current_balloon_bytes"),
    (Scope.DOMAIN, "memory_maximum"): (f"{_INFO}_maximum_memory_bytes", f"{_MEMORY}_maximum_bytes"),
    (Scope.DOMAIN, "memory_swap_in"): (f"{_MEMORY}_swap_in_bytes",),
    (Scope.DOMAIN, "memory_swap_out"): (f"{_MEMORY}_swap_out_bytes",),
    (Scope.DOMAIN, "memory_major_fault"): (f"{_MEMORY}_major_fault_total",),
    (Scope.DOMAIN, "memory_minor_fault"): (f"{_MEMORY}_minor_fault_total",),
    (Scope.DOMAIN, "memory_unused"): (f"{_MEMORY}_unused_bytes",),
    (Scope.DOMAIN, "memory_available"): (f"{_MEMORY}_available_bytes",),
    (Scope.DOMAIN, "memory_usable"): (f"{_MEMORY}_usable_bytes",),
    (Scope.DOMAIN, "memory_rss"): (f"{_MEMORY}_rss_bytes",),
    (Scope.DOMAIN, "memory_disk_caches"): (f"{_MEMORY}_disk_caches_bytes",),
    (Scope.DOMAIN, "memory_last_update"): (f"{_MEMORY}_last_update_timestamp_seconds",),
    (Scope.DISK, "allocation"): (f"{_BLOCK}_allocation",),
    (Scope.DISK, "physical"): (f"{_BLOCK}_physicalsize_bytes",),
    (Scope.JOB, "type"): (f"{_JOB}_type",),
    (Scope.JOB, "elapsed"): (f"{_JOB}_time_elapsed_seconds",),
    (Scope.JOB, "remaining"): (f"{_JOB}_time_remaining_seconds",),
    (Scope.JOB, "data_total"): (f"{_JOB}_data_total_bytes",),
    (Scope.JOB, "data_processed"): (f"{_JOB}_data_processed_bytes",),
    (Scope.JOB, "data_remaining"): (f"{_JOB}_data_remaining_bytes",),
    (Scope.JOB, "memory_total"): (f"{_JOB}_memory_total_bytes",),
    (Scope.JOB, "memory_processed"): (f"{_JOB}_memory_processed_bytes",),
    (Scope.JOB, "memory_remaining"): (f"{_JOB}_memory_remaining_bytes",),
}
_TINKOFF: Mapping[tuple[Scope, str], tuple[str, ...]] = {
    (Scope.DOMAIN, "state"): (f"{_INFO}_vstate",),
    (Scope.DOMAIN, "memory_current"): (f"{_INFO}_memory_usage_bytes", f"{_MEMORY}_actual_balloon_bytes"),
    (Scope.DOMAIN, "memory_disk_caches"): (f"{_MEMORY}_disk_cache_bytes",),
    (Scope.POOL, "state"): (f"{_POOL_INFO}_state",),
    (Scope.POOL, "capacity"): (f"{_POOL_INFO}_capacity_bytes",),
    (Scope.POOL, "allocation"): (f"{_POOL_INFO}_allocation_bytes",),
    (Scope.POOL, "available"): (f"{_POOL_INFO}_available_bytes",),
}
_BY_DIALECT = {Dialect.INOVEX: _NAMES, Dialect.TINKOFF: {**_NAMES, **_TINKOFF}}

LANES = {"collect_time": "libvirt", "kernel_time": "kernel"}
"""Of a host's metrics that share a name: the lane that tells them apart."""

SHARED_HELP = {"virtscope_collect_duration_seconds": "How long the last reading took, by lane."}
"""What a name means that several metrics share."""

STATES = (
    "no state",
    "the domain is running",
    "the domain is blocked on resource",
    "the domain is paused by user",
    "the domain is being shut down",
    "the domain is shut off",
    "the domain is crashed",
    "the domain is suspended by guest power management",
)
"""inovex' words for virDomainState, in its label ``state_desc``: alerts compare with them."""

LIMITS = {
    "size_iops_sec": ("size_iops_bytes", "Size up to which a request counts as one"),
    **{
        f"{what}_{iotune}_sec{suffix}": (name.format(what=what, unit=unit), text.format(what=what, unit=unit))
        for what in ("total", "read", "write")
        for iotune, unit in (("bytes", "bytes"), ("iops", "requests"))
        for suffix, name, text in (
            ("", "limit_{what}_{unit}", "Limit of {what} {unit} per second"),
            ("_max", "limit_burst_{what}_{unit}", "Limit of {what} {unit} per second in a burst"),
            (
                "_max_length",
                "limit_burst_{what}_bytes_length_seconds"
                if unit == "bytes"
                else "limit_burst_length_{what}_requests_seconds",
                "Longest burst of {what} {unit}",
            ),
        )
    },
}
"""``iotune``'s names to those of the exporters, without their prefix, and what they mean."""


def names(metric: Metric, dialect: Dialect) -> tuple[str, ...]:
    """Every name under which a metric is exposed, at least one."""
    return _BY_DIALECT[dialect].get((metric.scope, metric.name), (metric.exposition_name,))


def is_counter(metric: Metric, name: str) -> bool:
    """Whether the name promises a counter; a few of the exporters' names of counters do not."""
    return metric.kind is Kind.COUNTER and name.endswith("_total")


def _check() -> None:
    for dialect in Dialect:
        found = [name for metric in METRICS for name in names(metric, dialect)]
        twice = {name for name in found if found.count(name) > 1} - SHARED_HELP.keys()
        if twice:
            raise ValueError(f"BUG: {dialect.value}: several metrics are called {sorted(twice)}")


_check()
