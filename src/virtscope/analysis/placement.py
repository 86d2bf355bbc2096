"""Which domain is on which host, and which could be: the problem that all placement analyses share.

Memory is hard: what domains are promised on a host never exceeds what the host has for them. CPU is soft: a host's load
is the sum of its domains' p95 of cores used over hours, never an instant's, next to the cores it has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Where: TypeAlias = Mapping[str, str]
"""The host of each domain, both by id."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host, as far as domains are to be placed on it."""

    id: str
    memory: int
    """Bytes for domains: without what the host itself needs and without huge pages."""
    cpu: float
    """Cores for domains; above 0."""
    huge: int = 0
    """Bytes of huge pages."""
    accepts: bool = True
    """Whether it takes domains: not in maintenance, up. Those that are on one that does not may stay or go."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain, as far as it is to be placed."""

    id: str
    host: str
    """Where it is; empty where it has to be placed first."""
    memory: int
    """Bytes it may come to use, outside of huge pages."""
    cpu: float
    """p95 of the cores it uses, over hours."""
    huge: int = 0
    """Bytes of huge pages."""
    movable: bool = True
    """Not pinned to the host's cores, and with no device of the host passed through."""
    apart: tuple[str, ...] = ()
    """Groups of which no two may share a host (anti-affinity)."""
    together: tuple[str, ...] = ()
    """Groups that have to share one (affinity)."""


@dataclass(frozen=True)
class Fleet:
    """Hosts and the domains on them."""

    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...]

    def __post_init__(self) -> None:
        """Refuse what no plan may rest on.

        Raises:
            ValueError: an id is there twice, a domain is on no host of these, a figure is not known or below 0.
        """
        for kind, ids in (("host", [h.id for h in self.hosts]), ("domain", [d.id for d in self.domains])):
            if twice := [name for name, number in Counter(ids).items() if number > 1]:
                raise ValueError(f"{kind} {twice[0]} is there twice")
        for host in self.hosts:
            if not (math.isfinite(host.cpu) and host.cpu > 0 and host.memory >= 0 and host.huge >= 0):
                raise ValueError(f"host {host.id} has {host.cpu} cores and {host.memory} bytes")
        for domain in self.domains:
            if domain.host and domain.host not in self.host:
                raise ValueError(f"domain {domain.id} is on host {domain.host}, which is not there")
            if not (math.isfinite(domain.cpu) and domain.cpu >= 0 and domain.memory >= 0 and domain.huge >= 0):
                raise ValueError(f"domain {domain.id} uses {domain.cpu} cores and {domain.memory} bytes")

    @cached_property
    def host(self) -> Mapping[str, Host]:
        """Hosts by id."""
        return {host.id: host for host in self.hosts}

    @cached_property
    def domain(self) -> Mapping[str, Domain]:
        """Domains by id."""
        return {domain.id: domain for domain in self.domains}

    @cached_property
    def now(self) -> Where:
        """Where the domains are that are somewhere."""
        return {domain.id: domain.host for domain in self.domains if domain.host}

    def targets(self, domain: Domain) -> list[Host]:
        """Every host that it may be on by itself: where it is, and what takes it and is large enough."""
        if not domain.movable:
            return [self.host[domain.host]] if domain.host else []
        return [
            host
            for host in self.hosts
            if host.id == domain.host or (host.accepts and host.memory >= domain.memory and host.huge >= domain.huge)
        ]


def loads(fleet: Fleet, where: Where) -> dict[str, float]:
    """Each host's load: cores of its domains (p95) next to its own."""
    cores: dict[str, float] = defaultdict(float)
    for domain, host in where.items():
        cores[host] += fleet.domain[domain].cpu
    return {host.id: cores[host.id] / host.cpu for host in fleet.hosts}


def peak(fleet: Fleet, where: Where) -> float:
    """The highest load of a host; 0 without hosts."""
    return max(loads(fleet, where).values(), default=0.0)


def imbalance(fleet: Fleet, where: Where) -> float:
    """How far the highest load is from the lowest, of hosts that take domains; 0 with fewer than two."""
    found = [load for host, load in loads(fleet, where).items() if fleet.host[host].accepts]
    return max(found) - min(found) if len(found) > 1 else 0.0


class Room:
    """What is free on each host while domains come and go."""

    def __init__(self, fleet: Fleet, where: Where) -> None:
        self._fleet = fleet
        self.memory = {host.id: host.memory for host in fleet.hosts}
        self.huge = {host.id: host.huge for host in fleet.hosts}
        self.cores = dict.fromkeys(self.memory, 0.0)
        self._apart: dict[tuple[str, str], int] = defaultdict(int)
        for domain, host in where.items():
            self.put(fleet.domain[domain], host)

    def put(self, domain: Domain, host: str, sign: int = 1) -> None:
        """The domain comes to the host, or goes with a sign of -1."""
        self.memory[host] -= sign * domain.memory
        self.huge[host] -= sign * domain.huge
        self.cores[host] += sign * domain.cpu
        for group in domain.apart:
            self._apart[group, host] += sign

    def holds(self, domain: Domain, host: str) -> bool:
        """Whether the host takes it now: memory, huge pages, and nobody there that it must be apart from."""
        return (
            self._fleet.host[host].accepts
            and self.memory[host] >= domain.memory
            and self.huge[host] >= domain.huge
            and not any(self._apart[group, host] for group in domain.apart)
        )

    def load(self, host: str, more: float = 0.0) -> float:
        """The host's load, with so many cores more."""
        return (self.cores[host] + more) / self._fleet.host[host].cpu


def violations(fleet: Fleet, where: Where) -> list[str]:
    """What of a placement breaks a rule, as sentences; empty where it is sound."""
    room = Room(fleet, where)
    found = [f"{host} lacks memory" for host, free in room.memory.items() if free < 0]
    found += [f"{host} lacks huge pages" for host, free in room.huge.items() if free < 0]
    for domain, host in where.items():
        if host != (home := fleet.domain[domain].host) and home and not fleet.domain[domain].movable:
            found.append(f"{domain} cannot move")
        if host != home and not fleet.host[host].accepts:
            found.append(f"{host} takes no domain")
    for group, members in groups(fleet.domains, "apart").items():
        hosts = [where[domain.id] for domain in members if domain.id in where]
        if len(set(hosts)) < len(hosts):
            found.append(f"group {group} shares a host")
    for group, members in groups(fleet.domains, "together").items():
        if len({where[domain.id] for domain in members if domain.id in where}) > 1:
            found.append(f"group {group} is apart")
    return found


def groups(domains: Iterable[Domain], kind: str) -> dict[str, list[Domain]]:
    """The members of each group; ``kind`` is ``apart`` or ``together``."""
    found: dict[str, list[Domain]] = defaultdict(list)
    for domain in domains:
        for group in domain.apart if kind == "apart" else domain.together:
            found[group].append(domain)
    return dict(found)
