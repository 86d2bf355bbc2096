"""The shapes of the API's answers. Times are Unix seconds, figures base units, and null is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from virtscope.filter_tree import Guard, Node
from virtscope.sample import Nova, Resources

Figures: TypeAlias = dict[str, float | None]
"""Quantities by name; ``/api/v1/quantities`` tells their units."""


@dataclass(frozen=True, slots=True)
class Info:
    """The server itself."""

    version: str
    started: float
    now: float
    commit: int
    """Counts transactions since the start: what was asked before is still true while it stays the same."""
    demo: bool
    """Whether the hosts are a lab made for show."""
    interval: float
    """Seconds between two samples of a host."""
    keep_days: int
    """How long raw samples are kept."""
    uris: list[str]
    problem: str | None
    """Why nothing can be stored at the moment."""
    dropped: int
    """Batches lost since the start, for want of a store."""


@dataclass(frozen=True, slots=True)
class QuantityAnswer:
    """What one figure means."""

    name: str
    scope: str
    unit: str
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class HostDescription:
    """A host as libvirt describes it."""

    cpus: int | None
    memory_bytes: int | None
    cpu_model: str | None
    topology: str | None
    hypervisor: str | None
    libvirt: str | None
    """The version of the host's daemon."""
    library: str | None
    """The version of the library that asked it."""


@dataclass(frozen=True, slots=True)
class DomainCount:
    """How many domains a host defines, and how many of them run."""

    total: int
    running: int


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A host, the state of the connection to it, and its figures."""

    id: str
    name: str
    uri: str
    state: str
    """``up``, ``down`` or ``connecting``."""
    since: float | None
    reason: str | None
    last_seen: float | None
    interval: float
    agent: str | None
    """Name of the agent that watches it; null: the server does itself."""
    facts: HostDescription | None
    domains: DomainCount
    figures: Figures


@dataclass(frozen=True, slots=True)
class DomainDescription:
    """What a domain's XML says of it."""

    os_type: str | None
    arch: str | None
    machine: str | None
    instance_name: str | None
    flavor: str | None
    project: str | None
    owner: str | None
    persistent: bool
    vcpus_maximum: int | None
    memory_maximum_bytes: int | None
    hugepages: bool
    passthrough: list[str]
    """Devices of the host that the domain has for itself."""
    balloon_period: int | None
    """Seconds between two readings of the guest's memory figures; null or 0: there are none."""
    problem: str | None
    """Why the XML could not be read, where it could not."""


@dataclass(frozen=True, slots=True)
class DomainAnswer:
    """A domain, where and in which state it is, and its figures."""

    id: str
    name: str
    title: str | None
    host: str
    host_name: str
    state: str
    """As ``virsh list`` calls it."""
    state_reason: str | None
    stale: bool
    """Whether its host is not up: state and figures are the last ones known."""
    timed_out: bool
    """Whether its emulator does not answer libvirt, so that memory and disks are not known."""
    sampled: float | None
    interval: float | None
    """Seconds that the figures rest on; null before the second sample."""
    facts: DomainDescription
    figures: Figures


@dataclass(frozen=True, slots=True)
class VcpuAnswer:
    """A vCPU of a domain."""

    vcpu: int
    figures: Figures


@dataclass(frozen=True)
class DiskAnswer:
    """A disk of a domain: what its XML says, and its figures."""

    target: str
    device: str
    type: str | None
    source: str | None
    protocol: str | None
    bus: str | None
    driver: str | None
    format: str | None
    cache: str | None
    io: str | None
    discard: str | None
    serial: str | None
    readonly: bool
    backing: list[str]
    """The images behind the first one, nearest first."""
    limits: dict[str, int]
    """What ``iotune`` sets."""
    mirror: str | None
    """The job that copies the disk elsewhere."""
    figures: Figures


@dataclass(frozen=True)
class NicAnswer:
    """A network interface of a domain: what its XML says, and its figures as the guest sees them."""

    mac: str
    target: str
    type: str | None
    source: str | None
    model: str | None
    mtu: int | None
    link: str | None
    virtual_port: str | None
    port_id: str | None
    vlans: list[int]
    limits: dict[str, int]
    """What ``bandwidth`` sets: averages and peaks in KiB/s, bursts in KiB."""
    filter: str | None
    filter_parameters: dict[str, str]
    figures: Figures


@dataclass(frozen=True)
class Owned:
    """Whose a device is."""

    domain: str
    domain_name: str
    host: str
    host_name: str


@dataclass(frozen=True, kw_only=True)
class OwnedDisk(DiskAnswer, Owned):
    """A disk and its domain."""


@dataclass(frozen=True, kw_only=True)
class OwnedNic(NicAnswer, Owned):
    """A network interface and its domain."""


@dataclass(frozen=True, slots=True)
class IothreadAnswer:
    """A thread of the emulator that serves disks."""

    iothread: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class PerfAnswer:
    """An event that the kernel counts for a domain."""

    event: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """A migration, or a job of one disk, on its way."""

    job: str
    """``migration``, or the disk's target."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class FilesystemAnswer:
    """A file system of a guest, by the guest's own word."""

    mountpoint: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class GuestAnswer:
    """What a guest's own agent tells of it."""

    hostname: str | None
    os: str | None
    kernel: str | None
    timezone: str | None
    users: list[str]
    problem: str | None


@dataclass(frozen=True, slots=True)
class DomainDetail(DomainAnswer):
    """A domain with its devices and its XML."""

    description: str | None
    firmware: str | None
    resources: Resources
    nova: Nova | None
    metadata: dict[str, str]
    """Everybody's metadata, by namespace, as XML."""
    vcpus: list[VcpuAnswer]
    disks: list[DiskAnswer]
    nics: list[NicAnswer]
    iothreads: list[IothreadAnswer]
    perf: list[PerfAnswer]
    jobs: list[JobAnswer]
    filesystems: list[FilesystemAnswer]
    guest: GuestAnswer | None
    xml: str
    persistent_xml: str | None
    """What the next start will find, where that is another."""


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """How a domain was described from a time on."""

    at: float
    host: str
    host_name: str
    defined: bool
    """Whether the host defined it; false is the time from which it no longer did."""
    changes: list[str]
    """What was other than before."""
    xml: str | None
    persistent_xml: str | None


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """A domain's configuration through time, oldest first."""

    domain: str
    versions: list[VersionAnswer]


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """A network filter of one host."""

    id: str
    name: str
    host: str
    host_name: str
    chain: str | None
    priority: int | None
    references: list[str]
    """The filters that it includes."""
    rules: int
    interfaces: int
    """How many interfaces name it."""
    problem: str | None


@dataclass(frozen=True, slots=True)
class FilterList:
    """The network filters of all hosts."""

    filters: list[FilterAnswer]


@dataclass(frozen=True, slots=True)
class FilterDetail(FilterAnswer):
    """A network filter with its XML, what it includes, and how it came to be."""

    xml: str
    tree: Node
    history: list[VersionAnswer]


@dataclass(frozen=True, slots=True)
class ForgeryAnswer:
    """A forged frame, walked through the rules of an interface's filter."""

    name: str
    """What is forged: ``MAC``, ``IP``, ``ARP (MAC)``, ``ARP (IP)`` or ``IPv6``."""
    passes: bool
    place: list[int] | None
    """Where the rule stands that decides: the children to go down by, from the tree's root; null where none does."""
    rule: int | None
    """Its number there."""


@dataclass(frozen=True, slots=True)
class GuardAnswer(Guard):
    """The filter of one interface, and what gets past it."""

    forgeries: Sequence[ForgeryAnswer] = ()
    """None where the interface has no filter."""


@dataclass(frozen=True, slots=True)
class GuardsAnswer:
    """The filter of each interface of a domain, resolved with the interface's values."""

    domain: str
    domain_name: str
    host: str
    host_name: str
    interfaces: list[GuardAnswer]


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """An address that a network has given out."""

    mac: str
    address: str
    hostname: str | None
    expires: float


@dataclass(frozen=True, slots=True)
class NetworkAnswer:
    """A virtual network of one host."""

    id: str
    name: str
    host: str
    host_name: str
    active: bool
    autostart: bool
    bridge: str | None
    forward: str | None
    leases: list[LeaseAnswer]
    xml: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class NetworkList:
    """The virtual networks of all hosts."""

    networks: list[NetworkAnswer]


@dataclass(frozen=True, slots=True)
class VolumeAnswer:
    """A volume of a pool."""

    volume: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class PoolAnswer:
    """A storage pool of one host, with its volumes."""

    id: str
    name: str
    host: str
    host_name: str
    type: str | None
    target: str | None
    active: bool
    autostart: bool
    state: str
    figures: Figures
    volumes: list[VolumeAnswer]
    xml: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class PoolList:
    """The storage pools of all hosts."""

    pools: list[PoolAnswer]


@dataclass(frozen=True, slots=True)
class CellAnswer:
    """A NUMA node of a host."""

    cell: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class HostDetail(HostAnswer):
    """A host with its NUMA nodes."""

    cells: list[CellAnswer]


@dataclass(frozen=True, slots=True)
class HostList:
    """All hosts at one moment."""

    at: float
    commit: int
    hosts: list[HostAnswer]


@dataclass(frozen=True, slots=True)
class DomainList:
    """Domains at one moment."""

    at: float
    commit: int
    domains: list[DomainAnswer]


@dataclass(frozen=True, slots=True)
class DiskList:
    """Disks at one moment."""

    at: float
    commit: int
    disks: list[OwnedDisk]


@dataclass(frozen=True, slots=True)
class NicList:
    """Network interfaces at one moment."""

    at: float
    commit: int
    nics: list[OwnedNic]


@dataclass(frozen=True, slots=True)
class SeriesItem:
    """One quantity of one object, a value for each time."""

    object: dict[str, str | int]
    quantity: str
    points: list[float | None]
    peaks: list[float | None] | None = None
    """The highest reading in each step; null where it was not asked for, is not known, or is the point itself."""


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """Quantities over a range; ``times`` are the beginnings of the steps."""

    start: float
    end: float
    step: float
    times: list[float]
    series: list[SeriesItem]


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """One quantity of one object over a range, and how much data that rests on."""

    object: dict[str, str | int]
    quantity: str
    average: float | None
    maximum: float | None
    percentiles: dict[str, float | None]
    samples: int
    """Steps that have a value."""
    coverage: float
    """Their share of all steps, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """Quantities over a range, in few numbers."""

    start: float
    end: float
    step: float
    rows: list[SummaryItem]


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """Something that happened."""

    at: float
    host: str
    host_name: str
    domain: str | None
    domain_name: str | None
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class EventList:
    """Events, newest first."""

    events: list[EventAnswer]


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, as RFC 9457 has it, with a hint what to do."""

    type: str
    title: str
    status: int
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server can do its work."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """One of the server's own figures, as in ``/metrics``."""

    name: str
    help: str
    label: str | None
    """What it is of, where there are several of its name."""
    value: float


@dataclass(frozen=True, slots=True)
class StoreLevel:
    """What the store holds of one level: of the newest hours, of raw rows, of rollups, of sketches."""

    level: str
    """``hot``, ``raw``, ``5m``, ``1h`` or ``sketch``."""
    keep_days: int | None
    """For how many days it is kept; null where it is archived before."""
    files: int
    bytes: int
    oldest: float | None
    newest: float | None


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What a query found."""

    columns: Sequence[str]
    types: Sequence[str]
    """DuckDB's, one for each column."""
    rows: Sequence[Sequence[Any]]
    is_cut: bool
    """Whether there are more rows than were asked for."""


@dataclass(frozen=True, slots=True)
class StoreFlaw:
    """A file of the archive that is not what was written."""

    path: str
    scope: str
    level: str
    start: float
    """Of the hour or day that it should hold."""
    reason: str
    outcome: str | None
    """What became of it; null where nothing was to be repaired."""


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What was read of the archive, and what is wrong with it."""

    files: int
    bytes: int
    flaws: list[StoreFlaw]


@dataclass(frozen=True, slots=True)
class HealthDetail:
    """How the server does."""

    status: str
    """``ok``, ``degraded`` (it works, and something is missing) or ``failing`` (it stores nothing)."""
    reasons: list[str]
    at: float
    started: float
    version: str
    figures: list[OwnFigure]
    store: list[StoreLevel]
