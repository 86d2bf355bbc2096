"""An hour of a fleet: domains of every habit that restart and move, a gap, a domain without counters, late samples."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from virtscope.catalogue import Scope, metrics_of
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.sample import Batch, DomainFacts, HostFacts, Link, LinkState, Sample
from virtscope.simulation import fleet as simulated
from virtscope.simulation.feeding import batches
from virtscope.simulation.fleet import Fleet
from virtscope.store import Range

STEP_MS, TICKS = 10_000, 361
END = int(time.time()) // 7_200 * 7_200_000 - 3_600_000
"""Unix ms of the newest sample: it lies in a block of Prometheus that is over."""
START = END - (TICKS - 1) * STEP_MS
OVER = Range(START, END, 60_000)
GAP = (START + 1_200_000, START + 1_800_000)
"""For ten minutes, nothing is heard of the second host."""
LATE = range(60, 90)
"""The ticks of which the store hears after everything else."""
HOSTS, DOMAINS, RESTARTS, MIGRATIONS = 3, 12, 36.0, 36.0


def told() -> list[Batch]:
    """Everything, in the order in which it is heard."""
    rates = simulated.RESTARTS_A_DAY, simulated.MIGRATIONS_A_DAY
    simulated.RESTARTS_A_DAY, simulated.MIGRATIONS_A_DAY = RESTARTS, MIGRATIONS
    try:
        fleet = Fleet(HOSTS, DOMAINS, seed=5)
        silent = fleet.hosts[1].facts.id
        made: list[Batch] = []
        late: list[Batch] = []
        for tick in range(TICKS):
            at = START + tick * STEP_MS
            for batch in batches(fleet, at, 1, tick + 1, STEP_MS / 1000, tells_all=tick == 0):
                kept = tuple(one for one in batch.samples if not (one.host == silent and GAP[0] <= at < GAP[1]))
                (late if tick in LATE else made).append(replace(batch, samples=kept))
        return [*made, *late]
    finally:
        simulated.RESTARTS_A_DAY, simulated.MIGRATIONS_A_DAY = rates


def lines(batches: Sequence[Batch]) -> Iterator[tuple[str, str, float]]:
    """Every value as ``/metrics`` has it: its series, its value, and its time in Unix s; each series in order."""
    hosts: dict[str, HostFacts] = {}
    domains: dict[str, DomainFacts] = {}
    samples: list[Sample] = []
    for batch in batches:
        hosts |= {facts.id: facts for facts in batch.hosts}
        domains |= {facts.id: facts for facts in batch.domains}
        samples += batch.samples
    found: dict[str, list[tuple[str, float]]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        here = {str(key[0]) for key in sample.rows.get(Scope.DOMAIN, ())}
        facts = tuple(replace(domains[id_], host=sample.host) for id_ in sorted(here))
        board = Board()
        link = Link("qemu:///system", LinkState.UP, 0, sample.host, interval=10)
        board.put(Batch("agent", 1, 1, sample.at, (sample,), (hosts[sample.host],), facts, links=(link,)))
        for family in exposition(board.view(sample.at)).families:
            for labels, value in family.series.items():
                found.setdefault(f"{family.name}{{{labels}}}", []).append((str(value), sample.at / 1000))
    for series, points in found.items():
        yield from ((series, value, at) for value, at in points)


def seen(batches: Sequence[Batch], scope: Scope) -> dict[tuple[str | int | None, ...], dict[int, frozenset[str]]]:
    """The witness: by object, at which times it was seen: of a domain with its host, of a host with its domains."""
    made: dict[tuple[str | int | None, ...], dict[int, frozenset[str]]] = {}
    width = len(scope.keys) - 1
    for sample in (one for batch in batches for one in batch.samples):
        domains = frozenset(str(row[0]) for row in sample.rows.get(Scope.DOMAIN, ()))
        for row in sample.rows.get(scope, ()):
            key = tuple(row[:width]) if scope.is_of_domain else (sample.host, *row[:width])
            made.setdefault(key, {})[sample.at] = frozenset({sample.host}) if scope.is_of_domain else domains
    return made


def whole_steps(at: dict[int, frozenset[str]], over: Range) -> list[int]:
    """Places of the steps in which an object was there all the time, and before: those about which all stores agree.

    A domain is on one host then, and a host has the same domains.
    """
    found = []
    for place, begin in enumerate(over.times):
        times = range(begin - STEP_MS, begin + over.step, STEP_MS)
        if all(time in at for time in times) and len({at[time] for time in times}) == 1:
            found.append(place)
    return found


def lowered(batches: Sequence[Batch]) -> int:
    """How many times a domain's CPU time began anew."""
    place = 1 + [metric.name for metric in metrics_of(Scope.DOMAIN)].index("cpu_time")
    before: dict[object, int] = {}
    count = 0
    for sample in sorted((one for batch in batches for one in batch.samples), key=lambda one: one.at):
        for row in sample.rows.get(Scope.DOMAIN, ()):
            value = row[place]
            if isinstance(value, int):
                count += value < before.get(row[0], 0)
                before[row[0]] = value
    return count
