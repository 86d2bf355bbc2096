"""The collector: watches one hypervisor and hands what it learns to a sink, batch by batch.

One thread for each URI connects, asks libvirt tick after tick, follows events, reconnects. Where the hypervisor is this
machine another one reads the kernel's counters at a pace of its own. Every call into libvirt goes through a lane with a
deadline, so that a hypervisor that hangs makes its own host late and nothing else. Runs never stack: the next tick
waits for the last one's answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from virtscope import __version__
from virtscope.agent import libvirt_lane
from virtscope.agent.backoff import Backoff
from virtscope.agent.batches import Batches, Sink
from virtscope.agent.guest_lane import GuestLane
from virtscope.agent.hypervisor import BALLOON, GUEST_AGENT, Hypervisor, HypervisorEvent
from virtscope.agent.inventory import Inventory, News
from virtscope.agent.kernel_thread import KernelThread
from virtscope.agent.lane import Lane, close_after
from virtscope.agent.libvirt_lane import LibvirtLane, Reading
from virtscope.agent.pace import Pace
from virtscope.agent.session import Session
from virtscope.agent.settings import Write
from virtscope.agent.slices import Slices
from virtscope.agent.slow_lane import SlowLane, SlowReading
from virtscope.agent.uri import ConnectionUri
from virtscope.catalogue import Scope
from virtscope.errors import HypervisorError, Late
from virtscope.pulse import Pulse
from virtscope.sample import (
    DomainFacts,
    Event,
    GuestFacts,
    HostFacts,
    Link,
    LinkState,
    Other,
    Row,
    Sample,
    now_ms,
)

log = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
"""How long a connection may take: ssh to a slow host is slow."""
ANSWER_SECONDS = 5.0
"""How long libvirt itself may take to answer before its host counts as down; a longer interval allows as long."""
GIVE_UP_SECONDS = 30.0
"""After how long without an answer the connection is left to itself and a new one is tried."""
RESYNC_SECONDS = 300.0
"""Every so often all XML is read again: some changes (a link set down, a disk resized) raise no event."""
EXTRA_TICK_SECONDS = 1.0
"""An event brings an extra tick, but never two within this time."""
LONGEST_BACKOFF_SECONDS = 30.0
ROUND_SECONDS = 120.0
"""How long one round of a collector may take, pauses apart, before the collector is given up as hung."""


class Collector:
    """Watches one URI until it is told to stop."""

    def __init__(
        self,
        uri: ConnectionUri,
        sink: Sink,
        pace: Pace,
        allowed: frozenset[Write] = frozenset(),
        pulse: Pulse | None = None,
    ) -> None:
        self._uri = uri
        self._pulse = pulse or Pulse()
        self._allowed = allowed
        self._pace = pace
        self._batches = Batches(uri, sink)
        self._inventory = Inventory("")
        self._errors = 0
        self._link = Link(uri.text, LinkState.CONNECTING, since=self._batches.epoch, interval=pace.interval)
        self._events: SimpleQueue[HypervisorEvent] = SimpleQueue()
        self._listens_to: list[Hypervisor] = []
        self._sick: frozenset[str] = frozenset()
        self._complained: frozenset[str] = frozenset()
        self._told_start = False
        self._wake = threading.Event()
        self._stopped = False
        self._forgotten = False

    def stop(self) -> None:
        """Make ``run`` return soon, from any thread."""
        self._stopped = True
        self._wake.set()

    def resend(self) -> None:
        """Tell everything anew at the next tick, from any thread: whoever listens has forgotten what exists."""
        self._forgotten = True
        self._wake.set()

    def run(self) -> None:
        """Watch until stopped. A hypervisor that cannot be reached is a state, never an exception."""
        self._promise()
        try:
            self._run()
        finally:
            self._pulse.forget(self._uri.text)

    def _promise(self, pause: float = 0.0) -> None:
        """Every call of libvirt has a deadline, so that this thread comes round, however sick the host is."""
        self._pulse.expect(self._uri.text, pause + max(ROUND_SECONDS, 2 * self._pace.interval))

    def _run(self) -> None:
        self._batches.send(links=(self._link,))
        backoff = Backoff(LONGEST_BACKOFF_SECONDS)
        while not self._stopped:
            try:
                session = self._connect()
            except HypervisorError as error:
                self._mark(LinkState.DOWN, _sentence(error))
                self._pause(backoff.pause())
                continue
            backoff.reset()
            try:
                self._watch(session)
            except HypervisorError as error:
                self._mark(LinkState.DOWN, _sentence(error))
            except Exception as error:
                # Whatever a hypervisor makes us stumble over, its host is down and the next connection tries anew.
                log.exception("%s: the reading failed", self._uri.text)
                self._mark(LinkState.DOWN, f"BUG: the reading failed: {error!r}. Please report it.")
                self._forgotten = True  # what it had found was not told, perhaps
                self._pause(LONGEST_BACKOFF_SECONDS)
            finally:
                session.close()
        if self._link.host:
            self._batches.send(events=(Event(now_ms(), self._link.host, None, "agent down", "told to stop"),))

    def _connect(self) -> Session:
        lane = Lane(f"libvirt {self._uri.text}")
        made: list[Hypervisor] = []
        self._listens_to = made

        def heard(event: HypervisorEvent) -> None:
            if self._listens_to is made:  # else a connection that is given up on and not closed yet
                self._heard(event)

        def connect() -> Hypervisor:
            made.append(Hypervisor(self._uri, heard))
            return made[0]

        try:
            hypervisor = lane.call(connect, CONNECT_SECONDS)
            host = lane.call(hypervisor.facts, CONNECT_SECONDS)
        except HypervisorError:
            # One that is too late may still come: it is closed then.
            close_after([lane], lambda: made[0].close() if made else None)
            raise
        if host.id != self._inventory.host:
            self._inventory = Inventory(host.id)
        self._link = replace(self._link, host=host.id)
        started = () if self._told_start else (Event(now_ms(), host.id, None, "agent up", f"virtscope {__version__}"),)
        self._told_start = True
        self._batches.send(hosts=(host,), events=started)
        slices = Slices(self._connect_again)
        return Session(
            hypervisor,
            lane,
            host,
            slices,
            LibvirtLane(hypervisor, lane, slices, host),
            SlowLane(f"libvirt slow {self._uri.text}"),
            self._kernel(host) if self._may_be_this_machine() else None,
            GuestLane(self._uri, host.id, self._allowed) if self._allowed else None,
        )

    def _connect_again(self) -> Hypervisor:
        """Another connection to the same hypervisor, without events."""
        lane = Lane(f"libvirt connect {self._uri.text}")
        try:
            return lane.call(lambda: Hypervisor(self._uri), ANSWER_SECONDS)
        finally:
            lane.close()

    def _may_be_this_machine(self) -> bool:
        """Whether the kernel lane is worth a try. Whether the domains' processes are here shows only then."""
        return self._pace.kernel_lane and self._uri.driver == "qemu" and not self._uri.host

    def _kernel(self, host: HostFacts) -> KernelThread:
        return KernelThread(host, self._pace.interval, self._send_sample, self._wake.set)

    def _send_sample(self, sample: Sample) -> None:
        self._batches.send(samples=(sample,))

    def _watch(self, session: Session) -> None:
        """Tick until stopped, or until the connection is of no use any more (then raise why)."""
        answered = due = time.monotonic()
        answers = 0
        resynced = due - RESYNC_SECONDS - 1  # whatever changed while there was no connection
        slow = due - self._pace.slow - 1
        while not self._stopped:
            self._promise()
            started = time.monotonic()
            resync, is_slow = started - resynced > RESYNC_SECONDS, started - slow > self._pace.slow
            try:
                self._tick(session, resync=resync, slow=is_slow)
                answered = time.monotonic()
                answers += 1
                resynced = started if resync else resynced
                slow = started if is_slow else slow
                self._mark(LinkState.UP, None)
            except HypervisorError as error:
                self._errors += 1
                if session.kernel is not None:
                    session.kernel.pause()
                self._mark(LinkState.DOWN, _sentence(error))
                if time.monotonic() - answered > GIVE_UP_SECONDS or not (
                    isinstance(error, Late) or session.hypervisor.alive
                ):
                    raise
            due = max(due + self._interval(session, answers), time.monotonic())
            self._wait_until(due, not_before=started + EXTRA_TICK_SECONDS)

    def _interval(self, session: Session, answers: int) -> float:
        """Seconds until libvirt is asked again: soon at first, because rates need two answers, and while it is down."""
        is_beside = session.kernel is not None and session.kernel.is_running
        return self._pace.libvirt if is_beside and answers > 1 else self._pace.interval

    def _tick(self, session: Session, *, resync: bool, slow: bool) -> None:
        """Ask libvirt for everything once, and send what it says."""
        if self._forgotten:
            self._forgotten = False
            self._inventory = Inventory(session.host.id)
            self._batches.send(hosts=(session.host,), links=(self._link,))
        deadline = max(ANSWER_SECONDS, self._pace.interval)
        beside = session.kernel is not None and session.kernel.is_running
        reading = session.libvirt.read(deadline, beside_kernel=beside, slow=slow)
        # Only now, when there is an answer to send them with: events outlive a reading that fails.
        heard = self._drain()
        # A balloon moves all the time on some hosts: that is a figure, and not a change of the configuration.
        changed = {event.domain for event in heard if event.kind != BALLOON}
        try:
            news = self._refresh(session, reading, changed, resync=resync)
        except HypervisorError:
            for event in heard:
                self._events.put(event)  # they outlive that, too, and the next reading describes what they are about
            raise
        own = libvirt_lane.own_figures(reading, self._errors)
        whole = libvirt_lane.sample(reading, session.host, self._inventory.domains, own)
        if session.kernel is not None:
            session.kernel.follow(libvirt_lane.watched(whole, reading, self._inventory.domains), own)
        sample = libvirt_lane.beside_kernel(whole) if beside else whole
        agents = any(event.kind == GUEST_AGENT for event in heard)
        late = self._slow(session, reading, slow=slow, agents=agents)
        sample = libvirt_lane.with_rows(sample, late.rows)
        others = self._inventory.update_others(late.others)
        told = tuple(Event(event.at, session.host.id, event.domain, event.kind, event.detail) for event in heard)
        self._batches.send(
            samples=(sample,),
            domains=news.domains,
            others=others.others,
            gone=news.gone + others.gone,
            events=told + self._answering(session.host.id, reading) + news.events + others.events,
            whole=others.whole,
        )

    def _answering(self, host: str, reading: Reading) -> tuple[Event, ...]:
        """Which domains answer no more, and which do again."""
        before, self._sick = self._sick, reading.answer.sick
        silent = [(domain, "does not answer") for domain in self._sick - before]
        back = [(domain, "answers again") for domain in (before - self._sick) & reading.active]
        return tuple(Event(reading.at, host, domain, kind) for domain, kind in silent + back)

    def _refresh(self, session: Session, reading: Reading, changed: set[str], *, resync: bool) -> News:
        """Read again the XML of the domains whose description may have changed."""
        domains = self._inventory.stale(reading.fields, changed, all_of_them=resync)
        host = session.host.id

        def describe() -> list[DomainFacts]:
            return [found for domain in domains if (found := session.hypervisor.describe(domain, host)) is not None]

        described = session.lane.call(describe, max(GIVE_UP_SECONDS, self._pace.interval)) if domains else []
        return self._inventory.update_domains(described, {domain for domain, _ in reading.fields})

    def _slow(self, session: Session, reading: Reading, *, slow: bool, agents: bool) -> SlowReading:
        """What the last rounds of the slow lanes have brought; and begin others when it is time."""
        rows: dict[Scope, Sequence[Row]] = {}
        others: dict[type[Other], Sequence[Other]] = {}
        try:
            if (brought := session.slow.result()) is not None:
                rows |= brought.rows
                others |= brought.others
                self._complain(brought.problems)
            if session.guests is not None and (told := session.guests.result()) is not None:
                rows[Scope.FILESYSTEM] = told.filesystems
                others[GuestFacts] = told.guests
        except HypervisorError as error:
            self._errors += 1
            log.warning("%s: %s", self._uri.text, error)
        may_be_asked = reading.active - reading.answer.sick
        if session.guests is not None and (slow or agents):
            session.guests.start(may_be_asked)
        if slow:
            session.slow.start(session.hypervisor, session.host.id, may_be_asked, self._inventory.domains)
        else:
            session.slow.follow_jobs(session.hypervisor, self._inventory.domains)
        return SlowReading(rows, others)

    def _complain(self, problems: Sequence[HypervisorError]) -> None:
        """Say what a host does not tell, once for as long as that is so."""
        self._errors += len(problems)
        reasons = frozenset(map(str, problems))
        for reason in sorted(reasons - self._complained):
            log.warning("%s: %s", self._uri.text, reason)
        self._complained = reasons

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
        seconds = max(0.0, due - time.monotonic())
        self._promise(seconds)
        self._wake.wait(seconds)
        if self._wake.is_set() and not self._stopped:
            self._wake.clear()
            self._pause(max(0.0, min(not_before, due) - time.monotonic()))

    def _pause(self, seconds: float) -> None:
        """Wait unless stopped: events only wait their turn meanwhile."""
        self._promise(seconds)
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
        if state is not self._link.state:
            told = f"{self._uri.text} is {state.value}{f': {reason}' if reason else ''}"
            log.log(logging.INFO if state is LinkState.UP else logging.WARNING, "%s", told)
        if state is not self._link.state and self._link.host:
            events = (Event(since, self._link.host, None, f"host {state.value}", reason or ""),)
        self._link = replace(self._link, state=state, since=since, reason=reason)
        self._batches.send(links=(self._link,), events=events)


def _sentence(error: HypervisorError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)
