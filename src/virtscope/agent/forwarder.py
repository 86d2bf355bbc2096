"""The forwarder: takes batches from collectors, makes frames of them and spools them, in a thread of its own.

So neither a slow disk nor a large inventory ever holds up a collector: what the disk cannot take in time waits in a
bounded queue, and beyond that the oldest batches are lost, counted and told.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from virtscope.agent.spool import FULL, Spool
from virtscope.sample import Batch
from virtscope.wire import LARGEST_FRAME, encode

log = logging.getLogger(__name__)

LONGEST_QUEUE = 256
"""Batches that wait for the disk."""
IDLE_SECONDS = 1.0
"""How often the spool may sync while nothing comes."""


class Forwarder:
    """The sink of collectors whose batches go elsewhere."""

    def __init__(
        self, spool: Spool, spooled: Callable[[], None], frame: Callable[[Batch], bytes] = encode.frame
    ) -> None:
        """Start.

        Args:
            spool: where frames go; it is not closed here.
            spooled: called when there is something new in it.
            frame: what a batch becomes; nothing is spooled of one that becomes nothing.
        """
        self._spool = spool
        self._spooled = spooled
        self._frame = frame
        self._queue: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._skipped: list[int] = []
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        self._thread.start()

    @property
    def beats(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    @property
    def problem(self) -> str | None:
        """Why batches are not spooled at the moment; None where all is well."""
        return self._problem

    def put(self, batch: Batch) -> None:
        """Take over one batch; never waits."""
        with self._changed:
            self._queue.append(batch)
            if len(self._queue) > LONGEST_QUEUE:
                self._skipped.append(self._queue.popleft().at)
            self._changed.notify()

    def stop(self, seconds: float) -> None:
        """Spool what is queued, for so long at most, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping, timeout=IDLE_SECONDS)
                batches, skipped = list(self._queue), self._skipped
                self._queue.clear()
                self._skipped = []
                ending = self._stopping
            try:
                self._spool_all(batches, skipped)
                self._problem = None
            except Exception as error:
                log.exception("BUG: spooling failed")  # and must not end it
                self._problem = f"BUG: batches could not be spooled: {error!r}"
            if ending and not batches:
                return

    def _spool_all(self, batches: list[Batch], skipped: list[int]) -> None:
        if skipped:
            self._spool.skip(len(skipped), skipped[0], skipped[-1], FULL)
        for batch in batches:
            self._forward(batch)
        self._spool.sync()
        if batches or skipped:
            self._spooled()

    def _forward(self, batch: Batch) -> None:
        try:
            frame = self._frame(batch)
        except (ValueError, OverflowError, TypeError) as error:
            # What cannot be put into words (half a surrogate pair in a name) costs its batch, and is told.
            log.warning("a batch of %s cannot be sent: %s", batch.agent, error)
            self._spool.skip(1, batch.at, batch.at, "it could not be encoded")
            return
        if len(frame) > LARGEST_FRAME:
            log.warning("a batch of %s is too large to be sent: %d bytes", batch.agent, len(frame))
            self._spool.skip(1, batch.at, batch.at, "it was too large")
            return
        if frame:
            self._spool.append(frame, batch.at)
