"""Domains spread by local search: fast at any size, and near the best; `solver.py` proves and improves.

First those that ought to be apart leave each other. Then the busiest host gives a domain to another one, or else swaps
two with it, whichever lowers the higher load of the two hosts most, until no such step lowers it or it is low enough.
Where few moves are wanted, hosts that are too busy give their largest domains first. Domains that have to stay together
are left where they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virtscope.analysis.placement import Domain, Fleet, Room, Where, groups

_LEAST_GAIN = 1e-9


def least_peak_bound(fleet: Fleet) -> float:
    """A load that the busiest host cannot get below: all load spread evenly, or what cannot leave its host."""
    everything = sum(domain.cpu for domain in fleet.domains)
    open_hosts = [host for host in fleet.hosts if host.accepts or any(d.host == host.id for d in fleet.domains)]
    even = everything / sum(host.cpu for host in open_hosts) if open_hosts else 0.0
    stuck = dict.fromkeys(fleet.host, 0.0)
    for domain in fleet.domains:
        if not domain.movable and domain.host:
            stuck[domain.host] += domain.cpu
    return max([even, *(cores / fleet.host[host].cpu for host, cores in stuck.items())])


def spread(fleet: Fleet, until: float) -> Where:
    """A placement from the present one on, with no host busier than ``until`` where that can be reached so."""
    search = _Search(fleet)
    search.part()
    return search.run(until)


def relieve(fleet: Fleet, until: float) -> Where:
    """The same with fewer moves: the largest domains of the hosts that are too busy go."""
    search = _Search(fleet)
    search.part()
    search.relieve(until)
    return search.run(until)


class _Search:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._where = dict(fleet.now)
        self._room = Room(fleet, self._where)
        self._on: dict[str, list[Domain]] = {host.id: [] for host in fleet.hosts}
        for domain, host in self._where.items():
            self._on[host].append(fleet.domain[domain])
        self._ids = [host.id for host in fleet.hosts]
        self._index = {host: number for number, host in enumerate(self._ids)}
        self._cpu = np.array([host.cpu for host in fleet.hosts])
        self._cores = np.array([self._room.cores[host] for host in self._ids])
        self._accepts = np.array([host.accepts for host in fleet.hosts])

    def part(self) -> None:
        """Where some that ought to be apart share a host, all but one leave for the least busy one that takes them."""
        for members in groups(self._fleet.domains, "apart").values():
            taken = {self._where.get(domain.id) for domain in members if not domain.movable}
            for domain in members:
                here = self._where.get(domain.id)
                if domain.movable and here is not None and here in taken and not domain.together:
                    self._leave(domain, np.inf)
                taken.add(self._where.get(domain.id))

    def relieve(self, until: float) -> None:
        """Each host that is too busy gives its largest domains, the last as small as is enough."""
        for number in np.argsort(-self._cores / self._cpu):
            leaving = sorted(self._free(self._ids[number]), key=lambda domain: (domain.cpu, domain.id))
            while leaving and (excess := self._cores[number] - until * self._cpu[number]) > 0:
                enough = next((at for at, domain in enumerate(leaving) if domain.cpu >= excess), len(leaving) - 1)
                self._leave(leaving.pop(enough), until)

    def _leave(self, domain: Domain, until: float) -> None:
        """To the least busy host that takes it and is no busier than so much with it, if there is one."""
        load = (self._cores + domain.cpu) / self._cpu
        load[self._index[self._where[domain.id]]] = np.inf
        for to in np.argsort(load):
            if load[to] <= until + _LEAST_GAIN and np.isfinite(load[to]) and self._room.holds(domain, self._ids[to]):
                self._move(domain, int(to))
                return

    def run(self, until: float) -> Where:
        """Give and swap until it is low enough, or there is no step that helps."""
        while len(self._ids) > 1:
            load = self._cores / self._cpu
            busiest = int(np.argmax(load))
            if load[busiest] <= until or not (self._give(busiest) or self._swap(busiest)):
                break
        return self._where

    def _give(self, busiest: int) -> bool:
        """The best move of one domain away from the busiest host, made where there is one."""
        leaving = self._free(self._ids[busiest])
        if not leaving:
            return False
        sizes = np.array([domain.cpu for domain in leaving])
        higher = np.maximum(
            ((self._cores[busiest] - sizes) / self._cpu[busiest])[:, None],
            (self._cores + sizes[:, None]) / self._cpu,
        )
        higher[:, ~self._accepts] = np.inf
        higher[:, busiest] = np.inf
        for number, to in _rising(higher, self._cores[busiest] / self._cpu[busiest]):
            if self._room.holds(leaving[number], self._ids[to]):
                self._move(leaving[number], to)
                return True
        return False

    def _swap(self, busiest: int) -> bool:
        """The best exchange of two domains with the busiest host, made where there is one."""
        here = self._ids[busiest]
        leaving = self._free(here)
        coming = [domain for host in self._ids if host != here for domain in self._free(host)]
        if not leaving or not coming or not self._fleet.host[here].accepts:
            return False
        out, into = np.array([d.cpu for d in leaving])[:, None], np.array([d.cpu for d in coming])
        there = np.array([self._index[self._where[domain.id]] for domain in coming])
        higher = np.maximum(
            (self._cores[busiest] - out + into) / self._cpu[busiest],
            (self._cores[there] + out - into) / self._cpu[there],
        )
        higher[:, ~self._accepts[there]] = np.inf
        for first, second in _rising(higher, self._cores[busiest] / self._cpu[busiest]):
            if self._exchanged(leaving[first], coming[second], busiest, int(there[second])):
                return True
        return False

    def _exchanged(self, out: Domain, into: Domain, here: int, there: int) -> bool:
        """Swap two domains if each finds room once the other is gone."""
        self._room.put(out, self._ids[here], -1)
        self._room.put(into, self._ids[there], -1)
        fits = self._room.holds(into, self._ids[here]) and self._room.holds(out, self._ids[there])
        self._room.put(out, self._ids[here])
        self._room.put(into, self._ids[there])
        if fits:
            self._move(out, there)
            self._move(into, here)
        return fits

    def _move(self, domain: Domain, to: int) -> None:
        source, target = self._where[domain.id], self._ids[to]
        self._room.put(domain, source, -1)
        self._room.put(domain, target)
        self._on[source].remove(domain)
        self._on[target].append(domain)
        self._where[domain.id] = target
        for host in (source, target):
            self._cores[self._index[host]] = self._room.cores[host]

    def _free(self, host: str) -> list[Domain]:
        return [domain for domain in self._on[host] if domain.movable and not domain.together and domain.cpu]


def _rising(higher: NDArray[np.float64], below: float) -> list[tuple[int, int]]:
    """Where the matrix has values under a limit, the least first; of many a few hundred."""
    rows, columns = np.nonzero(higher < below - _LEAST_GAIN)
    order = np.argsort(higher[rows, columns], kind="stable")[:400]
    return [(int(rows[at]), int(columns[at])) for at in order]
