"""Consolidation: how many hosts could be freed, with some kept in reserve.

The fewest hosts that hold all domains, none busier than a ceiling, and then the fewest migrations to get there. Of the
hosts that would be empty, max(1, 10 %) of the fleet stay on as a reserve; the rest can go. Greedy emptying, the least
loaded host first, gives an answer at any size; a bound from the sums of memory and cores, or CP-SAT (`solver.py`) where
the fleet is small enough, tells whether it is the best.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from virtscope.analysis.balance import MOST_BOOLEANS
from virtscope.analysis.moves import Order, ordered
from virtscope.analysis.placement import Domain, Fleet, Room, Where, peak, violations
from virtscope.analysis.solver import Placement, count_moves
from virtscope.analysis.spread import relieve


@dataclass(frozen=True, slots=True)
class Rules:
    """How full a host may be, and what is kept back."""

    ceiling: float = 0.8
    """The highest load of a host that is left."""
    reserve: float = 0.1
    """The share of hosts that are kept empty, rounded up; one at the least."""
    seconds: float = 10.0
    """For each of the two stages."""


@dataclass(frozen=True, slots=True)
class Consolidation:
    """How many hosts can go, and how."""

    hosts: int
    """How many there are."""
    needed: int
    """How many hold all domains; all hosts where no placement with fewer is known."""
    bound: int
    """Fewer than this cannot."""
    reserve: int
    freed: tuple[str, ...]
    """Hosts that can go, by id: those that would be empty, less the reserve."""
    order: Order
    """The steps that empty them; none where nothing can be freed."""
    proven: bool
    """No fewer hosts would do."""


def consolidation(fleet: Fleet, rules: Rules) -> Consolidation:
    """Judge a fleet as it is."""
    hosts = len(fleet.hosts)
    reserve = _reserve(hosts, rules)
    bound = _fewest_by_sums(fleet, rules)
    if bound + reserve >= hosts:
        return Consolidation(hosts, hosts, min(bound, hosts), reserve, (), Order((), fleet.now, ()), True)
    where: Where | None = _greedy(fleet, rules)
    if violations(fleet, where or {}) or peak(fleet, where or {}) > rules.ceiling + 1e-9:
        where = None
    proven = where is not None and _used(where) <= bound
    if len(fleet.domains) * hosts <= MOST_BOOLEANS:
        where, bound, proven = _solved(fleet, rules, where, bound, proven=proven)
    if where is None or _used(where) + reserve >= hosts:
        needed = hosts if where is None else _used(where)
        return Consolidation(hosts, needed, bound, reserve, (), Order((), fleet.now, ()), proven)
    return _told(fleet, _used(where), bound, rules, _closer(fleet, rules, where, _used(where) + reserve), proven=proven)


def _closer(fleet: Fleet, rules: Rules, where: Where, most: int) -> Where:
    """A placement on so many hosts that takes fewer moves: the reserve need not be emptied before it is needed."""
    tried = [where, _greedy(fleet, rules, most)]
    if len(fleet.domains) * len(fleet.hosts) <= MOST_BOOLEANS:
        best = min((w for w in tried if _used(w) <= most), key=lambda w: count_moves(fleet, w))
        tried.append(Placement(fleet).fewest_hosts(rules.ceiling, rules.seconds, best, fill=most).where or best)
    sound = [
        w for w in tried if _used(w) <= most and not violations(fleet, w) and peak(fleet, w) <= rules.ceiling + 1e-9
    ]
    return min(sound or [where], key=lambda w: count_moves(fleet, w))


def _solved(
    fleet: Fleet, rules: Rules, where: Where | None, bound: int, *, proven: bool
) -> tuple[Where | None, int, bool]:
    """What the solver makes of it: fewer hosts, the proof that there are none fewer, fewer moves."""
    if not proven:
        answer = Placement(fleet).fewest_hosts(rules.ceiling, rules.seconds, where or fleet.now)
        if answer.where is None:
            return where, bound, answer.proven
        where = answer.where
        bound = max(bound, math.ceil(answer.bound - 1e-6))
        proven = answer.proven
    return where, bound, proven


def _told(fleet: Fleet, needed: int, bound: int, rules: Rules, where: Where, *, proven: bool) -> Consolidation:
    """What is freed: of the hosts that the steps leave empty as many as the reserve allows, the emptiest first."""
    hosts = len(fleet.hosts)
    reserve = _reserve(hosts, rules)
    order = ordered(fleet, where)
    taken = set(order.where.values())
    weight = Counter(fleet.now.values())
    empty = sorted((host for host in fleet.host if host not in taken), key=lambda host: (weight[host], host))
    freed = tuple(empty[: max(0, hosts - needed - reserve)])
    if not freed:
        order = Order((), fleet.now, ())
    return Consolidation(hosts, needed, bound, reserve, freed, order, proven)


def _reserve(hosts: int, rules: Rules) -> int:
    return min(hosts, max(1, math.ceil(rules.reserve * hosts - 1e-9)))


def _used(where: Where) -> int:
    return len(set(where.values()))


def _greedy(fleet: Fleet, rules: Rules, most: int = 0) -> Where:
    """Empty one host after another, the one with the least memory in use first, until ``most`` are left or none can."""
    where = dict(relieve(fleet, rules.ceiling))
    room = Room(fleet, where)
    closed: set[str] = set()
    in_use = {host.id: host.memory - room.memory[host.id] for host in fleet.hosts}
    for source in sorted(fleet.host, key=lambda host: (in_use[host], host)):
        if len(fleet.hosts) - len(closed) <= most:
            break
        leaving = [fleet.domain[domain] for domain, host in where.items() if host == source]
        if all(domain.movable and not domain.together for domain in leaving):
            closed.add(source)
            found = _placed(fleet, room, leaving, source, closed, rules)
            if found is None:
                closed.discard(source)
            else:
                where |= found
    return where


def _placed(
    fleet: Fleet, room: Room, leaving: list[Domain], source: str, closed: set[str], rules: Rules
) -> dict[str, str] | None:
    """Put domains elsewhere, each where it leaves the least memory free; None, and nothing changed, where it fails."""
    found: dict[str, str] = {}
    for domain in sorted(leaving, key=lambda domain: (domain.memory, domain.cpu, domain.id), reverse=True):
        fits = [
            host
            for host in fleet.host
            if host not in closed and room.holds(domain, host) and room.load(host, domain.cpu) <= rules.ceiling
        ]
        if not fits:
            for name, host in found.items():
                room.put(fleet.domain[name], host, -1)
                room.put(fleet.domain[name], source)
            return None
        target = min(fits, key=lambda host: (room.memory[host], host))
        room.put(domain, target)
        room.put(domain, source, -1)
        found[domain.id] = target
    return found


def _fewest_by_sums(fleet: Fleet, rules: Rules) -> int:
    """As many of the largest hosts as together hold all memory, all huge pages and all load."""
    sums = (
        ([host.memory for host in fleet.hosts], sum(domain.memory for domain in fleet.domains)),
        ([host.huge for host in fleet.hosts], sum(domain.huge for domain in fleet.domains)),
        ([host.cpu * rules.ceiling for host in fleet.hosts], sum(domain.cpu for domain in fleet.domains)),
    )
    stuck = len({domain.host for domain in fleet.domains if not domain.movable})
    return max(stuck, *(_how_many(sizes, needed) for sizes, needed in sums))


def _how_many(sizes: list[int] | list[float], needed: float) -> int:
    number, held = 0, 0.0
    for size in sorted(sizes, reverse=True):
        if held >= needed - 1e-9:
            break
        held += size
        number += 1
    return number
