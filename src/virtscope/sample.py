"""What an agent says: samples, inventory, events and the state of its connections, together in batches.

These are plain values: the agent makes them, the server stores them, and nothing else is shared between the two.
Times are Unix milliseconds (UTC), taken from the agent's clock before the reading they belong to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from virtscope.catalogue import Scope

Value: TypeAlias = int | None
Row: TypeAlias = tuple[str | int | None, ...]
"""The keys of the scope except the host, then its metrics, in the order of the catalogue. Unknown is None."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One host's raw readings at one tick."""

    host: str
    """UUID of the host."""
    at: int
    """When the reading began, Unix ms."""
    rows: Mapping[Scope, Sequence[Row]]
    """A scope that is there is complete: a domain without a row is not there any more."""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """A disk as the domain's XML describes it."""

    target: str
    device: str = "disk"
    type: str | None = None
    source: str | None = None
    protocol: str | None = None
    """Of a network disk: rbd, iscsi, nbd…"""
    bus: str | None = None
    driver: str | None = None
    format: str | None = None
    cache: str | None = None
    io: str | None = None
    discard: str | None = None
    serial: str | None = None
    readonly: bool = False
    backing: tuple[str, ...] = ()
    """The images behind the first one, nearest first."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """What ``iotune`` sets, by its names: ``total_bytes_sec``, ``read_iops_sec_max``…"""
    mirror: str | None = None
    """The job that copies the disk elsewhere, while there is one."""


@dataclass(frozen=True, slots=True)
class NicFacts:
    """A network interface as the domain's XML describes it."""

    mac: str
    target: str
    type: str | None = None
    source: str | None = None
    model: str | None = None
    mtu: int | None = None
    link: str | None = None
    """``up`` or ``down`` where the XML sets it."""
    virtual_port: str | None = None
    """``openvswitch``, ``802.1Qbh``…"""
    port_id: str | None = None
    """The interface id of an Open vSwitch port."""
    vlans: tuple[int, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    """What ``bandwidth`` sets: ``inbound.average`` in KiB/s, ``outbound.burst`` in KiB…"""
    filter: str | None = None
    filter_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a domain's XML grants it of the host, and ties it to."""

    vcpus: int | None = None
    """vCPUs that are online."""
    vcpus_maximum: int | None = None
    memory_bytes: int | None = None
    memory_maximum_bytes: int | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    """vCPU index, ``emulator`` or ``iothread N`` to the host CPUs it may run on, as ``0-3,8``."""
    cpu_limits: Mapping[str, int] = field(default_factory=dict)
    """What ``cputune`` sets: ``shares``, ``period`` and ``quota`` in µs…"""
    numa_nodes: str | None = None
    """The host's NUMA nodes that the memory must, or should, come from."""
    hugepages: bool = False
    memory_locked: bool = False
    memory_source: str | None = None
    """``memfd``, ``file``… where the XML sets it."""
    cpu_mode: str | None = None
    iothreads: int = 0
    passthrough: tuple[str, ...] = ()
    """Devices of the host that the domain has for itself, as ``pci 0000:01:00.0``."""
    balloon_period: int | None = None
    """Seconds between two readings of the guest's memory figures; 0 or None: there are none."""


@dataclass(frozen=True, slots=True)
class Nova:
    """What OpenStack's nova wrote into a domain's metadata."""

    instance: str | None = None
    flavor: str | None = None
    project: str | None = None
    project_id: str | None = None
    user: str | None = None
    user_id: str | None = None
    root_type: str | None = None
    root_id: str | None = None


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain as its XML describes it: who it is and what devices it has."""

    id: str
    name: str
    host: str
    persistent: bool = True
    title: str | None = None
    description: str | None = None
    os_type: str | None = None
    arch: str | None = None
    machine: str | None = None
    firmware: str | None = None
    nova: Nova | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Everybody's metadata, by namespace, as XML."""
    resources: Resources = Resources()
    disks: tuple[DiskFacts, ...] = ()
    nics: tuple[NicFacts, ...] = ()
    xml: str = ""
    """What is true now."""
    persistent_xml: str | None = None
    """What the next start will find, where the domain is active and persistent."""
    problem: str | None = None
    """Why the XML could not be read, where it could not: the domain is then known by name only."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host as libvirt describes it."""

    id: str
    name: str
    uri: str
    cpus: int | None = None
    memory_bytes: int | None = None
    cpu_model: str | None = None
    topology: str | None = None
    """As ``2 nodes, 2 sockets, 16 cores, 2 threads``."""
    hypervisor: str | None = None
    libvirt: str | None = None
    """The version of the host's libvirt daemon."""
    library: str | None = None
    """The version of the agent's libvirt library."""
    agent: str = ""
    """Id of the agent that watches it, as the server knows it; empty: a collector in the server's own process."""


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """A network filter (nwfilter) that a host defines."""

    id: str
    name: str
    host: str
    chain: str | None = None
    priority: int | None = None
    references: tuple[str, ...] = ()
    """The filters that it includes, in order."""
    rules: int = 0
    """Its own, without those it includes."""
    xml: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BindingFacts:
    """A network filter at work: which filter libvirt has tied to which device of the host."""

    id: str
    """The device on the host: ``vnet3``."""
    host: str
    filter: str | None = None
    domain: str | None = None
    """UUID of the domain whose interface it is."""
    mac: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    xml: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that a network's DHCP server has given out."""

    mac: str
    address: str
    hostname: str | None = None
    expires: int = 0
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A virtual network that a host defines."""

    id: str
    name: str
    host: str
    active: bool = False
    autostart: bool = False
    bridge: str | None = None
    forward: str | None = None
    """``nat``, ``route``, ``bridge``…; None is an isolated network."""
    leases: tuple[Lease, ...] = ()
    xml: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A storage pool that a host defines. Its sizes are figures of the scope POOL."""

    id: str
    name: str
    host: str
    type: str | None = None
    target: str | None = None
    active: bool = False
    autostart: bool = False
    xml: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What a guest's own agent tells of it, where the host's agent may ask (``--allow-write guest-agent``)."""

    id: str
    """UUID of the domain."""
    host: str
    hostname: str | None = None
    os: str | None = None
    kernel: str | None = None
    timezone: str | None = None
    users: tuple[str, ...] = ()
    problem: str | None = None


Other: TypeAlias = FilterFacts | BindingFacts | NetworkFacts | PoolFacts | GuestFacts
"""Something that exists on a host beside its domains."""
Facts: TypeAlias = HostFacts | DomainFacts | Other
"""Something that exists: what the inventory is made of."""

KINDS: Mapping[type, str] = {
    HostFacts: "host",
    DomainFacts: "domain",
    FilterFacts: "filter",
    BindingFacts: "binding",
    NetworkFacts: "network",
    PoolFacts: "pool",
    GuestFacts: "guest",
}
"""The word for each kind of facts."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a domain or a host."""

    at: int
    host: str
    domain: str | None
    kind: str
    detail: str = ""


class LinkState(Enum):
    """What an agent knows of a host."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Link:
    """The state of an agent's connection to one URI. Where it was never reached, the host's UUID is unknown."""

    uri: str
    state: LinkState
    since: int
    host: str | None = None
    reason: str | None = None
    interval: float = 0.0
    """Seconds between two samples."""
    agent: str = ""
    """Id of the agent, as the server knows it; empty: a collector in the server's own process."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Something that its host no longer defines."""

    host: str
    kind: str
    """As in KINDS."""
    id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Batches of the same agent that will never come."""

    epoch: int
    first: int
    last: int
    """Their sequences, both within."""
    since: int
    until: int
    """When they were made, Unix ms; 0 where that is not known."""
    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """All that a host has of a kind is in one batch: whatever else was known of it has gone while nobody watched."""

    host: str
    kind: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What travels: (agent, epoch, sequence) names it once and for all, so that storing it twice is storing it once."""

    agent: str
    epoch: int
    """When the agent started, Unix ms."""
    sequence: int
    """1, 2, 3… within the epoch; 0 has no samples and may be stored any number of times."""
    at: int
    """When it was made, Unix ms."""
    samples: tuple[Sample, ...] = ()
    hosts: tuple[HostFacts, ...] = ()
    domains: tuple[DomainFacts, ...] = ()
    others: tuple[Other, ...] = ()
    gone: tuple[Gone, ...] = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    lost: tuple[Lost, ...] = ()
    whole: tuple[Whole, ...] = ()

    @property
    def about(self) -> set[str]:
        """The UUIDs of all hosts that it says something of."""
        told = (*self.samples, *self.domains, *self.others, *self.gone, *self.events, *self.whole)
        linked = {link.host for link in self.links if link.host}
        return {one.host for one in told} | {one.id for one in self.hosts} | linked


def now_ms() -> int:
    """The time, Unix ms."""
    return time.time_ns() // 1_000_000
