"""Ingest: takes batches from everybody, and stores them merged, one transaction at a time.

One thread writes. What arrives while a transaction runs is merged into the next one, so that the cost of a commit is
shared by all hosts. A batch is acknowledged when it is durable; when the store refuses (a full disk), batches wait in
the queue and are tried again, and everybody who asks hears why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from virtscope.errors import StoreError
from virtscope.pulse import Pulse
from virtscope.sample import Batch, now_ms
from virtscope.store import Store

log = logging.getLogger(__name__)

MERGE_SECONDS = 0.5
"""How long the first batch of a transaction waits for others."""
LONGEST_QUEUE = 10_000
"""Batches that may wait; beyond, the oldest are dropped and counted."""
RETRY_SECONDS = 5.0
MAINTENANCE_SECONDS = 60.0
ROUND_SECONDS = 900.0
"""How long one round of the writing thread may take, its wait and an hour's archiving with it, before it is hung."""
FUTURE_MS = 600_000
"""Samples further ahead of our clock than this are refused: they would be the newest for ever."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction that is durable: its number since the start, its time (Unix ms), and what was in it."""

    number: int
    at: int
    batches: Sequence[Batch]


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
        self._queue: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._commits = 0
        self._dropped = 0
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
        """Batches lost since the start, because the store refused for so long that the queue was full."""
        return self._dropped

    def put(self, batch: Batch) -> None:
        """Take over a batch; never waits."""
        with self._changed:
            self._queue.append(batch)
            if len(self._queue) > LONGEST_QUEUE:
                self._queue.popleft()
                self._dropped += 1
            self._changed.notify()

    def stop(self) -> None:
        """Store what is queued, if the store takes it, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batches := self._collect():
            if not self._write([_believable(batch) for batch in batches]) and self._stopping:
                log.warning("%d batches could not be stored: %s", len(batches), self._problem)
                break
        self._pulse.forget("ingest")

    def _collect(self) -> list[Batch]:
        """Wait for batches and those that come right behind; none when it is time to end."""
        while True:
            self._pulse.expect("ingest", ROUND_SECONDS)
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping, timeout=MAINTENANCE_SECONDS)
                if self._queue and not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, timeout=MERGE_SECONDS)
                batches = list(self._queue)
                self._queue.clear()
            if batches or self._stopping:
                return batches
            self._upkeep()

    def _write(self, batches: list[Batch]) -> bool:
        """Store batches, and tell everybody; whether the store took them."""
        try:
            self._store.append(batches)
        except StoreError as error:
            self._refused(batches, error)
            return False
        except Exception:
            # One batch that cannot be understood costs only itself: the others are stored without it.
            if len(batches) > 1:
                stored = [self._write([batch]) for batch in batches]
                return all(stored)
            log.exception("a batch of %s cannot be stored and is dropped", batches[0].agent)
            self._dropped += 1
            return True
        if self._problem:
            log.warning("storing again")
        self._problem = None
        self._commits += 1
        self._committed(Committed(self._commits, now_ms(), batches))
        self._upkeep()
        return True

    def _refused(self, batches: list[Batch], error: StoreError) -> None:
        """Keep the batches for another try, in a while."""
        if self._problem is None:
            log.warning("%s %s", error, error.hint)
        self._problem = str(error)
        with self._changed:
            self._queue.extendleft(reversed(batches))
            self._changed.wait_for(lambda: self._stopping, timeout=RETRY_SECONDS)

    def _upkeep(self) -> None:
        if time.monotonic() - self._maintained < MAINTENANCE_SECONDS:
            return
        self._maintained = time.monotonic()
        try:
            self._maintain(now_ms())
        except StoreError as error:
            log.warning("%s %s", error, error.hint)


def _believable(batch: Batch) -> Batch:
    """A batch without samples of the far future."""
    latest = now_ms() + FUTURE_MS
    if all(sample.at <= latest for sample in batch.samples):
        return batch
    log.warning("%s: samples of the future are refused; is its clock right?", batch.agent)
    return replace(batch, samples=tuple(sample for sample in batch.samples if sample.at <= latest))
