"""Disks and network interfaces: of a domain, or each with its own."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.server.answers.figures import Figures


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
