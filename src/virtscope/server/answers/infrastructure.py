"""Virtual networks and storage pools."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.server.answers.figures import Figures


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
