"""The slow lane: what changes slowly, or may take long: storage, NUMA nodes, jobs, filters, networks.

It has a thread of its own. A pool on a dead file server, or a domain whose lock is held, makes it late and nothing
else; it is not asked again before it has answered. Each part is asked for by itself: where a host has no daemon for
one of them, the others are there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.lane import Call, Lane
from virtscope.catalogue import Group, Scope, metrics_of
from virtscope.errors import HypervisorError, Late
from virtscope.sample import BindingFacts, DomainFacts, FilterFacts, NetworkFacts, Other, PoolFacts, Row, Value


@dataclass(frozen=True, slots=True)
class SlowReading:
    """What one round has brought."""

    rows: Mapping[Scope, Sequence[Row]]
    others: Mapping[type[Other], Sequence[Other]]
    problems: Sequence[HypervisorError] = ()
    """Why a part is not there."""


class SlowLane:
    """Rounds through everything slow, one at a time."""

    def __init__(self, name: str) -> None:
        self.lane = Lane(name)
        """To be closed by whoever closes the connection."""
        self._round: Call[SlowReading] | None = None
        self._with_jobs: frozenset[str] = frozenset()

    def start(
        self, hypervisor: Hypervisor, host: str, domains: Collection[str], facts: Mapping[str, DomainFacts]
    ) -> None:
        """Begin a round, unless the last one is still on its way; ``domains`` are those that answer."""
        known = dict(facts)
        with suppress(Late):
            self._round = self.lane.start(lambda: _read(hypervisor, host, domains, known))

    def follow_jobs(self, hypervisor: Hypervisor, facts: Mapping[str, DomainFacts]) -> None:
        """Look again at the jobs that the last round has found, and at nothing else."""
        known, domains = dict(facts), self._with_jobs
        if domains:
            with suppress(Late):
                self._round = self.lane.start(
                    lambda: SlowReading({Scope.JOB: list(_jobs(hypervisor, domains, known))}, {})
                )

    def result(self) -> SlowReading | None:
        """What the last round has brought, once; None while there is nothing new.

        Raises:
            HypervisorError: it failed.
        """
        if self._round is None or not self._round.is_done:
            return None
        finished, self._round = self._round, None
        found = finished.result(0)
        self._with_jobs = frozenset(str(row[0]) for row in found.rows.get(Scope.JOB, ()))
        return found


def _read(hypervisor: Hypervisor, host: str, domains: Collection[str], facts: Mapping[str, DomainFacts]) -> SlowReading:
    rows: dict[Scope, Sequence[Row]] = {}
    others: dict[type[Other], Sequence[Other]] = {}
    problems: list[HypervisorError] = []

    def storage() -> None:
        found = list(hypervisor.storage())
        rows[Scope.POOL] = [(pool, *_values(Scope.POOL, figures)) for pool, figures, _ in found]
        rows[Scope.VOLUME] = [
            (pool, volume, *_values(Scope.VOLUME, figures)) for pool, _, volumes in found for volume, figures in volumes
        ]

    def cells() -> None:
        rows[Scope.CELL] = [(cell, *_values(Scope.CELL, figures)) for cell, figures in hypervisor.cells()]

    def jobs() -> None:
        rows[Scope.JOB] = list(_jobs(hypervisor, domains, facts))

    def all_of(kind: type[Other], ask: Callable[[str], Sequence[Other]]) -> Callable[[], None]:
        return lambda: others.update({kind: ask(host)})

    parts = (
        *(cells, storage, jobs),
        all_of(FilterFacts, hypervisor.filters),
        all_of(BindingFacts, hypervisor.bindings),
        all_of(NetworkFacts, hypervisor.networks),
        all_of(PoolFacts, hypervisor.pools),
    )
    for part in parts:
        try:
            part()
        except HypervisorError as error:
            problems.append(error)
    return SlowReading(rows, others, problems)


def _jobs(hypervisor: Hypervisor, domains: Collection[str], facts: Mapping[str, DomainFacts]) -> Iterator[Row]:
    for domain in hypervisor.domains([Group.STATE]):
        if domain.id not in domains:
            continue
        known = facts.get(domain.id)
        disks = [disk.target for disk in known.disks if disk.device == "disk"] if known else []
        with suppress(HypervisorError):
            for job, progress in hypervisor.jobs(domain, disks):
                yield (domain.id, job, *_values(Scope.JOB, progress))


def _values(scope: Scope, figures: Mapping[str, int | None]) -> list[Value]:
    found = (figures.get(metric.source) for metric in metrics_of(scope))
    return [value if value is not None and 0 <= value < 2**63 else None for value in found]
