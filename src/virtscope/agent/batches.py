"""The batches of one collector: numbered, so that storing one twice is storing it once."""

from __future__ import annotations

import threading
from typing import Protocol

from virtscope.agent.uri import ConnectionUri
from virtscope.sample import Batch, DomainFacts, Event, Gone, HostFacts, Link, Other, Sample, Whole, now_ms


class Sink(Protocol):
    """Where batches go."""

    def put(self, batch: Batch) -> None:
        """Take over one batch. Must not block for long: the next tick waits for it."""


class Batches:
    """Hands batches to a sink, one after another, from any thread."""

    def __init__(self, uri: ConnectionUri, sink: Sink) -> None:
        """Begin a new epoch."""
        self._uri = uri
        self._sink = sink
        self.epoch = now_ms()
        """When it began, Unix ms."""
        self._sequence = 0
        self._sending = threading.Lock()

    def send(
        self,
        *,
        samples: tuple[Sample, ...] = (),
        hosts: tuple[HostFacts, ...] = (),
        domains: tuple[DomainFacts, ...] = (),
        others: tuple[Other, ...] = (),
        gone: tuple[Gone, ...] = (),
        events: tuple[Event, ...] = (),
        links: tuple[Link, ...] = (),
        whole: tuple[Whole, ...] = (),
    ) -> None:
        """Hand over one batch with all of this."""
        with self._sending:
            self._sequence += 1
            self._sink.put(
                Batch(
                    self._uri.text,
                    self.epoch,
                    self._sequence,
                    now_ms(),
                    samples,
                    hosts,
                    domains,
                    others,
                    gone,
                    events,
                    links,
                    whole=whole,
                )
            )
