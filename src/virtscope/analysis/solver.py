"""Placement as a CP-SAT model (ortools): what cannot be otherwise is proved, within a time.

A ``Placement`` puts questions, an ``Answerer`` answers them: in this process where nobody says otherwise. A server has
them answered in a process of their own (``server/solving.py``), because a solver that fails may end its process.

One boolean for each domain and each host that it may be on. Loads are whole thousandths and cores whole thousandths of
a core, both rounded so that a placement which the model allows is one that the host can hold. Two workers take turns in
a fixed order, from a fixed seed: the same fleet has the same answer.

Rules that the present state breaks and that no move can mend (two pinned domains that ought to be apart, pinned domains
of more memory than the host has) count as far as they are broken already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from virtscope.analysis.placement import Domain, Fleet, Host, Where, groups

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

THOUSANDTHS = 1000
RESOLUTION = 0.005
"""Loads are not told apart by less than this: a peak is proven when no placement has one lower by more."""
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What the solver found."""

    where: Where | None
    """Where the domains would be; None where there is no placement, or none was found in time."""
    bound: float
    """No placement is better than this: the least value that is not ruled out."""
    proven: bool
    """The best there is (a peak: to RESOLUTION); or, without a placement, that there is none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the solver is asked of a fleet: an objective of ``Model``, by its name."""

    fleet: Fleet
    objective: Literal["least_peak", "fewest_moves", "fewest_hosts"]
    seconds: float
    hint: Where
    limit: float = 0.0
    """The highest load of a host, where there is one."""
    fill: int | None = None
    """For ``fewest_hosts``."""


Answerer: TypeAlias = Callable[[Question], Answer]

NO_ANSWER = Answer(None, 0.0, False)


def answered(question: Question) -> Answer:
    """The answer, found in this process."""
    model, seconds, hint = Model(question.fleet), question.seconds, question.hint
    match question.objective:
        case "least_peak":
            return model.least_peak(seconds, hint)
        case "fewest_moves":
            return model.fewest_moves(question.limit, seconds, hint)
        case "fewest_hosts":
            return model.fewest_hosts(question.limit, seconds, hint, question.fill)


ANSWERER: ContextVar[Answerer] = ContextVar("answerer", default=answered)
"""Who answers."""


class Placement:
    """A fleet, asked for the best placement there is. See ``Model`` for what is meant."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def least_peak(self, seconds: float, hint: Where) -> Answer:
        """The placement whose busiest host has the least load."""
        return ANSWERER.get()(Question(self.fleet, "least_peak", seconds, hint))

    def fewest_moves(self, peak: float, seconds: float, hint: Where) -> Answer:
        """The placement with the fewest moves among those with no host busier than ``peak``."""
        return ANSWERER.get()(Question(self.fleet, "fewest_moves", seconds, hint, peak))

    def fewest_hosts(self, ceiling: float, seconds: float, hint: Where, fill: int | None = None) -> Answer:
        """The placement on the fewest hosts, none busier than ``ceiling``; or the fewest moves on ``fill`` of them."""
        return ANSWERER.get()(Question(self.fleet, "fewest_hosts", seconds, hint, ceiling, fill))


class Model:
    """The rules of a fleet as a model, to which one objective is added."""

    def __init__(self, fleet: Fleet) -> None:
        from ortools.sat.python import cp_model  # it takes seconds to load

        self.fleet = fleet
        self.model = cp_model.CpModel()
        self.on: dict[tuple[str, str], cp_model.IntVar] = {}
        self._possible = True
        for domain in fleet.domains:
            targets = fleet.targets(domain)
            for host in targets:
                self.on[domain.id, host.id] = self.model.new_bool_var("")
            self.model.add_exactly_one(self.on[domain.id, host.id] for host in targets)
            self._possible = self._possible and bool(targets)
        for host in fleet.hosts:
            self._capacity(host, [d.memory for d in fleet.domains], host.memory)
            self._capacity(host, [d.huge for d in fleet.domains], host.huge)
        self._groups()

    def least_peak(self, seconds: float, hint: Where) -> Answer:
        """The placement whose busiest host has the least load. The bound is a load."""
        top = self.model.new_int_var(0, self._highest(), "")
        for host in self.fleet.hosts:
            self._load(host, top)
        self.model.minimize(top)
        answer = self._solved(seconds, hint, gap=RESOLUTION * THOUSANDTHS)
        return Answer(answer.where, answer.bound / THOUSANDTHS, answer.proven)

    def fewest_moves(self, peak: float, seconds: float, hint: Where) -> Answer:
        """The placement with the fewest moves among those with no host busier than ``peak``. The bound is a number.

        A host must give up at least as many domains as its largest take to bring it below; said outright, that spares
        the solver most of its proof.
        """
        top = math.floor(peak * THOUSANDTHS + 1e-6)
        staying = []
        for host in self.fleet.hosts:
            self._load(host, top)
            home = [domain for domain in self.fleet.domains if domain.host == host.id]
            stays = [self.on[domain.id, host.id] for domain in home]
            staying += stays
            if (least := fewest_to_go(home, peak * host.cpu)) and stays:
                self.model.add(sum(stays) <= len(stays) - least)
        placed = sum(bool(domain.host) for domain in self.fleet.domains)
        self.model.minimize(placed - sum(staying))
        return self._solved(seconds, hint)

    def fewest_hosts(self, ceiling: float, seconds: float, hint: Where, fill: int | None = None) -> Answer:
        """The placement on the fewest hosts, none busier than ``ceiling``. With ``fill``, the fewest moves on so many.

        The bound is a number of hosts, or of moves.
        """
        used = {host.id: self.model.new_bool_var("") for host in self.fleet.hosts}
        for (_, target), on in self.on.items():
            self.model.add_implication(on, used[target])
        for host in self.fleet.hosts:
            self._load(host, math.floor(ceiling * THOUSANDTHS + 1e-6))
            self.model.add_hint(used[host.id], host.id in hint.values())
        self._enough(used, ceiling)
        if fill is None:
            self.model.minimize(sum(used.values()))
        else:
            self.model.add(sum(used.values()) <= fill)
            self.model.minimize(
                sum(on for (domain, host), on in self.on.items() if self.fleet.domain[domain].host not in ("", host))
            )
        return self._solved(seconds, hint)

    def _enough(self, used: Mapping[str, cp_model.IntVar], ceiling: float) -> None:
        """What follows from the rules, said outright: the hosts in use together hold all memory and all load."""
        stuck = {domain.host for domain in self.fleet.domains if not domain.movable}
        cores = {h.id: math.floor(h.cpu * THOUSANDTHS * ceiling + 1e-6) for h in self.fleet.hosts if h.id not in stuck}
        memory = {h.id: h.memory // MIB for h in self.fleet.hosts if h.id not in stuck}
        if not stuck:
            self.model.add(
                sum(used[h] * size for h, size in cores.items())
                >= sum(_thousandths(domain.cpu) for domain in self.fleet.domains)
            )
            self.model.add(
                sum(used[h] * size for h, size in memory.items()) >= sum(_mib(d.memory) for d in self.fleet.domains)
            )

    def _capacity(self, host: Host, sizes: list[int], capacity: int) -> None:
        """What is on the host never needs more than it has, or than what cannot leave it needs."""
        there = [(domain, size) for domain, size in zip(self.fleet.domains, sizes, strict=True) if size]
        there = [(domain, size) for domain, size in there if (domain.id, host.id) in self.on]
        stuck = sum(_mib(size) for domain, size in there if not domain.movable)
        if there:
            needed = sum(self.on[domain.id, host.id] * _mib(size) for domain, size in there)
            self.model.add(needed <= max(capacity // MIB, stuck))

    def _load(self, host: Host, top: cp_model.IntVar | int) -> None:
        there = [domain for domain in self.fleet.domains if (domain.id, host.id) in self.on]
        cores = sum(self.on[domain.id, host.id] * _thousandths(domain.cpu) for domain in there)
        stuck = sum(_thousandths(domain.cpu) for domain in there if not domain.movable)
        capacity = math.floor(host.cpu * THOUSANDTHS)
        if isinstance(top, int):
            top = max(top, math.ceil(stuck * THOUSANDTHS / capacity))
        self.model.add(cores * THOUSANDTHS <= top * capacity)

    def _highest(self) -> int:
        """A load that no host needs to exceed: all domains on the smallest one."""
        everything = sum(_thousandths(domain.cpu) for domain in self.fleet.domains)
        return (
            math.ceil(everything / min(math.floor(host.cpu * THOUSANDTHS) for host in self.fleet.hosts)) * THOUSANDTHS
        )

    def _groups(self) -> None:
        for members in groups(self.fleet.domains, "apart").values():
            for host in self.fleet.hosts:
                there = [domain for domain in members if (domain.id, host.id) in self.on]
                stuck = sum(not domain.movable for domain in there)
                if len(there) > 1:
                    self.model.add(sum(self.on[domain.id, host.id] for domain in there) <= max(1, stuck))
        for members in groups(self.fleet.domains, "together").values():
            self._together(members)

    def _together(self, members: list[Domain]) -> None:
        """Those that can move share one host; that of one that cannot, where there are such."""
        free = [domain for domain in members if domain.movable]
        homes = {domain.host for domain in members if not domain.movable}
        for host in self.fleet.hosts:
            there = [self.on.get((domain.id, host.id)) for domain in free]
            for on in there:
                if on is not None and (None in there or (homes and host.id not in homes)):
                    self.model.add(on == 0)
                elif on is not None and there[0] is not None:
                    self.model.add(on == there[0])

    def _solved(self, seconds: float, hint: Where, gap: float = 0.0) -> Answer:
        from ortools.sat.python import cp_model

        if not self._possible:
            return Answer(None, math.inf, True)
        for domain, host in hint.items():
            if (domain, host) in self.on:
                self.model.add_hint(self.on[domain, host], 1)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.absolute_gap_limit = gap
        # The same answer every time, and no threads within a server's process.
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            impossible = status == cp_model.INFEASIBLE
            return Answer(None, math.inf if impossible else 0.0, impossible)
        where = {domain: host for (domain, host), on in self.on.items() if solver.boolean_value(on)}
        return Answer(where, solver.best_objective_bound, status == cp_model.OPTIMAL)


def fewest_to_go(domains: list[Domain], cores: float) -> int:
    """How many have to go, at the least, until those that stay use no more than so many cores."""
    excess = sum(domain.cpu for domain in domains) - cores
    free = sorted((domain.cpu for domain in domains if domain.movable), reverse=True)
    number = 0
    while excess > 1e-9 and number < len(free):
        excess -= free[number]
        number += 1
    return number


def count_moves(fleet: Fleet, where: Mapping[str, str]) -> int:
    """How many domains would be elsewhere than they are."""
    return sum(where[domain] != host for domain, host in fleet.now.items())


def _thousandths(cores: float) -> int:
    return math.ceil(cores * THOUSANDTHS - 1e-6)


def _mib(size: int) -> int:
    return -(-size // MIB)
