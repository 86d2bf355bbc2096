"""The simulated fleet takes the collectors' place: its batches go the way of theirs, through ingest into the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from virtscope.agent.batches import Sink
from virtscope.agent.following import Following, Told
from virtscope.agent.settings import Watching
from virtscope.pulse import Pulse
from virtscope.sample import Batch, Gone, Link, LinkState, now_ms
from virtscope.simulation.fleet import Fleet


class Feeding:
    """Feeds a fleet of so many hosts and domains; call it as ``following.follow`` is called."""

    def __init__(self, hosts: int, domains: int, seed: int = 1) -> None:
        self._fleet = Fleet(hosts, domains, seed)
        self._ended = threading.Event()
        self._anew = threading.Event()

    def __call__(
        self,
        watching: Watching,
        sink: Sink,
        told: Told | None = None,
        pulse: Pulse | None = None,  # noqa: ARG002  # nothing here can hang
    ) -> Following:
        """Begin, in a thread of its own."""
        for host in self._fleet.hosts:
            if told is not None:
                told.watch(host.facts.uri)
        thread = threading.Thread(target=self._run, args=(sink, watching.pace.interval), name="simulation", daemon=True)
        thread.start()

        def stop() -> None:
            self._ended.set()
            thread.join()

        return Following(stop, self._anew.set)

    def _run(self, sink: Sink, interval: float) -> None:
        epoch, sequence = now_ms(), 0
        self._anew.set()
        due = epoch
        while not self._ended.wait(max(0, due - now_ms()) / 1000):
            sequence += 1
            tells_all = self._anew.is_set()
            self._anew.clear()
            for batch in batches(self._fleet, due, epoch, sequence, interval, tells_all=tells_all):
                sink.put(batch)
            due += int(interval * 1000)


def batches(  # what names a batch
    fleet: Fleet, at: int, epoch: int, sequence: int, interval: float, *, tells_all: bool
) -> Iterator[Batch]:
    """One tick of a fleet, a batch for each host; with everything that there is where ``tells_all``."""
    for host, told in zip(fleet.hosts, fleet.tick(at), strict=True):
        link = Link(host.facts.uri, LinkState.UP, epoch, host.facts.id, None, interval)
        yield Batch(
            host.facts.uri,
            epoch,
            sequence,
            at,
            (told.sample,),
            (host.facts,) if tells_all else (),
            tuple(one.facts for one in host.domains) if tells_all else told.domains,
            gone=tuple(Gone(host.facts.id, "domain", id_) for id_ in told.gone),
            events=told.events,
            links=(link,) if tells_all else (),
        )
