"""What if: a host dies; so many more of a flavour come; how many fit.

Domains of one flavour are alike, so that a host takes a whole number of them whatever happens on the others: how many
fit is a sum, and exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from virtscope.analysis.loss import Cover, Survivors
from virtscope.analysis.placement import Domain, Fleet, Room


@dataclass(frozen=True, slots=True)
class Flavour:
    """What a new domain would need."""

    memory: int
    """Bytes."""
    cpu: float
    """Cores it is expected to use at its p95."""
    huge: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of a flavour the fleet takes."""

    by_host: dict[str, int]
    """By memory, and by CPU up to the ceiling; hosts that take none are not named."""
    safe: int
    """How many of them at the least can come with every host's death still covered; 0 where one is not even now."""

    @property
    def total(self) -> int:
        """How many fit."""
        return sum(self.by_host.values())


def how_many(fleet: Fleet, flavour: Flavour, ceiling: float) -> Fit:
    """How many domains of a flavour fit, with no host busier than ``ceiling``.

    Raises:
        ValueError: the flavour needs nothing, so any number of it would fit.
    """
    if flavour.memory <= 0 and flavour.huge <= 0 and flavour.cpu <= 0:
        raise ValueError("a flavour that needs neither memory nor cores fits any number of times")
    room = Room(fleet, fleet.now)
    fits = {host.id: _on_one(room, host.id, flavour, host.cpu * ceiling) for host in fleet.hosts if host.accepts}
    by_host = {host: number for host, number in fits.items() if number > 0}
    return Fit(by_host, _safe(fleet, flavour, by_host, ceiling))


def with_more(fleet: Fleet, flavour: Flavour, number: int, ceiling: float) -> Fleet | None:
    """The fleet with so many more, each on the least busy host that takes it; None where they do not fit."""
    room = Room(fleet, fleet.now)
    names = sorted(host for host in fleet.host if fleet.host[host].accepts)
    memory, huge, cores, cpu = (
        np.array([of[name] for name in names])
        for of in (room.memory, room.huge, room.cores, {name: fleet.host[name].cpu for name in names})
    )
    came = []
    for count in range(number):
        load = (cores + flavour.cpu) / cpu
        fits = (memory >= flavour.memory) & (huge >= flavour.huge) & (load <= ceiling + 1e-9)
        if not fits.any():
            return None
        to = int(np.argmin(np.where(fits, load, np.inf)))
        memory[to] -= flavour.memory
        huge[to] -= flavour.huge
        cores[to] += flavour.cpu
        came.append(Domain(f"new-{count + 1}", names[to], flavour.memory, flavour.cpu, flavour.huge))
    return Fleet(fleet.hosts, (*fleet.domains, *came))


def _on_one(room: Room, host: str, flavour: Flavour, cores: float) -> int:
    needs = (
        (room.memory[host], flavour.memory),
        (room.huge[host], flavour.huge),
        (cores - room.cores[host] + 1e-9, flavour.cpu),
    )
    if any(free < 0 for free, _ in needs):
        return 0  # too full already, even for what needs nothing of that
    return math.floor(min(free / each for free, each in needs if each > 0))


def _safe(fleet: Fleet, flavour: Flavour, by_host: dict[str, int], ceiling: float) -> int:
    """By halving: the most that can come with N+1 kept. More never helps, so what fails stays failed."""
    low, high = 0, sum(by_host.values())
    if not _covered(fleet):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        grown = with_more(fleet, flavour, middle, ceiling)
        if grown is not None and _covered(grown):
            low = middle
        else:
            high = middle - 1
    return low


def _covered(fleet: Fleet) -> bool:
    survivors = Survivors(fleet, seconds=1.0)
    return all(survivors.without(host.id).cover is Cover.COVERED for host in fleet.hosts)
