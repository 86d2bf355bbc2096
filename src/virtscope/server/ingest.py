"""Ingest: takes batches from everybody, and stores them merged, one transaction at a time.

One thread writes. What arrives while a transaction runs is merged into the next one, so that the cost of a commit is
shared by all hosts. A batch is acknowledged when it is durable. When the store refuses (a full disk), what collectors
of this process have put waits here and is tried again; what agents have delivered is refused, for they have it still.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from virtscope.errors import StoreError
from virtscope.pulse import Pulse
from virtscope.sample import Batch, now_ms
from virtscope.store import Store

log = logging.getLogger(__name__)

MERGE_SECONDS = 0.5
"""How long the first batch of a transaction waits for others."""
LONGEST_QUEUE = 10_000
"""Batches of this process that may wait; beyond, the oldest are dropped and counted."""
RETRY_SECONDS = 5.0
MAINTENANCE_SECONDS = 30.0
ROUND_SECONDS = 900.0
"""How long one round of the writing thread may take, its wait with it, before it is hung."""
FUTURE_MS = 600_000
"""Samples further ahead of our clock than this are refused: they would be the newest for ever."""
EARLIEST_MS = 946_684_800_000
"""Samples from before the year 2000 are refused, too: so says a clock that was never set."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction that is durable: its number since the start, its time (Unix ms), and what was new in it."""

    number: int
    at: int
    batches: Sequence[Batch]


@dataclass(frozen=True, slots=True)
class Count:
    """What was done since the start."""

    commits: int = 0
    batches: int = 0
    seconds: float = 0.0
    """Spent in transactions."""
    dropped: int = 0


Done: TypeAlias = Callable[[str | None], None]
"""Told, in the writing thread, that batches are durable (None), or why they are not."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Batches that are stored together or not at all, and who waits for that."""

    batches: list[Batch]
    done: Done | None = None

    def tell(self, reason: str | None) -> None:
        """Let whoever waits know; what goes wrong there must not keep others from being stored."""
        if self.done is not None:
            try:
                self.done(reason)
            except Exception:
                log.exception("BUG: whoever waits for a batch could not be told")


class _Refused(Exception):
    """The store takes nothing at the moment."""

    def __init__(self, waiting: list[_Waiting], error: StoreError) -> None:
        super().__init__(str(error))
        self.waiting = waiting
        self.error = error


class Ingest:
    """The queue and the thread that empties it."""

    def __init__(
        self,
        store: Store,
        committed: Callable[[Committed], None],
        maintain: Callable[[int], None],
        pulse: Pulse | None = None,
    ) -> None:
        """Start.

        Args:
            store: where batches go.
            committed: told of each transaction, in the writing thread.
            maintain: called now and then with the time (Unix ms), in the writing thread.
            pulse: hears when the writing thread will come round again.
        """
        self._store = store
        self._pulse = pulse or Pulse()
        self._committed = committed
        self._maintain = maintain
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._count = Count()
        self._problem: str | None = None
        self._maintained = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Why nothing can be stored at the moment; None where all is well."""
        return self._problem

    @property
    def dropped(self) -> int:
        """Batches lost since the start: of this process, because the store refused for too long, or not storable."""
        return self._count.dropped

    @property
    def count(self) -> Count:
        """What was done since the start."""
        return self._count

    def put(self, batch: Batch) -> None:
        """Take over a batch of a collector in this process; never waits."""
        with self._changed:
            self._queue.append(_Waiting([batch]))
            if len(self._queue) > LONGEST_QUEUE:
                self._drop_oldest()
            self._changed.notify()

    def submit(self, batches: Sequence[Batch], done: Done) -> None:
        """Take over what an agent has delivered; never waits.

        Args:
            batches: stored together or not at all.
            done: told, in the writing thread, that they are durable (None), or why they are not.
        """
        with self._changed:
            self._queue.append(_Waiting(list(batches), done))
            self._changed.notify()

    def withdraw(self, done: Done) -> None:
        """Take back what was submitted with this ``done``, where it still waits: nobody wants to know any more."""
        with self._changed:
            self._queue = deque(one for one in self._queue if one.done is not done)

    def stop(self) -> None:
        """Store what is queued, if the store takes it, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _drop_oldest(self) -> None:
        """An agent's delivery is not dropped: its memory is bounded where it comes in, and somebody waits for it."""
        for number, waiting in enumerate(self._queue):
            if waiting.done is None:
                del self._queue[number]
                self._count = replace(self._count, dropped=self._count.dropped + len(waiting.batches))
                return

    def _run(self) -> None:
        while waiting := self._collect():
            taken = [replace(one, batches=[_believable(batch) for batch in one.batches]) for one in waiting]
            if not self._write(taken) and self._stopping:
                log.warning("%d batches could not be stored: %s", len(self._queue), self._problem)
                break
        self._pulse.forget("ingest")

    def _collect(self) -> list[_Waiting]:
        """Wait for batches and those that come right behind; none when it is time to end."""
        while True:
            self._pulse.expect("ingest", ROUND_SECONDS)
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping, timeout=MAINTENANCE_SECONDS / 2)
                if self._queue and not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, timeout=MERGE_SECONDS)
                waiting = list(self._queue)
                self._queue.clear()
            if waiting or self._stopping:
                return waiting
            self._upkeep()

    def _write(self, waiting: list[_Waiting]) -> bool:
        """Store batches, and tell everybody; whether the store took them."""
        try:
            self._store_all(waiting)
        except _Refused as refused:
            self._refused(refused.waiting, refused.error)
            return False
        return True

    def _store_all(self, waiting: list[_Waiting]) -> None:
        """Store batches in one transaction; one by one where something in them cannot be understood.

        Raises:
            _Refused: the store takes nothing at the moment.
        """
        began = time.monotonic()
        try:
            new = self._store.append([batch for one in waiting for batch in one.batches])
        except StoreError as error:
            raise _Refused(waiting, error) from None
        except Exception:
            if len(waiting) == 1:
                log.exception("a batch of %s cannot be stored", waiting[0].batches[0].agent)
                self._not_storable(waiting[0])
                return
            # One batch that cannot be understood costs only itself: the others are stored without it.
            for number, one in enumerate(waiting):
                try:
                    self._store_all([one])
                except _Refused as refused:  # and would refuse the rest, too
                    raise _Refused(waiting[number:], refused.error) from None
            return
        if self._problem:
            log.warning("storing again")
        self._problem = None
        self._count = replace(
            self._count,
            commits=self._count.commits + 1,
            batches=self._count.batches + len(new),
            seconds=self._count.seconds + time.monotonic() - began,
        )
        try:
            self._committed(Committed(self._count.commits, now_ms(), new))
        except Exception:
            log.exception("BUG: what is stored could not be shown")  # and must not keep others from being stored
        for one in waiting:
            one.tell(None)
        self._upkeep()

    def _not_storable(self, one: _Waiting) -> None:
        one.tell(NOT_STORABLE)
        if one.done is None:
            self._count = replace(self._count, dropped=self._count.dropped + len(one.batches))

    def _refused(self, waiting: list[_Waiting], error: StoreError) -> None:
        """Keep our own batches for another try, in a while; agents keep theirs."""
        if self._problem is None:
            log.warning("%s %s", error, error.hint)
        self._problem = str(error)
        for one in waiting:
            one.tell(str(error))
        with self._changed:
            self._queue.extendleft(one for one in reversed(waiting) if one.done is None)
            self._changed.wait_for(lambda: self._stopping, timeout=RETRY_SECONDS)

    def _upkeep(self) -> None:
        if time.monotonic() - self._maintained < MAINTENANCE_SECONDS:
            return
        self._maintained = time.monotonic()
        try:
            self._maintain(now_ms())
        except Exception:
            log.exception("BUG: what is due now and then failed")  # and must not keep anything from being stored


NOT_STORABLE = "it cannot be stored"
"""What ``done`` hears of batches that the store does not understand: it will not later, either."""


def _believable(batch: Batch) -> Batch:
    """A batch without samples of the far future or of long ago; what else it says is said now, at the latest."""
    now = now_ms()
    latest = now + FUTURE_MS
    samples = tuple(sample for sample in batch.samples if EARLIEST_MS <= sample.at <= latest)
    events = tuple(event for event in batch.events if EARLIEST_MS <= event.at <= latest)
    if len(samples) < len(batch.samples) or len(events) < len(batch.events):
        log.warning("%s: samples or events of the future or of long ago are refused; is its clock right?", batch.agent)
    elif EARLIEST_MS <= batch.at <= latest:
        return batch
    return replace(batch, at=min(max(batch.at, EARLIEST_MS), now), samples=samples, events=events)
