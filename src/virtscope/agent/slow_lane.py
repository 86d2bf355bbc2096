"""The slow lane: what changes slowly, or may take long: storage, NUMA nodes, jobs, filters, networks.

It has a thread of its own. A pool on a dead file server, or a domain whose lock is held, makes it late and nothing
else; it is not asked again before it has answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from virtscope.agent import inventory
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.lane import Call, Lane
from virtscope.catalogue import Group, Scope, metrics_of
from virtscope.errors import HypervisorError, Late
from virtscope.sample import DomainFacts, Other, Row, Value


@dataclass(frozen=True, slots=True)
class SlowReading:
    """What one round has brought."""

    rows: Mapping[Scope, Sequence[Row]]
    others: Mapping[type[Other], Sequence[Other]]


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
    storage = list(hypervisor.storage())
    rows: dict[Scope, list[Row]] = {
        Scope.CELL: [(cell, *_values(Scope.CELL, figures)) for cell, figures in hypervisor.cells()],
        Scope.POOL: [(pool, *_values(Scope.POOL, figures)) for pool, figures, _ in storage],
        Scope.VOLUME: [
            (pool, volume, *_values(Scope.VOLUME, figures))
            for pool, _, volumes in storage
            for volume, figures in volumes
        ],
        Scope.JOB: list(_jobs(hypervisor, domains, facts)),
    }
    return SlowReading(rows, inventory.others(hypervisor, host))


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
