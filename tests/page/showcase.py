"""A fleet with a story, for the page.

Busy and idle domains, a bully and who suffers from it, a host that is down, a move, changes of configuration, filters,
pools; and one name that tries to be a script.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.server.access.serving import Served, serving
from tests.synthetic import row
from virtscope.alerts.evaluate import Alert, Change, Subject
from virtscope.alerts.rule import Rule, Severity
from virtscope.analysis.finding import Evidence, Figure, Finding, Pointer
from virtscope.analysis.finding import Severity as FindingSeverity
from virtscope.analysis.finding import Subject as DomainSubject
from virtscope.catalogue import Scope
from virtscope.sample import (
    Batch,
    DiskFacts,
    DomainFacts,
    Event,
    FilterFacts,
    Gone,
    HostFacts,
    Lease,
    Link,
    LinkState,
    NetworkFacts,
    NicFacts,
    Nova,
    PoolFacts,
    Resources,
    Row,
    Sample,
    now_ms,
)
from virtscope.server.access.settings import AccessSettings
from virtscope.server.alerting.book import Book

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SECOND = 10**9
"""Of CPU time, in the unit that libvirt counts it in."""
CPUS, MEMORY = 32, 384 * GIB
HOSTILE = '<img src=x onerror="alert(1)">=cmd|1'
BULLY = "batch-07"
ROLES = {
    # vCPUs, memory, share of the vCPUs in use, reads and writes per second, bytes in and out per second
    "web": (4, 8 * GIB, 0.35, 20, 40, 3e6, 9e6),
    "api": (8, 16 * GIB, 0.45, 15, 60, 6e6, 5e6),
    "db": (8, 64 * GIB, 0.30, 600, 350, 2e6, 4e6),
    "cache": (4, 32 * GIB, 0.15, 1, 2, 8e6, 8e6),
    "ci": (8, 16 * GIB, 0.55, 150, 250, 1e6, 3e5),
    "idle": (2, 4 * GIB, 0.01, 0, 1, 2e3, 1e3),
}
PROJECTS = {"web": "shop", "api": "shop", "db": "data", "cache": "data", "ci": "build", "idle": "lab", "batch": "data"}


@dataclass
class Machine:
    """A domain and how busy it is."""

    id: str
    name: str
    host: int
    role: str
    phase: float
    counters: dict[str, float] = field(default_factory=dict)
    runs: bool = True

    @property
    def shape(self) -> tuple[int, int, float, float, float, float, float]:
        """vCPUs, memory, and what it does."""
        return (16, 32 * GIB, 0.97, 30, 900, 1e5, 1e5) if self.role == "batch" else ROLES[self.role]

    def count(self, name: str, much: float) -> int:
        """A counter, further by so much."""
        self.counters[name] = self.counters.get(name, random.Random(name + self.id).random() * 1e12) + max(0.0, much)
        return int(self.counters[name])


def host_id(number: int) -> str:
    """The UUID of a host."""
    return f"a0000000-0000-4000-8000-{number:012}"


class Story:
    """The fleet and what happens to it until ``end`` (Unix ms)."""

    def __init__(self, end: int, seconds: int, step: int, hosts: int = 6, domains: int = 12) -> None:
        self.end, self.start, self.step = end, end - seconds * 1000, step * 1000
        self.hosts = hosts
        self._dice = random.Random(7)
        self._counters: dict[str, float] = {}
        """Of the hosts."""
        self.machines = list(self._machines(domains))
        self.down = hosts - 1 if hosts > 2 else -1
        """The host that stops to answer."""
        self.down_since = end - min(2_400_000, seconds * 400)
        self.moved_at = end - seconds * 450

    @property
    def uris(self) -> list[str]:
        """How the hosts are reached."""
        return [f"qemu+tls://kvm{number + 1}/system" for number in range(self.hosts)]

    def _machines(self, domains: int) -> Iterator[Machine]:
        for host in range(self.hosts):
            for number in range(domains):
                place = host * domains + number
                role = list(ROLES)[place % len(ROLES)]
                name = f"{role}-{place // len(ROLES) + 1:02}"
                machine = Machine(f"{place:08x}-0000-4000-9000-{place:012x}", name, host, role, self._dice.random())
                machine.runs = not (role == "idle" and place % 4 == 1)
                if place == 13:
                    machine.name, machine.role = BULLY, "batch"
                if place == 5:
                    machine.name = HOSTILE
                yield machine

    def batches(self) -> Iterator[Batch]:
        """All that the agents have told, oldest first."""
        yield self._inventory()
        changed = False
        for tick, at in enumerate(range(self.start, self.end + 1, self.step), start=2):
            news = bool(self.machines) and not changed and at >= self.moved_at
            changed = changed or news
            taken = [self._sample(host, at, (at - self.start) / 1000) for host in range(self.hosts)]
            samples = [one for one in taken if one is not None]
            yield Batch("story", 1, tick, at, tuple(samples), **(self._changes() if news else {}))
        links = (
            (
                Link(
                    self.uris[self.down],
                    LinkState.DOWN,
                    self.down_since,
                    host_id(self.down),
                    "Connection timed out",
                    5.0,
                ),
            )
            if self.down >= 0
            else ()
        )
        yield Batch("story", 1, tick + 1, self.end, links=links, events=tuple(self._events()))

    def _inventory(self) -> Batch:
        hosts = tuple(
            HostFacts(
                host_id(number),
                f"kvm{number + 1}",
                uri,
                CPUS,
                MEMORY,
                "AMD EPYC 7543P",
                "2 nodes, 1 socket, 16 cores, 2 threads",
                "QEMU 7.2.9",
                "9.0.0",
                "9.0.0",
            )
            for number, uri in enumerate(self.uris)
        )
        links = tuple(
            Link(uri, LinkState.UP, self.start, host_id(number), None, 5.0) for number, uri in enumerate(self.uris)
        )
        others: list[FilterFacts | NetworkFacts | PoolFacts] = []
        for number in range(self.hosts):
            others += _others(number)
        domains = tuple(_facts(machine) for machine in self.machines)
        return Batch("story", 1, 1, self.start, (), hosts, domains, tuple(others), links=links)

    def _changes(self) -> dict[str, Any]:
        """One domain gets more memory and a disk, another goes to another host."""
        grown = _facts(self.machines[2])
        grown = replace(
            grown,
            resources=replace(grown.resources, memory_bytes=96 * GIB),
            disks=(*grown.disks, DiskFacts("vdc", source="/srv/images/archive.qcow2", bus="virtio", format="qcow2")),
            xml=grown.xml.replace("67108864", "100663296").replace(
                "    <interface",
                "    <disk type='file' device='disk'>\n      <source file='/srv/images/archive.qcow2'/>\n"
                "      <target dev='vdc' bus='virtio'/>\n    </disk>\n    <interface",
            ),
        )
        news: dict[str, Any] = {"domains": (grown,)}
        if self.hosts > 2:
            moved = self.machines[3]
            gone = Gone(host_id(moved.host), "domain", moved.id)
            moved.host = 2
            news |= {"domains": (grown, _facts(moved)), "gone": (gone,)}
        return news

    def _events(self) -> Iterator[Event]:
        if not self.machines:
            return
        minute = 60_000
        first, grown, moved = self.machines[0], self.machines[2], self.machines[3]
        yield Event(
            self.moved_at, host_id(grown.host), grown.id, "configuration changed", "disk vdc added; memory bytes"
        )
        yield Event(self.moved_at + minute, host_id(2), moved.id, "started", "migrated")
        yield Event(self.end - 9 * minute, host_id(0), self.machines[7].id, "crashed", "panicked")
        yield Event(self.end - 8 * minute, host_id(0), self.machines[7].id, "started", "booted")
        yield Event(self.end - 4 * minute, host_id(0), first.id, "rebooted", "")
        if self.down >= 0:
            yield Event(self.down_since, host_id(self.down), None, "host down", "Connection timed out")

    def alerts(self, book: Book) -> None:
        """What has fired: the host that is down, and whoever waits for the bully; one of them waited before, too."""
        book.put_rules([Rule("waits", "domains", "steal>4", clear="steal<0.1", text="Move it, or the bully.")], "ana")
        minute, fired, over = 60_000, [], []
        if self.down >= 0:
            name = f"kvm{self.down + 1}"
            subject = Subject("hosts", host_id(self.down), name, host_id(self.down), name)
            fired.append((Alert("host-down", subject, self.down_since, self.down_since + minute), Severity.CRITICAL))
        for machine in self.machines:
            if machine.host == 1 and machine.runs and machine.role in ("ci", "db"):
                of = (machine.id, machine.name, host_id(1), "kvm2", machine.id, PROJECTS[machine.role])
                subject = Subject("domains", *of)
                since = self.end - 14 * minute
                fired.append((Alert("waits", subject, since, since + minute, value=0.06), Severity.WARNING))
                over.append(Alert("waits", subject, self.end - 27 * minute, self.end - 26 * minute, value=0.05))
        happened = [(Change(one, one.fired or 0), severity, "") for one, severity in fired]
        happened += [(Change(one, self.end - 21 * minute, is_resolved=True), Severity.WARNING, "") for one in over]
        book.record([one for one, _ in fired], (), happened, ())

    def findings(self) -> Iterator[tuple[str, list[Finding]]]:
        """What was found on the bully's host, and a domain that has too many vCPUs."""
        looked = (self.start, self.end, 60, 1.0)
        if len(self.machines) < 24:
            return
        small, waits = self.machines[0], next(one for one in self.machines if one.host == 1 and one.role == "ci")
        yield (
            "cpu-sizing",
            [
                Finding(
                    "cpu-sizing",
                    DomainSubject("domain", small.id, small.name, host_id(0)),
                    "oversized",
                    FindingSeverity.INFO,
                    "1.62 cores used (99.5th percentile) and 20% on top take 2 vCPUs, it has 4",
                    Evidence(*looked, (Pointer("cpu_cores", small.id),)),
                    0.9,
                    (Figure("vCPUs", 4, ""), Figure("CPU used, p99.5", 1.62, "cores")),
                    {"vcpus": 2.0},
                    f"virsh setvcpus {small.id} 2 --config",
                )
            ],
        )
        yield (
            "contention",
            [
                Finding(
                    "contention",
                    DomainSubject("domain", waits.id, waits.name, host_id(1)),
                    "contended",
                    FindingSeverity.WARNING,
                    f"it waited 9.1% of the time for a CPU of its host; {BULLY} used most",
                    Evidence(*looked, (Pointer("steal_ratio", waits.id),), (f"{BULLY} used 14.4 cores",)),
                    0.95,
                    (Figure("steal, p95", 0.091, "ratio"),),
                )
            ],
        )

    def _sample(self, number: int, at: int, passed: float) -> Sample | None:
        if number == self.down and at > self.down_since:
            return None
        if number == 1 and 0.62 < passed / (self.end - self.start) * 1000 < 0.66:
            return None  # nobody asked it for a while
        mine = [machine for machine in self.machines if machine.host == number]
        wish = {machine.id: self._busy(machine, passed) for machine in mine if machine.runs}
        wanted = sum(wish.values())
        scarce = min(1.0, 0.93 * CPUS / wanted) if wanted else 1.0
        rows: dict[Scope, list[Row]] = {scope: [] for scope in (Scope.DOMAIN, Scope.VCPU, Scope.DISK, Scope.NIC)}
        for machine in mine:
            if not machine.runs:
                rows[Scope.DOMAIN].append(
                    row(Scope.DOMAIN, (machine.id,), state=5, state_reason=1, memory_maximum=machine.shape[1] // KIB)
                )
                continue
            self._add(rows, machine, wish[machine.id], scarce if machine.role != "batch" else 0.5 + scarce / 2)
        used = min(wanted * scarce, CPUS * 0.98) * self.step / 1000 * SECOND
        host = self._host(number, used, wanted * (1 - scarce), len(mine))
        pool = row(Scope.POOL, ("images",), state=2, capacity=8192 * GIB, allocation=5300 * GIB, available=2892 * GIB)
        cells = [
            row(Scope.CELL, (cell,), memory_total=MEMORY // 2 // KIB, memory_free=MEMORY // (5 + 3 * cell) // KIB)
            for cell in (0, 1)
        ]
        return Sample(host_id(number), at, {Scope.HOST: [host], Scope.POOL: [pool], Scope.CELL: cells, **rows})

    def _busy(self, machine: Machine, passed: float) -> float:
        vcpus, _, share, *_ = machine.shape
        passed += 7200 - (self.end - self.start) / 1000  # it ends alike, however long it is
        wave = 1 + 0.45 * math.sin(passed / 5400 + machine.phase * 6.28) + 0.25 * math.sin(passed / 610 + machine.phase)
        if machine.role == "batch" and passed < 3600:
            return 0.02
        return vcpus * min(0.98, max(0.003, share * wave * (0.9 + 0.2 * self._dice.random())))

    def _add(self, rows: dict[Scope, list[Row]], machine: Machine, cores: float, scarce: float) -> None:
        vcpus, memory, _, reads, writes, received, sent = machine.shape
        seconds = self.step / 1000
        got, waited = cores * scarce, cores * (1 - scarce)
        used = int(memory * (0.45 + 0.3 * machine.phase) / KIB)
        busy = got / vcpus
        rows[Scope.DOMAIN].append(
            row(
                Scope.DOMAIN,
                (machine.id,),
                state=1,
                state_reason=1,
                cpu_time=machine.count("cpu", got * seconds * SECOND),
                vcpus=vcpus,
                vcpus_maximum=vcpus,
                memory_current=memory // KIB,
                memory_maximum=memory // KIB,
                memory_available=memory // KIB,
                memory_usable=memory // KIB - int(used * (0.8 + 0.4 * busy)),
                memory_unused=memory // KIB // 10,
                memory_disk_caches=memory // KIB // 6,
                memory_rss=int(memory * 0.9) // KIB,
                memory_swap_in=machine.count("swap", 0),
                memory_swap_out=machine.count("swapped", seconds * (900 if machine.role == "ci" else 0)),
                memory_major_fault=machine.count("fault", seconds * busy * 4),
            )
        )
        for vcpu in range(vcpus):
            rows[Scope.VCPU].append(
                row(
                    Scope.VCPU,
                    (machine.id, vcpu),
                    state=1,
                    time=machine.count(f"time{vcpu}", got / vcpus * seconds * SECOND * (1 - 0.02 * vcpu)),
                    wait=machine.count(f"wait{vcpu}", 0.01 * seconds * SECOND),
                    delay=machine.count(f"delay{vcpu}", waited / vcpus * seconds * SECOND),
                )
            )
        slow = 4 if machine.name == "db-02" else 1
        for target in ("vda", "vdb") if machine.role == "db" else ("vda",):
            part = 0.3 if target == "vda" and machine.role == "db" else 0.8
            read, written = reads * part * (0.5 + busy) * seconds, writes * part * (0.5 + busy) * seconds
            rows[Scope.DISK].append(
                row(
                    Scope.DISK,
                    (machine.id, target),
                    read_requests=machine.count(f"{target}r", read),
                    read_bytes=machine.count(f"{target}rb", read * 32 * KIB),
                    read_time=machine.count(f"{target}rt", read * slow * (0.4 + busy) * 2e6),
                    write_requests=machine.count(f"{target}w", written),
                    write_bytes=machine.count(f"{target}wb", written * 16 * KIB),
                    write_time=machine.count(f"{target}wt", written * slow * (0.5 + busy) * 4e6),
                    capacity=200 * GIB,
                    allocation=120 * GIB,
                    physical=121 * GIB,
                )
            )
        inward, outward = received * (0.3 + busy) * seconds, sent * (0.3 + busy) * seconds
        rows[Scope.NIC].append(
            row(
                Scope.NIC,
                (machine.id, _mac(machine), f"vnet{int(machine.id[:8], 16)}"),
                receive_bytes=machine.count("rb", inward),
                receive_packets=machine.count("rp", inward / 900),
                receive_errors=machine.count("re", 0),
                receive_drops=machine.count("rd", inward / 2e7 if machine.role == "cache" else 0),
                transmit_bytes=machine.count("tb", outward),
                transmit_packets=machine.count("tp", outward / 900),
                transmit_errors=machine.count("te", 0),
                transmit_drops=machine.count("td", 0),
            )
        )

    def _host(self, number: int, used: float, lacking: float, domains: int) -> Row:
        counters = self._counters
        seconds = self.step / 1000

        def count(name: str, much: float) -> int:
            counters[f"{number} {name}"] = counters.get(f"{number} {name}", 1e15) + much
            return int(counters[f"{number} {name}"])

        idle = CPUS * seconds * SECOND - used
        pressure = min(0.9, lacking / CPUS) + 0.01
        return row(
            Scope.HOST,
            (),
            cpus=CPUS,
            cpu_user=count("user", used * 0.9),
            cpu_system=count("system", used * 0.1),
            cpu_idle=count("idle", idle * 0.98),
            cpu_iowait=count("iowait", idle * 0.02),
            memory_total=MEMORY // KIB,
            memory_available=int(MEMORY * (0.75 - 0.04 * domains + 0.03 * number)) // KIB,
            load1=int((used / seconds / SECOND + lacking) * 100),
            load5=int((used / seconds / SECOND + lacking) * 97),
            pressure_cpu_some=count("cpu some", pressure * seconds * 1e6),
            pressure_memory_some=count("memory some", 0.004 * seconds * 1e6),
            pressure_io_some=count("io some", (0.03 + 0.02 * number) * seconds * 1e6),
            collect_time=int(0.004 * domains * SECOND),
        )


def _mac(machine: Machine) -> str:
    number = int(machine.id[:8], 16)
    return f"52:54:00:00:{number >> 8 & 255:02x}:{number & 255:02x}"


def _facts(machine: Machine) -> DomainFacts:
    vcpus, memory, *_ = machine.shape
    mac, project = _mac(machine), PROJECTS[machine.role]
    disks = [DiskFacts("vda", "disk", "file", "/srv/images/root.qcow2", None, "virtio", "qemu", "qcow2", "none")]
    if machine.role == "db":
        disks.append(DiskFacts("vdb", "disk", "file", "/srv/images/data.raw", None, "virtio", "qemu", "raw", "none"))
    xml = (
        f"<domain type='kvm'>\n  <name>{machine.role}</name>\n  <uuid>{machine.id}</uuid>\n"
        f"  <memory unit='KiB'>{memory // KIB}</memory>\n  <vcpu placement='static'>{vcpus}</vcpu>\n  <devices>\n"
        "    <disk type='file' device='disk'>\n      <source file='/srv/images/root.qcow2'/>\n"
        "      <target dev='vda' bus='virtio'/>\n    </disk>\n"
        f"    <interface type='network'>\n      <mac address='{mac}'/>\n      <source network='default'/>\n"
        "      <filterref filter='clean-traffic'/>\n    </interface>\n  </devices>\n</domain>\n"
    )
    return DomainFacts(
        machine.id,
        machine.name,
        host_id(machine.host),
        title=f"{machine.role} of {project}",
        os_type="hvm",
        arch="x86_64",
        machine="pc-q35-7.2",
        nova=Nova(f"instance-{machine.id[:8]}", f"c{vcpus}m{memory // GIB}", project, project, "ops"),
        resources=Resources(vcpus, vcpus, memory, memory, balloon_period=5),
        disks=tuple(disks),
        nics=(
            NicFacts(
                mac,
                f"vnet{int(machine.id[:8], 16)}",
                "network",
                "default",
                "virtio",
                filter="clean-traffic",
                filter_parameters={"IP": f"192.168.122.{int(machine.id[:8], 16) % 250 + 2}"},
            ),
        ),
        xml=xml,
    )


_FILTERS = {
    # name: chain, priority, what it includes, its rules. A guest may pretend any IPv6 address: one rule lets it.
    "clean-traffic": ("root", None, ("no-mac-spoofing", "no-ip-spoofing", "allow-ipv6"), ""),
    "no-mac-spoofing": (
        "mac",
        -800,
        (),
        (
            "<rule action='return' direction='out' priority='350'><mac srcmacaddr='$MAC'/></rule>"
            "<rule action='drop' direction='out' priority='500'><mac/></rule>"
        ),
    ),
    "no-ip-spoofing": (
        "ipv4-ip",
        -710,
        (),
        (
            "<rule action='return' direction='out' priority='500'><ip srcipaddr='$IP'/></rule>"
            "<rule action='drop' direction='out' priority='1000'/>"
        ),
    ),
    "allow-ipv6": ("ipv6", None, (), "<rule action='accept' direction='inout' priority='600'><ipv6/></rule>"),
}


def _others(number: int) -> Iterator[FilterFacts | NetworkFacts | PoolFacts]:
    host = host_id(number)
    for place, (name, (chain, priority, includes, rules)) in enumerate(_FILTERS.items()):
        references = "".join(f"<filterref filter='{one}'/>" for one in includes)
        xml = f"<filter name='{name}' chain='{chain}'>{references}{rules}</filter>"
        yield FilterFacts(
            f"f{place}-{number}", name, host, chain, priority, includes, rules=rules.count("<rule"), xml=xml
        )
    lease = Lease("52:54:00:00:00:00", "192.168.122.2", "web-01", 1_900_000_000)
    yield NetworkFacts(f"n-{number}", "default", host, True, True, "virbr0", "nat", (lease,), "<network/>")
    yield PoolFacts(f"p-{number}", "images", host, "dir", "/srv/images", True, True, "<pool type='dir'/>")


@contextmanager
def showcase(folder: Path, seconds: int = 3600, step: int = 30, hosts: int = 6, domains: int = 12) -> Iterator[Served]:
    """A server of the fleet, in which nobody has to sign in."""
    end = now_ms()
    story = Story(end, seconds, step, hosts, domains)
    batches = list(story.batches())
    with serving(
        folder,
        lambda _address: AccessSettings(login=False),
        uris=story.uris,
        told=batches,
        interval=step,
        alerts=story.alerts,
    ) as served:
        for name, findings in story.findings():
            served.services.findings.take(name, end, 0.2, findings)  # type: ignore[attr-defined]
        yield served
