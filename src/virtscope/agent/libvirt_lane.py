"""The libvirt lane: what libvirt tells of all domains at one tick, as one sample.

Where the kernel lane runs beside it, it leaves out what the kernel counts, and so most of the cost. Without that (a
host far away, a driver other than QEMU's) it brings everything.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from virtscope.agent import domstats, hoststats, kernel_lane
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.kernel_lane import Watched
from virtscope.agent.lane import Lane
from virtscope.agent.slices import Answer, Fields, Slices
from virtscope.catalogue import Group, Scope
from virtscope.codes import ACTIVE_STATES
from virtscope.sample import DomainFacts, HostFacts, Row, Sample, Value, now_ms

FREE = frozenset({Group.STATE, Group.INTERFACE})
"""Groups that libvirt answers without asking an emulator: so they cannot hang."""
COSTLY = frozenset({Group.CPU_TOTAL, Group.BALLOON, Group.VCPU, Group.BLOCK})
"""Groups that cost monitor commands: one to three for each domain and group."""
SLOW = frozenset({Group.IOTHREAD, Group.DIRTY_RATE, Group.CPU_TOTAL, Group.PERF})
"""Groups that hardly ever change, or that the kernel lane lacks only a detail of: asked for now and then."""
_NOT_THE_KERNEL_S = frozenset({Scope.DOMAIN, Scope.DISK, Scope.PERF})
_KEPT = ("iothread.", "dirtyrate.")
"""What a slow reading brings stays true until the next one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What libvirt answered at one tick, not yet understood."""

    at: int
    """Before the first call, Unix ms: calls may hang."""
    took: int
    """Duration of the reading, ns."""
    answer: Answer
    fields: Sequence[tuple[str, Fields]]
    """UUID and everything known of each domain, sick ones included."""
    figures: Mapping[str, Value] = field(default_factory=dict)
    """The host's own, where libvirt is asked for them."""

    @property
    def active(self) -> frozenset[str]:
        """The domains that have a process."""
        return frozenset(domain for domain, found in self.fields if found.get("state.state") in ACTIVE_STATES)


class LibvirtLane:
    """Reads one host, tick after tick."""

    def __init__(self, hypervisor: Hypervisor, lane: Lane, slices: Slices, host: HostFacts) -> None:
        self._hypervisor = hypervisor
        self._lane = lane
        self._slices = slices
        self._host = host
        self._slow: dict[str, Fields] = {}

    def read(self, deadline: float, *, beside_kernel: bool, slow: bool) -> Reading:
        """Ask libvirt.

        Args:
            deadline: seconds that libvirt itself may take; emulators have less.
            beside_kernel: whether the kernel lane brings CPU times and interfaces.
            slow: whether the groups that hardly ever change are asked for too.

        Raises:
            HypervisorError: libvirt does not answer, or refuses.
        """
        at, began = now_ms(), time.perf_counter_ns()
        free, costly = (FREE - kernel_lane.GROUPS, COSTLY - kernel_lane.GROUPS) if beside_kernel else (FREE, COSTLY)
        answer = self._slices.read(free, costly | SLOW if slow else costly, deadline)
        took = time.perf_counter_ns() - began
        if slow:
            self._slow = {domain: _kept(found) for domain, found in answer.fields.items()}
        fields = [
            (
                record.id,
                {
                    **record.fields,
                    **self._slow.get(record.id, {}),
                    **answer.fields.get(record.id, {}),
                    "agent.timed_out": int(record.id in answer.sick),
                },
            )
            for record in answer.domains
        ]
        figures = {} if beside_kernel else self._lane.call(self._figures, deadline)
        return Reading(at, took, answer, fields, figures)

    def _figures(self) -> dict[str, Value]:
        memory = self._hypervisor.node_memory()
        figures = hoststats.from_libvirt(self._hypervisor.node_cpu(), memory, self._host.cpus)
        return figures | hoststats.from_proc() if hoststats.is_this_machine(memory) else figures


def own_figures(reading: Reading, errors: int) -> dict[str, Value]:
    """What the agent tells of its own work, by the names of the catalogue's sources."""
    return {
        "collect.time": reading.took,
        "collect.errors": errors,
        "collect.stuck": reading.answer.stuck,
        "collect.timed_out": len(reading.answer.sick),
    }


def sample(reading: Reading, host: HostFacts, facts: Mapping[str, DomainFacts], figures: Mapping[str, Value]) -> Sample:
    """The reading as rows of the catalogue, everything of it; ``facts`` tell the interfaces' MACs and types."""
    rows = domstats.rows(reading.fields, facts)
    return Sample(host.id, reading.at, {Scope.HOST: [hoststats.row({**reading.figures, **figures})], **rows})


def beside_kernel(whole: Sample) -> Sample:
    """What of a sample the kernel lane does not bring: the rest of the domains' rows, and the disks."""
    return Sample(
        whole.host, whole.at, {scope: rows for scope, rows in whole.rows.items() if scope in _NOT_THE_KERNEL_S}
    )


def watched(whole: Sample, reading: Reading, facts: Mapping[str, DomainFacts]) -> list[Watched]:
    """What the kernel lane is to read, with what this reading says of it."""
    polls: dict[str, dict[int, Sequence[Value]]] = {}
    for domain, number, _time, _delay, *rest in whole.rows[Scope.IOTHREAD]:
        polls.setdefault(str(domain), {})[int(number or 0)] = rest  # type: ignore[assignment]
    active = reading.active
    return [
        kernel_lane.watched(row, facts.get(str(row[0])), active=row[0] in active, polls=polls.get(str(row[0]), {}))
        for row in whole.rows[Scope.DOMAIN]
    ]


def with_rows(sample: Sample, rows: Mapping[Scope, Iterable[Row]]) -> Sample:
    """A sample with the rows of more scopes."""
    return Sample(sample.host, sample.at, {**sample.rows, **{scope: list(found) for scope, found in rows.items()}})


def _kept(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if name.startswith(_KEPT)}
