"""Hypervisors asked directly, without any server: two samples of each, then figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from virtscope.agent import following
from virtscope.agent.pace import Pace
from virtscope.agent.uri import ConnectionUri
from virtscope.catalogue import Scope
from virtscope.cli.source import Curves, Happened, Item, Kind, matcher
from virtscope.errors import BadInput, Unreachable
from virtscope.rates import Interval
from virtscope.sample import Batch, Event, LinkState, Sample
from virtscope.server.fleet import Fleet
from virtscope.server.present import Present
from virtscope.store import Known, Latest

PATIENCE_SECONDS = 30.0
"""How long hosts may take to give two samples."""


class Direct:
    """A fleet of a moment, watched for as long as two samples take, or on and on."""

    def __init__(self, uris: Sequence[ConnectionUri], interval: float) -> None:
        """Begin to watch."""
        self._fleet = Fleet([uri.text for uri in uris], Known(), {})
        self._present = Present(self, self._fleet)
        self._samples: dict[str, list[Sample]] = {}
        self._count = len(uris)
        self._settled: dict[str, bool] = {}
        self._happened: list[Event] = []
        self._commits = 0
        self._changed = threading.Condition()
        self._uris = uris
        self._stop = self._watch(interval)

    def put(self, batch: Batch) -> None:
        """Take in a batch of a collector."""
        with self._changed:
            self._commits += 1
            self._fleet.apply([batch])
            for sample in batch.samples:
                self._samples[sample.host] = [*self._samples.get(sample.host, [])[-1:], sample]
                if len(self._samples[sample.host]) == 2:
                    self._settled[batch.agent] = True
            self._happened.extend(batch.events)
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

    def pace(self, interval: float) -> None:
        """Sample every so many seconds from now on, over new connections."""
        self._stop()
        self._stop = self._watch(interval)

    def _watch(self, interval: float) -> Callable[[], None]:
        return following.watch(self._uris, self, Pace(interval, interval, kernel_lane=False))

    def latest(self, scope: Scope) -> list[Latest]:
        """Every object of the newest samples, with its figures since the ones before."""
        return [latest for samples in list(self._samples.values()) for latest in _latest(samples, scope)]

    def items(self, kind: Kind) -> list[Item]:
        """Everything of a kind."""
        now = self._present.now()
        ask: dict[Kind, Callable[[], Sequence[object]]] = {
            "hosts": now.hosts,
            "domains": now.domains,
            "disks": now.disks,
            "nics": now.nics,
            "filters": now.filters,
            "networks": now.networks,
            "pools": now.pools,
        }
        found: list[Item] = msgspec.to_builtins(ask[kind]())
        return found

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""
        found: Item = msgspec.to_builtins(self._present.now().host(name))
        return found

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""
        found: Item = msgspec.to_builtins(self._present.now().domain(name))
        return found

    def filter(self, name: str, host: str) -> Item:
        """One network filter by name or UUID, of a host where that is given; NotFound or Ambiguous otherwise."""
        of_host = self._fleet.host(host).id if host else None
        found: Item = msgspec.to_builtins(self._present.now().filter(name, of_host, ()))
        return found

    def guards(self, domain: str) -> Item:
        """The network filter of each interface of a domain."""
        found: Item = msgspec.to_builtins(self._present.now().guards(domain))
        return found

    def history(self, domain: str) -> list[Item]:  # noqa: ARG002  # as the protocol has it
        """There is none: only a server remembers."""
        raise _no_history()

    def events(self, which: Happened) -> list[Item]:  # noqa: ARG002
        """There are none: only a server remembers."""
        raise _no_history()

    def alerts(self) -> Item:
        """There are none: only a server asks rules."""
        raise BadInput(
            "a hypervisor that is asked directly has no alerts: only a server asks rules",
            "Start one with 'virtscope up', then leave --connect out.",
        )

    def curves(self, domain: str, quantities: Sequence[str], seconds: float) -> Curves:  # noqa: ARG002  # as the protocol has it
        """There are none: only a server remembers."""
        raise _no_history()

    def follow(self, which: Happened) -> Iterator[Item]:
        """What happens from now on, as it happens, without end."""
        wanted = matcher(self, which)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._happened)
                happened, self._happened = self._happened, []
            for event in self._present.now().events(happened):
                item: Item = msgspec.to_builtins(event)
                if wanted(item):
                    yield item


def _no_history() -> BadInput:
    return BadInput(
        "a hypervisor that is asked directly has no history",
        "Only a server keeps it: 'virtscope up', then leave --connect out.",
    )


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
