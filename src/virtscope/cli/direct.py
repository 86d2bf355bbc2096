"""Hypervisors asked directly, without any server: two samples of each, then figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import msgspec

from virtscope.agent import collector
from virtscope.agent.uri import ConnectionUri
from virtscope.catalogue import Scope
from virtscope.cli.source import Item
from virtscope.errors import Unreachable
from virtscope.rates import Interval
from virtscope.sample import Batch, LinkState, Sample
from virtscope.server.fleet import Fleet
from virtscope.server.present import Present
from virtscope.store import Known, Latest

PATIENCE_SECONDS = 30.0
"""How long hosts may take to give two samples."""


class Direct:
    """A fleet of a moment, watched for as long as two samples take, or on and on."""

    def __init__(self, uris: Sequence[ConnectionUri], interval: float) -> None:
        """Begin to watch."""
        self._fleet = Fleet([uri.text for uri in uris], Known((), (), ()), {})
        self._present = Present(self, self._fleet)
        self._samples: dict[str, list[Sample]] = {}
        self._count = len(uris)
        self._settled: dict[str, bool] = {}
        self._commits = 0
        self._changed = threading.Condition()
        self._stop = collector.watch(list(uris), self, interval)

    def put(self, batch: Batch) -> None:
        """Take in a batch of a collector."""
        with self._changed:
            self._commits += 1
            self._fleet.apply([batch])
            for sample in batch.samples:
                self._samples[sample.host] = [*self._samples.get(sample.host, [])[-1:], sample]
                if len(self._samples[sample.host]) == 2:
                    self._settled[batch.agent] = True
            for link in batch.links:
                if link.state is LinkState.DOWN:
                    self._settled[batch.agent] = False
            self._present.committed(self._commits, batch.at)
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until every host has two samples or is known to be down.

        Raises:
            Unreachable: no host has.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            self._changed.wait_for(lambda: len(self._settled) == self._count, until - time.monotonic())
            if not any(self._settled.values()):
                reasons = [host.link.reason or f"{host.uri}: no answer yet" for host in self._fleet.hosts()]
                raise Unreachable("\n".join(reasons), "'virtscope doctor' looks closer.")

    def close(self) -> None:
        """End watching."""
        self._stop()

    def latest(self, scope: Scope) -> list[Latest]:
        """Every object of the newest samples, with its figures since the ones before."""
        return [latest for samples in list(self._samples.values()) for latest in _latest(samples, scope)]

    def hosts(self) -> list[Item]:
        """Every host."""
        return _items(self._present.hosts())

    def domains(self) -> list[Item]:
        """Every domain."""
        return _items(self._present.domains())

    def disks(self) -> list[Item]:
        """Every disk of every domain."""
        return _items(self._present.disks())

    def nics(self) -> list[Item]:
        """Every network interface of every domain."""
        return _items(self._present.nics())

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""
        found: Item = msgspec.to_builtins(self._present.host(name))
        return found

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""
        found: Item = msgspec.to_builtins(self._present.domain(name))
        return found


def _latest(samples: Sequence[Sample], scope: Scope) -> list[Latest]:
    interval = Interval(samples[0], samples[-1])
    return [
        Latest(
            object={name: part for name, part in figures.key.items() if part is not None},
            at=samples[-1].at,
            seconds=interval.seconds if len(samples) == 2 else None,
            values=figures.values,
            states=figures.states,
        )
        for figures in interval.figures(scope)
    ]


def _items(answers: Sequence[object]) -> list[Item]:
    found: list[Item] = msgspec.to_builtins(answers)
    return found
