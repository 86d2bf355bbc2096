"""The libvirt lane: one bulk call for all domains, then the host's own figures, as one sample.

Another lane joins here: it fills rows of the same scopes from another source, at a pace of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtscope.agent import domstats, hoststats
from virtscope.agent.hypervisor import Hypervisor
from virtscope.catalogue import Scope
from virtscope.sample import DomainFacts, HostFacts, Sample, now_ms


@dataclass(frozen=True, slots=True)
class Reading:
    """What libvirt answered at one tick, not yet understood."""

    at: int
    """Before the call, Unix ms: the call may hang."""
    took: int
    """Duration of the bulk call, ns."""
    domains: Sequence[tuple[str, Mapping[str, Any]]]
    """UUID and bulk statistics of each domain."""
    cpu: Mapping[str, int]
    memory: Mapping[str, int]


def read(hypervisor: Hypervisor) -> Reading:
    """Ask libvirt; may block as long as libvirt does."""
    at = now_ms()
    began = time.perf_counter_ns()
    domains = hypervisor.domain_stats()
    took = time.perf_counter_ns() - began
    return Reading(at, took, domains, hypervisor.node_cpu(), hypervisor.node_memory())


def sample(reading: Reading, host: HostFacts, facts: Mapping[str, DomainFacts]) -> Sample:
    """The reading as rows of the catalogue; ``facts`` tell the interfaces' MACs and types."""
    figures = hoststats.from_libvirt(reading.cpu, reading.memory, host.cpus)
    if hoststats.is_this_machine(reading.memory):
        figures |= hoststats.from_proc()
    figures["collect.time"] = reading.took
    return Sample(host.id, reading.at, {Scope.HOST: [hoststats.row(figures)], **domstats.rows(reading.domains, facts)})
