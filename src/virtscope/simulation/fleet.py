"""The fleet: domains that follow the day, idle, burst or work all the time, are restarted and migrate.

Everything is drawn from one seed, and every tick goes on from the one before: the same seed and the same times make
the same fleet. Counters grow by what a domain used, domains wait where their host has less CPU than they want, and
counters begin anew when a domain is restarted.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import DiskFacts, DomainFacts, Event, HostFacts, NicFacts, Nova, Resources, Row, Sample

NS = 1_000_000_000
KIB_PER_GIB = 1 << 20
DAY_SECONDS = 86_400.0
RESTARTS_A_DAY = 0.05
MIGRATIONS_A_DAY = 0.1
HOST_CPUS = 64
HOST_GIB = 512
_POSITION = {scope: {metric.name: at for at, metric in enumerate(metrics_of(scope))} for scope in Scope}


class Habit(Enum):
    """What a domain does all day; the value is how many of a hundred do."""

    IDLE = 45
    DIURNAL = 35
    BURSTY = 15
    BUSY = 5


@dataclass(slots=True)
class Domain:
    """One domain and its counters, in the units of the catalogue's metrics."""

    facts: DomainFacts
    habit: Habit
    vcpus: int
    gib: int
    phase: float
    """How far its day is ahead, s."""
    burst_until: float = 0.0
    cpu: int = 0
    delay: int = 0
    counters: dict[str, int] = field(default_factory=dict)

    def wanted(self, at: float, chance: random.Random) -> float:
        """The share of its vCPUs that it would use at a time, Unix s."""
        match self.habit:
            case Habit.IDLE:
                return 0.004 + 0.002 * chance.random()
            case Habit.DIURNAL:
                day = math.sin(2 * math.pi * (at + self.phase) / DAY_SECONDS)
                return 0.05 + 0.5 * max(0.0, day) * (0.8 + 0.4 * chance.random())
            case Habit.BURSTY:
                if at > self.burst_until and chance.random() < 0.01:
                    self.burst_until = at + chance.uniform(30, 600)
                return 0.9 if at < self.burst_until else 0.02
            case Habit.BUSY:
                return 0.75 + 0.2 * chance.random()

    def add(self, name: str, amount: float) -> int:
        """Let a counter grow, and tell it."""
        self.counters[name] = self.counters.get(name, 0) + int(amount)
        return self.counters[name]

    def restart(self) -> None:
        """Begin all counters anew."""
        self.cpu = self.delay = 0
        self.counters.clear()


@dataclass(slots=True)
class Host:
    """One host, its domains, and what its CPUs did."""

    facts: HostFacts
    domains: list[Domain] = field(default_factory=list)
    busy: float = 0.0
    idle: float = 0.0
    load: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What one tick tells of one host."""

    sample: Sample
    domains: tuple[DomainFacts, ...]
    """Those that have come."""
    gone: tuple[str, ...]
    """The UUIDs of those that have left."""
    events: tuple[Event, ...]


class Fleet:
    """Hosts with their domains."""

    def __init__(self, hosts: int, domains: int, seed: int = 1) -> None:
        """So many of both; the domains are spread over the hosts."""
        self._chance = random.Random(seed)
        self.hosts = [self._host(number) for number in range(hosts)]
        for number in range(domains):
            host = self.hosts[number % hosts]
            host.domains.append(self._domain(number, host))
        self._before: float | None = None

    def tick(self, at: int) -> list[Told]:
        """Let it go on to a time (Unix ms), and tell of every host."""
        now = at / 1000
        elapsed = now - self._before if self._before is not None else 0.0
        self._before = now
        moved = list(self._moves(elapsed))
        told = []
        for host in self.hosts:
            events = []
            for domain in host.domains:
                if self._happens(RESTARTS_A_DAY, elapsed):
                    domain.restart()
                    events.append(Event(at, host.facts.id, domain.facts.id, "started", "restarted by the simulation"))
            came = tuple(domain.facts for domain, _, target in moved if target is host)
            gone = tuple(domain.facts.id for domain, source, target in moved if source is host and target is not host)
            events += [Event(at, host.facts.id, facts.id, "migrated in") for facts in came]
            told.append(Told(self._sample(host, at, elapsed), came, gone, tuple(events)))
        return told

    def _moves(self, elapsed: float) -> Iterator[tuple[Domain, Host, Host]]:
        for source in self.hosts if len(self.hosts) > 1 else ():
            for domain in list(source.domains):
                if self._happens(MIGRATIONS_A_DAY, elapsed):
                    target = self._chance.choice([host for host in self.hosts if host is not source])
                    source.domains.remove(domain)
                    target.domains.append(domain)
                    domain.facts = replace(domain.facts, host=target.facts.id)
                    domain.restart()  # another process runs it from now on
                    yield domain, source, target

    def _happens(self, a_day: float, elapsed: float) -> bool:
        return self._chance.random() < a_day * elapsed / DAY_SECONDS

    def _sample(self, host: Host, at: int, elapsed: float) -> Sample:
        wanted = {id(one): one.wanted(at / 1000, self._chance) * one.vcpus for one in host.domains}
        scarce = min(1.0, HOST_CPUS / max(sum(wanted.values()), 1e-9))
        rows: dict[Scope, list[Row]] = {scope: [] for scope in (Scope.DOMAIN, Scope.VCPU, Scope.DISK, Scope.NIC)}
        for one in host.domains:
            self._rows(one, wanted[id(one)], scarce, elapsed, rows)
        used = sum(wanted.values()) * scarce
        host.busy += used * elapsed
        host.idle += (HOST_CPUS - used) * elapsed
        host.load += (used - host.load) * min(1.0, elapsed / 60)
        taken = sum(one.gib for one in host.domains) * KIB_PER_GIB
        free = max(HOST_GIB * KIB_PER_GIB - taken, KIB_PER_GIB)
        figures = {
            "cpu_user": host.busy * 0.9 * NS,
            "cpu_system": host.busy * 0.1 * NS,
            "cpu_idle": host.idle * NS,
            "cpu_iowait": host.idle * 0.01 * NS,
            "cpus": HOST_CPUS,
            "memory_total": HOST_GIB * KIB_PER_GIB,
            "memory_free": free * 0.8,
            "memory_available": free,
            "load1": host.load * 100,
        }
        return Sample(host.facts.id, at, {Scope.HOST: [_row(Scope.HOST, (), figures)], **rows})

    def _rows(self, one: Domain, wanted: float, scarce: float, elapsed: float, rows: dict[Scope, list[Row]]) -> None:
        used, chance = wanted * scarce, self._chance
        one.cpu += int(used * elapsed * NS)
        one.delay += int((wanted - used) * elapsed * NS)
        key, kib, busy = one.facts.id, one.gib * KIB_PER_GIB, used / one.vcpus
        domain = {
            "state": 1,
            "cpu_time": one.cpu,
            "cpu_user": one.cpu * 0.8,
            "cpu_system": one.cpu * 0.2,
            "vcpus": one.vcpus,
            "vcpus_maximum": one.vcpus,
            "memory_current": kib,
            "memory_maximum": kib,
            "memory_available": kib * 0.97,
            "memory_usable": kib * (0.7 - 0.4 * min(busy, 1.0)),
            "memory_rss": kib * 0.9,
        }
        rows[Scope.DOMAIN].append(_row(Scope.DOMAIN, (key,), domain))
        for vcpu in range(one.vcpus):
            share = {"time": one.cpu / one.vcpus, "delay": one.delay / one.vcpus}
            rows[Scope.VCPU].append(_row(Scope.VCPU, (key, vcpu), share))
        requests = elapsed * busy * chance.uniform(50, 150)
        latency = 0.5e-3 * chance.lognormvariate(0, 0.5)
        disk = {
            "read_requests": one.add("reads", requests * 0.4),
            "read_bytes": one.add("read", requests * 0.4 * 16_384),
            "read_time": one.add("reading", requests * 0.4 * latency * NS),
            "write_requests": one.add("writes", requests * 0.6),
            "write_bytes": one.add("written", requests * 0.6 * 8_192),
            "write_time": one.add("writing", requests * 0.6 * latency * 2 * NS),
            "capacity": 40 << 30,
            "allocation": 20 << 30,
            "physical": 20 << 30,
        }
        rows[Scope.DISK].append(_row(Scope.DISK, (key, "vda"), disk))
        packets = elapsed * busy * chance.uniform(500, 1_500)
        nic = {
            "receive_packets": one.add("received", packets),
            "receive_bytes": one.add("receive", packets * 700),
            "transmit_packets": one.add("sent", packets * 0.8),
            "transmit_bytes": one.add("transmit", packets * 0.8 * 900),
            **dict.fromkeys(("receive_errors", "receive_drops", "transmit_errors", "transmit_drops"), 0),
        }
        rows[Scope.NIC].append(_row(Scope.NIC, (key, one.facts.nics[0].mac, one.facts.nics[0].target), nic))

    def _host(self, number: int) -> Host:
        name = f"sim{number:04}"
        facts = HostFacts(self._id(), name, f"simulated:{name}", HOST_CPUS, HOST_GIB << 30, hypervisor="QEMU 9.0.0")
        return Host(facts)

    def _domain(self, number: int, host: Host) -> Domain:
        chance = self._chance
        habit = chance.choices(list(Habit), [one.value for one in Habit])[0]
        vcpus, gib = chance.choice([(1, 2), (2, 4), (2, 8), (4, 8), (8, 16)])
        project = f"project-{chance.randrange(20)}"
        facts = DomainFacts(
            self._id(),
            f"{habit.name.lower()}-{number:05}",
            host.facts.id,
            os_type="hvm",
            arch="x86_64",
            nova=Nova(project=project, project_id=project, flavor=f"m{vcpus}.{gib}"),
            resources=Resources(vcpus, vcpus, gib << 30, gib << 30),
            disks=(DiskFacts("vda", bus="virtio"),),
            nics=(NicFacts(f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}", "vnet0"),),
            xml=f"<domain type='kvm'><name>{habit.name.lower()}-{number:05}</name></domain>",
        )
        return Domain(facts, habit, vcpus, gib, chance.uniform(0, DAY_SECONDS / 4))

    def _id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))


def _row(scope: Scope, key: tuple[str | int, ...], figures: Mapping[str, float]) -> Row:
    """A row in which only these metrics are known."""
    values: list[int | None] = [None] * len(_POSITION[scope])
    for name, value in figures.items():
        values[_POSITION[scope][name]] = int(value)
    return (*key, *values)
