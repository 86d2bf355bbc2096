"""Domains, with everything in them."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.sample import Nova, Resources
from virtscope.server.answers.devices import DiskAnswer, NicAnswer
from virtscope.server.answers.figures import Figures


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
class DomainList:
    """Domains at one moment."""

    at: float
    commit: int
    domains: list[DomainAnswer]
