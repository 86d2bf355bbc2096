"""Statistics asked for in slices, so that an emulator that hangs costs itself and nobody else.

A bulk call asks one domain after another, and the first one whose emulator hangs holds it for as long as that lasts,
whatever flags it is given. Therefore the domains are dealt out to a few calls at the same time, each with a deadline.
A connection with a call that is late is put aside until the call returns, and what it was about is asked for again over
a new one: there libvirt, which knows by now that somebody waits for the domain that hangs, answers at once and leaves
out what it cannot tell of it. That domain is *sick*: it is in no slice any more, and is asked by itself, one call at a
time, until it answers.

A libvirtd has some twenty workers for all its clients. So when a few calls of ours are stuck in it, nothing is asked
any more but what cannot hang.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from virtscope import codes
from virtscope.agent.hypervisor import DomainRecord, Hypervisor
from virtscope.agent.lane import Call, Lane, close_after
from virtscope.catalogue import Group
from virtscope.errors import Late

SLICES = 4
"""Calls at the same time: libvirtd serves five of one connection at once."""
DEADLINE_SECONDS = 2.0
"""How long a slice may take, at least."""
SLOWNESS = 8
"""A slice may take so many times what slices took lately: a busy host is slow, not sick."""
RETRIES = 3
"""How many more domains of the late slices may turn out to hang in one reading."""
BUSY_TRIES, BUSY_SECONDS = 5, 0.1
"""How often, and how soon, a domain is asked again whose lock somebody else has."""
MOST_STUCK = 9
"""Calls that have not returned: with so many, nobody is asked any more by a call that can hang."""

NEEDS_EMULATOR = "balloon.rss"
"""A field that every active domain's answer has, unless libvirt could not take the domain's lock."""

Fields: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one reading has brought."""

    domains: Sequence[DomainRecord]
    """Every domain of the host, with what libvirt knows without asking an emulator."""
    fields: Mapping[str, Fields]
    """The rest, by domain; a sick one has none."""
    sick: frozenset[str]
    """Domains that do not answer."""
    stuck: int
    """Calls that have not returned."""


@dataclass(slots=True)
class _Question:
    """A call about some domains, on its way."""

    domains: Sequence[str]
    call: Call[Mapping[str, Fields]]
    began: float

    def answer(self, deadline: float) -> Mapping[str, Fields]:
        return self.call.result(max(0.0, self.began + deadline - time.monotonic()))


@dataclass(slots=True)
class _Connection:
    hypervisor: Hypervisor
    overview: Lane
    """Asks for what cannot hang, unless libvirtd itself does: then one call waits, and none is put behind it."""
    lanes: list[Lane] = field(default_factory=list)
    stuck: list[_Question] = field(default_factory=list)
    domains: Mapping[str, DomainRecord] = field(default_factory=dict)

    def look(self, groups: Iterable[Group], deadline: float) -> None:
        """Learn which domains there are; ``groups`` are such that no emulator is asked."""
        found = self.overview.call(lambda: self.hypervisor.domains(groups), deadline)
        self.domains = {domain.id: domain for domain in found}

    def ask(self, domains: Sequence[str], groups: Iterable[Group]) -> _Question:
        """Begin to ask for statistics of these domains."""
        records = [self.domains[domain] for domain in domains]

        def call() -> Mapping[str, Fields]:
            return {found.id: found.fields for found in self.hypervisor.statistics(records, groups)}

        return _Question(domains, self._lane().start(call), time.monotonic())

    def close(self) -> None:
        """When no call is under way any more; does not wait for that."""
        close_after([self.overview, *self.lanes], self.hypervisor.close)

    def _lane(self) -> Lane:
        for lane in self.lanes:
            if not lane.is_busy:
                return lane
        self.lanes.append(Lane("libvirt slice"))
        return self.lanes[-1]


class Slices:
    """Reads the statistics of a host's domains over connections of its own."""

    def __init__(self, connect: Callable[[], Hypervisor]) -> None:
        """Take a way to open a connection, which raises HypervisorError where there is none to be had in time."""
        self._connect = connect
        self._open: _Connection | None = None
        self._aside: list[_Connection] = []
        self._sick: set[str] = set()
        self._busy: set[str] = set()
        """Those whose lock somebody has: another client for a moment, or a call that hangs."""
        self._pause = threading.Event()
        self._usual = 0.0

    def read(self, free: Iterable[Group], costly: Iterable[Group], deadline: float) -> Answer:
        """One reading: every domain with its ``free`` groups, and the ``costly`` ones of all that answer.

        Raises:
            HypervisorError: libvirt itself does not answer within ``deadline`` seconds, or refuses.
        """
        self._tidy()
        connection = self._connection()
        connection.look(free, deadline)
        domains = list(connection.domains.values())
        active = {record.id for record in domains if record.fields.get("state.state") in codes.ACTIVE_STATES}
        self._sick &= active
        fields: dict[str, Fields] = {}
        late = self._ask_all([record.id for record in domains if record.id not in self._sick], costly, active, fields)
        for _ in range(RETRIES):
            late = self._ask_again(late, costly, active, fields)
        self._settle(costly, active, fields)
        for domain in sorted(self._sick & active):
            self._probe(domain, costly, fields)
        self._busy.clear()
        return Answer(domains, fields, frozenset(self._sick), self._stuck())

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._aside, *([self._open] if self._open else [])):
            connection.close()
        self._aside, self._open = [], None

    def _ask_all(
        self, domains: Sequence[str], groups: Iterable[Group], active: set[str], fields: dict[str, Fields]
    ) -> list[str]:
        """Ask for all in slices, and take what comes in time; the domains of the slices that are late."""
        if self._stuck() >= MOST_STUCK:
            return []
        # Neighbours are of one kind often enough: dealt out like cards, the slices take equally long.
        dealt = [domains[start::SLICES] for start in range(min(SLICES, len(domains)))]
        connection = self._connection()
        questions = [connection.ask(part, groups) for part in dealt]
        deadline = max(DEADLINE_SECONDS, SLOWNESS * self._usual)
        late: list[str] = []
        for question in questions:
            try:
                self._take(question.answer(deadline), active, fields)
                self._usual = max(time.monotonic() - question.began, self._usual * 0.9)
            except Late:
                connection.stuck.append(question)
                late.extend(question.domains)
        self._put_aside_if_stuck()
        return late

    def _ask_again(
        self, domains: Sequence[str], groups: Iterable[Group], active: set[str], fields: dict[str, Fields]
    ) -> list[str]:
        """Ask for the domains of late slices over a new connection: all that answer do, and one that hangs is told."""
        if not domains or self._stuck() >= MOST_STUCK:
            return []
        connection = self._connection()
        if not connection.domains:
            connection.look([Group.STATE], DEADLINE_SECONDS)
        question = connection.ask([domain for domain in domains if domain in connection.domains], groups)
        try:
            self._take(question.answer(DEADLINE_SECONDS), active, fields)
        except Late:
            connection.stuck.append(question)
            self._put_aside_if_stuck()
            return list(domains)
        return []

    def _settle(self, groups: Iterable[Group], active: set[str], fields: dict[str, Fields]) -> None:
        """Ask those that were busy again, a few times: somebody else may have had their lock for a moment."""
        for _ in range(BUSY_TRIES):
            busy = sorted(self._busy)
            if not busy or self._stuck() >= MOST_STUCK:
                break
            self._pause.wait(BUSY_SECONDS)
            self._ask_again(busy, groups, active, fields)
        self._sick |= self._busy
        self._busy.clear()

    def _probe(self, domain: str, groups: Iterable[Group], fields: dict[str, Fields]) -> None:
        """Ask a sick domain by itself, unless a call that is about it is still on its way."""
        waiting = (question for one in self._aside for question in one.stuck)
        if any(domain in question.domains for question in waiting) or self._stuck() >= MOST_STUCK:
            return
        connection = self._connection()
        if not connection.domains:
            connection.look([Group.STATE], DEADLINE_SECONDS)
        if domain not in connection.domains:
            return
        question = connection.ask([domain], groups)
        try:
            self._take(question.answer(DEADLINE_SECONDS), {domain}, fields)
        except Late:
            connection.stuck.append(question)
            self._put_aside_if_stuck()

    def _take(self, answer: Mapping[str, Fields], active: set[str], fields: dict[str, Fields]) -> None:
        """Sort the answers into those that are whole, and those of domains that nobody could ask."""
        for domain, found in answer.items():
            if domain in active and "balloon.current" in found and NEEDS_EMULATOR not in found:
                self._busy.add(domain)
            else:
                self._busy.discard(domain)
                self._sick.discard(domain)
                fields[domain] = found

    def _connection(self) -> _Connection:
        if self._open is None or not self._open.hypervisor.alive:
            if self._open is not None:
                self._open.close()
            self._open = _Connection(self._connect(), Lane("libvirt"))
        return self._open

    def _put_aside_if_stuck(self) -> None:
        if self._open is not None and self._open.stuck:
            self._aside.append(self._open)
            self._open = None

    def _tidy(self) -> None:
        """Close the connections that were put aside and whose calls have all returned."""
        for connection in list(self._aside):
            connection.stuck = [question for question in connection.stuck if not question.call.is_done]
            if not connection.stuck:
                self._aside.remove(connection)
                connection.close()

    def _stuck(self) -> int:
        return sum(not question.call.is_done for one in self._aside for question in one.stuck)
