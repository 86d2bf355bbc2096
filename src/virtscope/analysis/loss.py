"""The loss of a host: when it dies, can its domains run on the others?

Those that are left stay where they are. Memory is hard, CPU is soft: the answer tells how busy the busiest host would
be. First-fit by decreasing memory, each onto the least busy host that holds it, mostly finds a placement, and a
placement is a proof. Where it finds none, a domain that nobody has room for proves the opposite, or more memory needed
than is free, or else CP-SAT (`solver.py`) decides. What is pinned to the host's cores or has a device of it passed
through runs nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from virtscope.analysis.placement import Domain, Fleet, Where, peak
from virtscope.analysis.solver import Placement


class Cover(StrEnum):
    """Whether the fleet can do without a host."""

    COVERED = "covered"
    NOT_COVERED = "not covered"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True)
class Loss:
    """What comes of a host's death."""

    host: str
    cover: Cover
    proof: str
    """How that is known, in one sentence."""
    blockers: tuple[str, ...] = ()
    """Domains that can run nowhere else, by id."""
    needed: int = 0
    """Bytes that its domains need elsewhere."""
    spare: int = 0
    """Bytes that would still be free on the others; below 0 what is missing."""
    peak: float | None = None
    """The highest load of a host afterwards; None where there is no placement."""
    where: Where | None = None
    """Where its domains would run."""


class Survivors:
    """A fleet, asked what comes of the death of one host after another."""

    def __init__(self, fleet: Fleet, seconds: float = 10.0) -> None:
        """Take a fleet; ``seconds`` is how long the solver may take for one host."""
        self._fleet = fleet
        self._seconds = seconds
        self._index = {host.id: number for number, host in enumerate(fleet.hosts)}
        self._on: dict[str, list[Domain]] = defaultdict(list)
        for domain in fleet.domains:
            self._on[domain.host].append(domain)
        self._cpu = np.array([host.cpu for host in fleet.hosts])
        self._accepts = np.array([host.accepts for host in fleet.hosts], dtype=bool)
        self._memory = self._left("memory")
        self._huge = self._left("huge")
        self._cores = np.array([sum(d.cpu for d in self._on[host.id]) for host in fleet.hosts])
        self._groups: dict[str, set[int]] = defaultdict(set)
        for domain in fleet.domains:
            for group in domain.apart if domain.host else ():
                self._groups[group].add(self._index[domain.host])

    def without(self, host: str) -> Loss:
        """What comes of this host's death."""
        homeless = self._on[host]
        others = self._accepts.copy()
        others[self._index[host]] = False
        needed = sum(domain.memory for domain in homeless)
        spare = int(self._memory[others].clip(min=0).sum()) - needed
        blockers = tuple(domain.id for domain in homeless if not self._held(domain, others, self._index[host]))
        if blockers:
            return Loss(host, Cover.NOT_COVERED, "nobody else can hold them", blockers, needed, spare)
        if spare < 0:
            return Loss(host, Cover.NOT_COVERED, "all others together have less memory free", (), needed, spare)
        if not any(domain.together for domain in homeless):
            for order in ("memory", "cpu"):
                found = self._first_fit(homeless, others, order)
                if found is not None:
                    where, cores = found
                    highest = max(float(np.delete(cores / self._cpu, self._index[host]).max(initial=0.0)), 0.0)
                    return Loss(host, Cover.COVERED, "a placement was found", (), needed, spare, highest, where)
        return self._decided(host, homeless, needed, spare)

    def _decided(self, host: str, homeless: Sequence[Domain], needed: int, spare: int) -> Loss:
        """Asked of the solver."""
        left = [replace(d, movable=False) for d in self._fleet.domains if d.host not in ("", host)]
        fleet = Fleet(
            tuple(other for other in self._fleet.hosts if other.id != host),
            (*left, *(replace(domain, host="") for domain in homeless)),
        )
        answer = Placement(fleet).least_peak(self._seconds, fleet.now)
        if answer.where is None:
            cover = Cover.NOT_COVERED if answer.proven else Cover.NOT_DECIDED
            proof = "the solver proved that there is no placement" if answer.proven else "the solver ran out of time"
            return Loss(host, cover, proof, (), needed, spare)
        where = {domain.id: answer.where[domain.id] for domain in homeless}
        return Loss(host, Cover.COVERED, "a placement was found", (), needed, spare, peak(fleet, answer.where), where)

    def _left(self, what: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(
            [getattr(host, what) - sum(getattr(d, what) for d in self._on[host.id]) for host in self._fleet.hosts],
            dtype=np.int64,
        )

    def _held(self, domain: Domain, others: np.ndarray[tuple[int], np.dtype[np.bool_]], dead: int) -> bool:
        """Whether any of the others has room for this one alone."""
        fits = others & (self._memory >= domain.memory) & (self._huge >= domain.huge)
        taken = set().union(*(self._groups[group] for group in domain.apart)) - {dead}
        fits[list(taken)] = False
        return domain.movable and bool(fits.any())

    def _first_fit(
        self, homeless: Sequence[Domain], others: np.ndarray[tuple[int], np.dtype[np.bool_]], order: str
    ) -> tuple[dict[str, str], np.ndarray[tuple[int], np.dtype[np.float64]]] | None:
        """Largest first, each onto the host that stays least busy of those that hold it; None where one finds none.

        Also told are the cores that are then used on each host.
        """
        memory, huge, cores = self._memory.copy(), self._huge.copy(), self._cores.copy()
        groups = {g: set(self._groups[g]) for domain in homeless for g in domain.apart}
        for domain in homeless:
            for group in domain.apart:
                groups[group].discard(self._index[domain.host])
        where: dict[str, str] = {}
        for domain in sorted(homeless, key=lambda d: (getattr(d, order), d.id), reverse=True):
            fits = others & (memory >= domain.memory) & (huge >= domain.huge)
            for group in domain.apart:
                fits[list(groups[group])] = False
            if not fits.any():
                return None
            to = int(np.argmin(np.where(fits, (cores + domain.cpu) / self._cpu, np.inf)))
            memory[to] -= domain.memory
            huge[to] -= domain.huge
            cores[to] += domain.cpu
            for group in domain.apart:
                groups[group].add(to)
            where[domain.id] = self._fleet.hosts[to].id
        return where, cores
