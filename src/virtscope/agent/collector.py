"""The collector: watches one hypervisor and hands what it learns to a sink, batch by batch.

One thread for each URI: connect, sample every tick, follow events, reconnect. Every call into libvirt goes through a
lane with a deadline, so that a hypervisor that hangs makes its own host late and nothing else. Runs never stack: the
next tick waits for the last one's answer.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Protocol

from virtscope.agent import domain_xml, domstats, libvirt_lane
from virtscope.agent.hypervisor import DomainDescription, Hypervisor, HypervisorEvent
from virtscope.agent.lane import Lane
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import HypervisorError, Late
from virtscope.sample import Batch, DomainFacts, Event, Gone, HostFacts, Link, LinkState, Sample, now_ms

log = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
"""How long a connection may take: ssh to a slow host is slow."""
ANSWER_SECONDS = 5.0
"""How long one reading may take before its host counts as not answering; a longer interval allows as long as itself."""
GIVE_UP_SECONDS = 30.0
"""After how long without an answer the connection is left to itself and a new one is tried."""
RESYNC_SECONDS = 300.0
"""Every so often all XML is read again: some changes (a link set down, a disk resized) raise no event."""
EXTRA_TICK_SECONDS = 1.0
"""An event brings an extra tick, but never two within this time."""
LONGEST_BACKOFF_SECONDS = 30.0


class Sink(Protocol):
    """Where batches go."""

    def put(self, batch: Batch) -> None:
        """Take over one batch. Must not block for long: the next tick waits for it."""


@dataclass(frozen=True, slots=True)
class _Session:
    """One open connection, the lane its calls go through, and whose it is."""

    hypervisor: Hypervisor
    lane: Lane
    host: HostFacts


class Collector:
    """Watches one URI until it is told to stop."""

    def __init__(self, uri: ConnectionUri, sink: Sink, interval: float) -> None:
        self._uri = uri
        self._sink = sink
        self._interval = interval
        self._deadline = max(ANSWER_SECONDS, interval)
        self._epoch = now_ms()
        self._sequence = 0
        self._facts: dict[str, DomainFacts] = {}
        self._link = Link(uri.text, LinkState.CONNECTING, since=self._epoch, interval=interval)
        self._events: SimpleQueue[HypervisorEvent] = SimpleQueue()
        self._wake = threading.Event()
        self._stopped = False

    def stop(self) -> None:
        """Make ``run`` return soon, from any thread."""
        self._stopped = True
        self._wake.set()

    def run(self) -> None:
        """Watch until stopped. A hypervisor that cannot be reached is a state, never an exception."""
        self._send(links=(self._link,))
        backoff = 1.0
        while not self._stopped:
            try:
                session = self._connect()
            except HypervisorError as error:
                self._mark(LinkState.DOWN, _sentence(error))
                self._pause(backoff * random.uniform(0.8, 1.2))
                backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
                continue
            backoff = 1.0
            try:
                self._watch(session)
            except HypervisorError as error:
                self._mark(LinkState.DOWN, _sentence(error))
            except Exception as error:
                # Whatever a hypervisor makes us stumble over, its host is down and the next connection tries anew.
                log.exception("%s: the reading failed", self._uri.text)
                self._mark(LinkState.DOWN, f"BUG: the reading failed: {error!r}. Please report it.")
                self._pause(LONGEST_BACKOFF_SECONDS)
            finally:
                _abandon(session)

    def _connect(self) -> _Session:
        lane = Lane(f"libvirt {self._uri.text}")
        try:
            hypervisor = lane.call(lambda: Hypervisor(self._uri, self._heard), CONNECT_SECONDS)
            host = lane.call(hypervisor.facts, CONNECT_SECONDS)
        except HypervisorError:
            lane.close()
            raise
        if host.id != self._link.host:
            self._facts = {}
        self._link = replace(self._link, host=host.id)
        self._send(hosts=(host,))
        return _Session(hypervisor, lane, host)

    def _watch(self, session: _Session) -> None:
        """Tick until stopped, or until the connection is of no use any more (then raise why)."""
        answered = due = time.monotonic()
        resynced = due - RESYNC_SECONDS - 1  # whatever changed while there was no connection
        while not self._stopped:
            started = time.monotonic()
            try:
                self._tick(session, resync=started - resynced > RESYNC_SECONDS)
                answered = time.monotonic()
                if started - resynced > RESYNC_SECONDS:
                    resynced = started
                self._mark(LinkState.UP, None)
            except HypervisorError as error:
                self._mark(LinkState.DOWN, _sentence(error))
                if time.monotonic() - answered > GIVE_UP_SECONDS or not (
                    isinstance(error, Late) or session.hypervisor.alive
                ):
                    raise
            due = max(due + self._interval, time.monotonic())
            self._wait_until(due, not_before=started + EXTRA_TICK_SECONDS)

    def _tick(self, session: _Session, *, resync: bool) -> None:
        """Read everything once and send it."""
        reading = session.lane.call(lambda: libvirt_lane.read(session.hypervisor), self._deadline)
        # Only now, when there is an answer to send them with: events outlive a reading that fails.
        heard = self._drain()
        changed = {event.domain for event in heard}
        stale = [
            domain
            for domain, record in reading.domains
            if resync or domain in changed or self._lacks(domain, domstats.interface_names(record))
        ]
        news = self._refresh(session, stale)
        present = {domain for domain, _ in reading.domains}
        gone = tuple(Gone(session.host.id, domain) for domain in self._facts if domain not in present)
        for absent in gone:
            del self._facts[absent.domain]
        self._send(
            samples=(libvirt_lane.sample(reading, session.host, self._facts),),
            domains=news,
            gone=gone,
            events=tuple(Event(event.at, session.host.id, event.domain, event.kind, event.detail) for event in heard),
        )

    def _lacks(self, domain: str, interfaces: set[str]) -> bool:
        """Whether the facts kept of a domain do not cover what its statistics name."""
        facts = self._facts.get(domain)
        return facts is None or (facts.problem is None and not interfaces <= {nic.target for nic in facts.nics})

    def _refresh(self, session: _Session, domains: list[str]) -> tuple[DomainFacts, ...]:
        """Read the XML of these domains again; the facts that are new."""
        if not domains:
            return ()

        def describe() -> list[DomainDescription]:
            return [found for domain in domains if (found := session.hypervisor.describe(domain)) is not None]

        news = []
        for found in session.lane.call(describe, self._deadline):
            facts = domain_xml.facts(found.id, found.name, session.host.id, found.persistent, found.xml)
            if facts != self._facts.get(found.id):
                self._facts[found.id] = facts
                news.append(facts)
        return tuple(news)

    def _heard(self, event: HypervisorEvent) -> None:
        """Called in libvirt's event thread."""
        self._events.put(event)
        self._wake.set()

    def _drain(self) -> list[HypervisorEvent]:
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def _wait_until(self, due: float, not_before: float) -> None:
        """Wait for the next tick, or for an event to bring it forward."""
        self._wake.wait(max(0.0, due - time.monotonic()))
        if self._wake.is_set() and not self._stopped:
            self._wake.clear()
            self._pause(max(0.0, min(not_before, due) - time.monotonic()))

    def _pause(self, seconds: float) -> None:
        """Wait unless stopped: events only wait their turn meanwhile."""
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            if not self._stopped:
                self._wake.clear()

    def _mark(self, state: LinkState, reason: str | None) -> None:
        """Tell a change of the connection's state, once."""
        if (state, reason) == (self._link.state, self._link.reason):
            return
        since = self._link.since if state is self._link.state else now_ms()
        events: tuple[Event, ...] = ()
        if state is not self._link.state and self._link.host:
            log.log(logging.INFO if state is LinkState.UP else logging.WARNING, "%s is %s", self._uri.text, state.value)
            events = (Event(since, self._link.host, None, f"host {state.value}", reason or ""),)
        self._link = replace(self._link, state=state, since=since, reason=reason)
        self._send(links=(self._link,), events=events)

    def _send(
        self,
        *,
        samples: tuple[Sample, ...] = (),
        hosts: tuple[HostFacts, ...] = (),
        domains: tuple[DomainFacts, ...] = (),
        gone: tuple[Gone, ...] = (),
        events: tuple[Event, ...] = (),
        links: tuple[Link, ...] = (),
    ) -> None:
        self._sequence += 1
        self._sink.put(
            Batch(self._uri.text, self._epoch, self._sequence, now_ms(), samples, hosts, domains, gone, events, links)
        )


def _abandon(session: _Session) -> None:
    """Close a connection without waiting: closing one that hangs may hang too."""
    threading.Thread(target=session.hypervisor.close, name="libvirt close", daemon=True).start()
    session.lane.close()


def _sentence(error: HypervisorError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)


def watch(uris: list[ConnectionUri], sink: Sink, interval: float) -> Callable[[], None]:
    """Start a collector for each URI, each in its own thread; the answer stops them all and waits for them."""
    collectors = [Collector(uri, sink, interval) for uri in uris]
    threads = [
        threading.Thread(target=collector.run, name=f"collector {uri.text}", daemon=True)
        for uri, collector in zip(uris, collectors, strict=True)
    ]
    for thread in threads:
        thread.start()

    def stop() -> None:
        for collector in collectors:
            collector.stop()
        for thread in threads:
            thread.join(timeout=5)

    return stop
