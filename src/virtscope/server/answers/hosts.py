"""Hosts."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.server.answers.figures import Figures


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
