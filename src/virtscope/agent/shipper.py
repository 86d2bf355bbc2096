"""The shipper: sends what is spooled to the server, in a thread of its own, until it is stored there.

It asks nobody but the server what is stored, so that sending again after a lost answer, a restart or a server that has
lost its newest minutes is all the same. Newest records go first, in deliveries of their own; old ones fill the time
between. What the server answers decides what follows:

    200             stored; refused frames are put aside
    400 413 422     a frame in it is at fault: they are sent one by one, and that one is put aside
    401 403 409     nobody here can mend it: everything is kept, tried seldom, and said
    415             made by a newer version than the server's: so is what that run of the agent has left, and other
                    runs' records go on
    429 503         the server has too much to do: later, as it says; what is fresh does not wait for what is old
    else            later, each time twice as late, up to a minute
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from virtscope import __version__
from virtscope.agent.backoff import Backoff
from virtscope.agent.segment import Record
from virtscope.agent.spool import Spool
from virtscope.agent.transport import Answer, Transport
from virtscope.errors import Malformed
from virtscope.sample import now_ms
from virtscope.versions import mismatch
from virtscope.wire import MOST_FRAMES, MOST_RANGES, Delivery, Frame, Receipt, pack, unpack

log = logging.getLogger(__name__)

DELIVERY_BYTES = 512 * 1024
"""Frames of one delivery; a single larger one still goes."""
FRESH_MS = 60_000
"""A record this young is fresh: it goes before older ones."""
KEEP_ALIVE_SECONDS = 30.0
"""With nothing to send the server is asked so often what it has: it may have lost something."""
HELD_SECONDS = 60.0
"""Between two tries while only a person can mend what is wrong."""

_AT_FAULT = frozenset({400, 413, 422})
_HELD = frozenset({401, 403, 409})
_TOO_NEW = 415
_PUT_OFF = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Progress:
    """How shipping goes."""

    delivered: int = 0
    """Deliveries that were answered well."""
    failed: int = 0
    last_success: int = 0
    """Unix ms; 0 is never."""
    clock_offset: float | None = None
    """The server's clock less ours, s, by its last answer."""
    server: str = ""
    """The version that the server runs; empty where it has not told yet."""
    problem: str | None = None


class Shipper:
    """Ships one spool to one server."""

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        resync: Callable[[], None],
        clock: Callable[[], int] = now_ms,
        metrics: str = "",
    ) -> None:
        """Start.

        Args:
            spool: what is shipped.
            transport: how.
            resync: called when the server has another store than before, without any inventory.
            clock: Unix ms.
            metrics: where the agent's ``/metrics`` is (see ``wire.Delivery``).
        """
        self._metrics = metrics
        self._spool = spool
        self._transport = transport
        self._resync = resync
        self._clock = clock
        self._store: str | None = None
        self._dropped = spool.state().dropped
        self._progress = Progress()
        self._wake = threading.Event()
        self._until: float | None = None
        self._backoff = Backoff()
        self._backlog_backoff = Backoff()
        """Its own: what is fresh goes well meanwhile."""
        self._fresh_turn = True
        self._backlog_due = 0.0
        """When old records may be tried again (``time.monotonic``): the server has put them off, and not fresh ones."""
        self._one_by_one = 0
        self._run_by_run = False
        self._too_new: dict[int, tuple[float, str]] = {}
        """Epochs that the server is too old for, until when they are left alone (``time.monotonic``), and its words."""
        self._named: tuple[int, ...] = ()
        """The epochs that the last delivery asked for."""
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> Progress:
        """How it goes."""
        too_new = next((words for _, words in self._too_new.values()), None)
        return replace(self._progress, problem=self._progress.problem or too_new)

    @property
    def beats(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """There is something new to send; from any thread."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try for so long at most to send what is there, and end."""
        self._until = time.monotonic() + seconds
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._wait(pause)
            self._wake.clear()
            try:
                pause = self._send()
            except Exception as error:
                log.exception("BUG: shipping failed")  # and must not end it
                self._progress = replace(self._progress, problem=f"BUG: {error!r}")
                pause = HELD_SECONDS
            if self._until is not None and (pause > 0 or time.monotonic() > self._until):
                return

    def _wait(self, seconds: float) -> None:
        """While all goes well, new records end the wait; while it does not, only being stopped does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            if self._until is not None or (self._progress.problem is None and self._wake.is_set()):
                return
            self._wake.clear()

    def _send(self) -> float:
        """One delivery; seconds until the next."""
        records, backlog = self._choose()
        due = max([self._backlog_due, *(until for until, _ in self._too_new.values())])
        if not records and (left := due - time.monotonic()) > 0:
            return left
        answer = self._transport.post(pack(self._delivery(records)), backlog=backlog)
        if answer.status == 200:
            if backlog:
                self._backlog_backoff.reset()
            return self._delivered(records, answer)
        if backlog and answer.status in _PUT_OFF:
            return self._put_off(answer)
        return self._failed(records, answer)

    def _choose(self) -> tuple[Sequence[Record], bool]:
        """Which records go next, and whether they are old: old and fresh ones take turns."""
        limit = 1 if self._one_by_one else DELIVERY_BYTES
        now = time.monotonic()
        without = {epoch for epoch, (until, _) in self._too_new.items() if now < until}
        fresh = self._spool.newest(limit, self._clock() - FRESH_MS, without)
        if (fresh and self._fresh_turn) or now < self._backlog_due:
            return self._together(fresh), False
        old = self._together(self._spool.oldest(limit, without))
        return old, bool(old) and self._clock() - old[0].at > FRESH_MS

    def _together(self, records: Sequence[Record]) -> Sequence[Record]:
        """As many as one delivery may have; of one run of the agent, where the server is too old for some of them."""
        if self._run_by_run:
            records = list(takewhile(lambda record: record.epoch == records[0].epoch, records))
        return records[:MOST_FRAMES]

    def _delivery(self, records: Sequence[Record]) -> Delivery:
        state, losses = self._spool.state(), self._spool.losses()
        # What is sent must be settled: its epochs go first, however many others the spool has.
        wanted = [record.epoch for record in records] + [loss.epoch for loss in losses]
        self._named = tuple(dict.fromkeys([*wanted, *reversed(self._spool.epochs())]))[:MOST_RANGES]
        return Delivery(
            sent=self._clock(),
            version=__version__,
            epochs=self._named,
            waiting=state.waiting,
            waiting_bytes=state.waiting_bytes,
            oldest=state.oldest,
            dropped=state.dropped,
            losses=losses,
            frames=tuple(Frame(record.epoch, record.sequence, record.frame) for record in records),
            metrics=self._metrics,
        )

    def _delivered(self, records: Sequence[Record], answer: Answer) -> float:
        try:
            receipt = unpack(answer.body, Receipt)
        except Malformed as error:
            return self._failed(records, replace(answer, status=0, detail=f"the answer makes no sense: {error}"))
        frames = {(record.epoch, record.sequence): record.frame for record in records}
        for refusal in receipt.refused:
            if (frame := frames.get((refusal.epoch, refusal.sequence))) is not None:
                self._spool.put_aside(refusal.epoch, refusal.sequence, refusal.reason, frame)
        less = [epoch for epoch in self._named if self._spool.settle(epoch, receipt.ranges(epoch))]
        for record in records[:1]:
            self._too_new.pop(record.epoch, None)
        self._run_by_run = bool(self._too_new)
        if less and self._store == receipt.store:
            log.warning("the server has less than it had: everything is told anew")
            self._resync()
        if self._store not in (None, receipt.store):
            log.warning("the server has another store than before: everything is told anew")
            self._resync()
        self._store = receipt.store
        if (dropped := self._spool.state().dropped) > self._dropped:
            # What was lost may have told of a host or a domain, once and for all.
            self._dropped = dropped
            self._resync()
        if receipt.version != self._progress.server:
            self._meet(receipt.version)
        if self._progress.problem is not None:
            log.info("the server takes deliveries again")
        self._backoff.reset()
        self._one_by_one = max(self._one_by_one - 1, 0)
        self._fresh_turn = not self._fresh_turn
        self._progress = Progress(
            delivered=self._progress.delivered + 1,
            failed=self._progress.failed,
            last_success=self._clock(),
            clock_offset=(receipt.at - self._clock()) / 1000,
            server=receipt.version,
        )
        return 0.0 if self._spool.state().waiting else KEEP_ALIVE_SECONDS

    def _meet(self, version: str) -> None:
        """Say once which version the server runs, and whether somebody should upgrade one of the two."""
        log.info("the server runs virtscope %s", version[:64] or "of a version that it does not tell")
        if remark := mismatch(__version__, version):
            log.warning("%s", remark)

    def _failed(self, records: Sequence[Record], answer: Answer) -> float:
        """Take note of what went wrong; seconds until the next try."""
        if answer.status in _AT_FAULT:
            return self._blamed(records, answer)
        if answer.status == _TOO_NEW and records:
            return self._left_alone(records, answer)
        if self._progress.problem is None or answer.detail != self._progress.problem:
            log.warning("cannot deliver to the server: %s", answer.detail)
        self._progress = replace(self._progress, failed=self._progress.failed + 1, problem=answer.detail)
        self._fresh_turn = True
        if answer.status in _HELD:
            return HELD_SECONDS * random.uniform(0.8, 1.2)
        return self._backoff.pause(answer.retry_after)

    def _left_alone(self, records: Sequence[Record], answer: Answer) -> float:
        """The server is too old for what one run of the agent has left: that waits, and other runs' records go on."""
        self._run_by_run = True
        if len({record.epoch for record in records}) > 1:
            return 0.0  # which run it is, is found out one by one
        epoch = records[0].epoch
        if epoch not in self._too_new:
            log.warning("cannot deliver to the server: %s", answer.detail)
        self._too_new[epoch] = (time.monotonic() + HELD_SECONDS * random.uniform(0.8, 1.2), answer.detail)
        self._progress = replace(self._progress, failed=self._progress.failed + 1)
        return 0.0

    def _put_off(self, answer: Answer) -> float:
        """The server has too much to do for old records: they wait, and fresh ones go on."""
        pause = self._backlog_backoff.pause(answer.retry_after)
        self._backlog_due = time.monotonic() + pause
        self._fresh_turn = True
        self._progress = replace(self._progress, failed=self._progress.failed + 1)
        return pause

    def _blamed(self, records: Sequence[Record], answer: Answer) -> float:
        """One of these frames is at fault: find out which, and put it aside."""
        if len(records) == 1:
            only = records[0]
            self._spool.put_aside(only.epoch, only.sequence, answer.detail, only.frame)
            return 0.0
        if not records:
            return HELD_SECONDS  # the delivery itself is what it does not understand
        self._one_by_one = len(records)
        return 0.0
