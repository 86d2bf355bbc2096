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
    bus: str | None = None
    driver: str | None = None
    format: str | None = None
    cache: str | None = None
    serial: str | None = None
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class NicFacts:
    """A network interface as the domain's XML describes it."""

    mac: str
    target: str
    type: str | None = None
    source: str | None = None
    model: str | None = None
    filter: str | None = None
    filter_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain as its XML describes it: who it is and what devices it has."""

    id: str
    name: str
    host: str
    persistent: bool = True
    title: str | None = None
    os_type: str | None = None
    arch: str | None = None
    machine: str | None = None
    instance_name: str | None = None
    flavor: str | None = None
    project: str | None = None
    owner: str | None = None
    disks: tuple[DiskFacts, ...] = ()
    nics: tuple[NicFacts, ...] = ()
    xml: str = ""
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
    hypervisor: str | None = None
    libvirt: str | None = None


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


@dataclass(frozen=True, slots=True)
class Gone:
    """A domain that its host no longer defines."""

    host: str
    domain: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What travels: (agent, epoch, sequence) names it once and for all, so that storing it twice is storing it once."""

    agent: str
    epoch: int
    """When the agent started, Unix ms."""
    sequence: int
    """1, 2, 3… within the epoch."""
    at: int
    """When it was made, Unix ms."""
    samples: tuple[Sample, ...] = ()
    hosts: tuple[HostFacts, ...] = ()
    domains: tuple[DomainFacts, ...] = ()
    gone: tuple[Gone, ...] = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()


def now_ms() -> int:
    """The time, Unix ms."""
    return time.time_ns() // 1_000_000
