"""From one placement to another in steps: live migrations in an order that never asks too much of a host's memory.

A domain needs its memory on both hosts while it moves. So a step may be taken only when the target has room for it with
everybody else where he is at that time. Where domains wait for each other in a circle, one is parked on a third host.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.analysis.placement import Fleet, Room, Where


@dataclass(frozen=True, slots=True)
class Step:
    """One live migration."""

    domain: str
    source: str
    target: str
    parked: bool = False
    """The target is not where it stays: it makes room for others."""


@dataclass(frozen=True, slots=True)
class Order:
    """Steps, and where they lead."""

    steps: tuple[Step, ...]
    where: Where
    """Every domain's host afterwards."""
    left: tuple[str, ...]
    """Domains for which no order of moves was found; they stay."""


def ordered(fleet: Fleet, wanted: Where) -> Order:
    """The steps from where the domains are to where they are wanted; the busiest host is relieved first."""
    journey = _Journey(fleet, wanted)
    while journey.pending and (journey.advance() or journey.park()):
        pass
    return Order(tuple(journey.steps), journey.where, tuple(sorted(journey.pending)))


class _Journey:
    def __init__(self, fleet: Fleet, wanted: Where) -> None:
        self._fleet = fleet
        self._wanted = wanted
        self.where = dict(fleet.now)
        self._room = Room(fleet, self.where)
        self.pending = {domain for domain, host in self.where.items() if wanted.get(domain, host) != host}
        self._parked: set[str] = set()
        self.steps: list[Step] = []

    def advance(self) -> bool:
        """Take one step that leads a domain to where it stays, if any can be taken."""
        ready = [name for name in self.pending if self._room.holds(self._fleet.domain[name], self._wanted[name])]
        if not ready:
            return False
        chosen = max(ready, key=lambda name: (self._room.load(self.where[name]), self._fleet.domain[name].cpu, name))
        self._take(chosen, self._wanted[chosen], parked=False)
        self.pending.discard(chosen)
        return True

    def park(self) -> bool:
        """Put one domain out of the way of another, if any can be, and each once only: the smallest that helps."""
        targets = {self._wanted[name] for name in self.pending}
        helping = [n for n in self.pending - self._parked if self.where[n] in targets]
        for name in sorted(helping, key=lambda name: (self._fleet.domain[name].memory, name)):
            domain = self._fleet.domain[name]
            for host in sorted(self._fleet.host, key=lambda host: (host in targets, self._room.load(host), host)):
                if host not in (self.where[name], self._wanted[name]) and self._room.holds(domain, host):
                    self._parked.add(name)
                    self._take(name, host, parked=True)
                    return True
        return False

    def _take(self, name: str, target: str, *, parked: bool) -> None:
        domain, source = self._fleet.domain[name], self.where[name]
        self._room.put(domain, target)
        self._room.put(domain, source, -1)
        self.where[name] = target
        self.steps.append(Step(name, source, target, parked))
