"""The kernel lane: what the kernel itself counts of every domain of this machine, without asking libvirt.

CPU time of a domain (its cgroup), run and wait times of its vCPUs and I/O threads (schedstat), its interfaces' counters
(net/dev), the host's own figures. Reading costs some microseconds a domain and nothing at all of libvirtd and QEMU, so
it may happen every second; and it goes on while an emulator hangs. Everything else (state, balloon, disks)
is filled in from libvirt's last answer where that is a gauge or a state, and left unknown where it is a counter: a
counter that stands still between two answers would show as rest and then as a spike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from virtscope.agent import hoststats, processes
from virtscope.agent.processes import Emulator
from virtscope.catalogue import Group, Kind, Scope, metrics_of
from virtscope.sample import DomainFacts, NicFacts, Row, Sample, Value, now_ms

GROUPS = frozenset({Group.CPU_TOTAL, Group.VCPU, Group.INTERFACE})
"""The groups of libvirt's statistics that this lane makes unnecessary."""
GUESTS_VIEW = frozenset({"direct"})
"""Types of interfaces whose device on the host counts as the guest does. A tap counts the other way round."""
UNCOUNTED = frozenset({"hostdev", "vhostuser", "user", "vdpa", "null"})
"""Types of interfaces that have no device on the host."""

_RUNNING = 1
"""virVcpuState: libvirt calls every vCPU so that is online."""


def _columns(scope: Scope) -> dict[str, int]:
    """Where each metric of a scope stands in its rows."""
    keys = len(scope.keys) - 1
    return {metric.name: keys + position for position, metric in enumerate(metrics_of(scope))}


_DOMAIN = _columns(Scope.DOMAIN)
_TIME, _USER, _SYSTEM, _VCPUS = (_DOMAIN[name] for name in ("cpu_time", "cpu_user", "cpu_system", "vcpus"))
_CARRIED = tuple(
    _DOMAIN[metric.name]
    for metric in metrics_of(Scope.DOMAIN)
    if metric.kind is not Kind.COUNTER and metric.group not in GROUPS
)
_IOTHREAD_WIDTH = len(_columns(Scope.IOTHREAD)) - 2
# net/dev: receive bytes, packets, errors, drops, …, transmit the same from the ninth on; in the order of our columns.
_AS_HOST = (0, 1, 2, 3, 8, 9, 10, 11)
_AS_GUEST = (8, 9, 10, 11, 0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Watched:
    """A domain to be read, and what the last answer of libvirt says of it."""

    id: str
    row: tuple[str | Value, ...]
    """Its row, with everything the kernel lane fills in unknown."""
    active: bool
    nics: tuple[NicFacts, ...] = ()
    polls: Mapping[int, Sequence[Value]] = field(default_factory=dict)
    """Polling of its I/O threads, by their number: maximum, growth, shrinking."""


def watched(row: Row, facts: DomainFacts | None, *, active: bool, polls: Mapping[int, Sequence[Value]]) -> Watched:
    """A domain to be read, from its row of libvirt's answer."""
    kept: list[str | Value] = [row[0], *[None] * (len(row) - 1)]
    for position in _CARRIED:
        kept[position] = row[position]
    if facts is not None:
        kept[_DOMAIN["vcpus_maximum"]] = facts.resources.vcpus_maximum
    nics = tuple(nic for nic in facts.nics if nic.target and nic.type not in UNCOUNTED) if facts and active else ()
    return Watched(str(row[0]), tuple(kept), active, nics, polls)


class KernelLane:
    """The descriptors of every emulator that is watched. For one thread at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._watched: Sequence[Watched] = ()
        self._emulators: dict[str, Emulator] = {}
        self._network: int | None = None
        """Descriptor of the net/dev that the emulators see: that of libvirt's network namespace."""

    def follow(self, domains: Sequence[Watched]) -> bool:
        """Take over what is to be read; whether every active domain's process is there and can be read."""
        active = {domain.id for domain in domains if domain.active}
        for gone in self._emulators.keys() - active:
            self._drop(gone)
        for domain, emulator in list(self._emulators.items()):
            if processes.threads(emulator.pid) != emulator.threads:
                self._reopen(domain, emulator)
        for domain, pid in processes.find(active - self._emulators.keys()).items():
            opened = processes.open_emulator(pid)
            if opened is not None and opened.vcpus:
                self._emulators[domain] = opened
            elif opened is not None:
                opened.close()
        self._watched = domains
        return active <= self._emulators.keys()

    def read(self, figures: Mapping[str, Value]) -> tuple[Sample, bool]:
        """One sample, and whether all processes were still there; ``figures`` are the host's of the last answer."""
        at, began = now_ms(), time.perf_counter_ns()
        before = len(self._emulators)
        domains: list[Row] = []
        vcpus: list[Row] = []
        iothreads: list[Row] = []
        for domain in self._watched:
            emulator = self._emulators.get(domain.id)
            if emulator is None:
                domains.append(domain.row)
                continue
            try:
                domains.append(_domain(domain, emulator))
                vcpus.extend(_vcpus(domain.id, emulator))
                iothreads.extend(_iothreads(domain, emulator))
            except OSError:
                domains.append(domain.row)
                self._drop(domain.id)
        nics = self._nics()
        own = {**figures, **hoststats.from_this_machine(), "collect.kernel": time.perf_counter_ns() - began}
        rows = {
            Scope.HOST: [hoststats.row(own)],
            Scope.DOMAIN: domains,
            Scope.VCPU: vcpus,
            Scope.NIC: nics,
            Scope.IOTHREAD: iothreads,
        }
        return Sample(self._host, at, rows), len(self._emulators) == before

    def close(self) -> None:
        """Let every descriptor go."""
        for domain in list(self._emulators):
            self._drop(domain)
        self._watched = ()

    def _reopen(self, domain: str, emulator: Emulator) -> None:
        """Threads came or went: vCPUs among them, perhaps."""
        again = processes.open_emulator(emulator.pid)
        if again is not None and again.started == emulator.started and again.vcpus:
            emulator.close()
            self._emulators[domain] = again
            return
        if again is not None:
            again.close()
        self._drop(domain)

    def _drop(self, domain: str) -> None:
        self._emulators.pop(domain).close()
        # The open file keeps its network namespace alive: it goes with the first process that does.
        if self._network is not None:
            os.close(self._network)
            self._network = None

    def _nics(self) -> list[Row]:
        devices = _devices(self._net_dev())
        found: dict[tuple[str, str, str], Row] = {}
        for domain in self._watched:
            for nic in domain.nics:
                counters = devices.get(nic.target)
                if counters is None:
                    continue
                order = _AS_HOST if nic.type in GUESTS_VIEW else _AS_GUEST
                key = (domain.id, nic.mac, nic.target)
                found.setdefault(key, (*key, *(int(counters[position]) for position in order)))
        return list(found.values())

    def _net_dev(self) -> bytes:
        if self._network is None:
            for emulator in self._emulators.values():
                with suppress(OSError):
                    self._network = os.open(f"/proc/{emulator.pid}/net/dev", os.O_RDONLY | os.O_CLOEXEC)
                    break
            else:
                return b""
        parts, offset = [], 0
        with suppress(OSError):
            while part := os.pread(self._network, 1 << 20, offset):
                parts.append(part)
                offset += len(part)
        return b"".join(parts)


def _domain(domain: Watched, emulator: Emulator) -> Row:
    row = list(domain.row)
    if emulator.cpu is not None:
        row[_TIME], row[_USER], row[_SYSTEM] = processes.cpu_ns(os.pread(emulator.cpu, 512, 0))
    else:
        row[_TIME] = time.clock_gettime_ns(processes.process_clock(emulator.pid))
    row[_VCPUS] = len(emulator.vcpus)
    return tuple(row)


def _vcpus(domain: str, emulator: Emulator) -> Iterable[Row]:
    """State, time, wait, delay, halted: in the order of the catalogue."""
    for index, descriptor in emulator.vcpus.items():
        ran, waited, _ = os.pread(descriptor, 128, 0).split()
        sleeping = emulator.waits.get(index)
        wait = None if sleeping is None else processes.iowait_ns(os.pread(sleeping, 8192, 0))
        yield domain, index, _RUNNING, int(ran), wait, int(waited), None


def _iothreads(domain: Watched, emulator: Emulator) -> Iterable[Row]:
    """Time, delay, and how the thread polls: in the order of the catalogue."""
    for number, descriptor in emulator.iothreads.items():
        ran, waited, _ = os.pread(descriptor, 128, 0).split()
        yield domain.id, number, int(ran), int(waited), *domain.polls.get(number, (None,) * (_IOTHREAD_WIDTH - 2))


def _devices(text: bytes) -> dict[str, list[bytes]]:
    """The counters of each device, by its name, out of ``/proc/net/dev``."""
    pairs = (line.partition(b":") for line in text.splitlines()[2:])
    return {name.strip().decode(errors="replace"): rest.split() for name, _, rest in pairs}
