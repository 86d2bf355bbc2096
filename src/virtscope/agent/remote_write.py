"""Remote write: what was read goes to a Prometheus-compatible receiver, through a spool of its own.

Frames of the spool are pieces of requests (see ``prometheus.telling``), so that what waits from before a restart needs
nothing else to be sent. Records go in order, as series want it. There is no receipt: a request that is answered well is
noted on the disk. What the answer decides (https://prometheus.io/docs/specs/prw/remote_write_spec/):

    2xx             written
    429 5xx nothing later, as it says, each time twice as late, up to a minute
    401 403 404     somebody can mend it, and it is worth it: everything is kept, tried seldom, and said
    other 4xx       never again: records are sent one by one, and the one at fault is put aside and counted
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import urllib3

from virtscope import __version__
from virtscope.agent.backoff import Backoff
from virtscope.agent.forwarder import Forwarder
from virtscope.agent.segment import Record
from virtscope.agent.spool import Limits, Spool, State
from virtscope.agent.transport import Answer, retry_after
from virtscope.errors import EngineError
from virtscope.exposition.names import Dialect
from virtscope.prometheus.engine import Access
from virtscope.prometheus.messages import snappy
from virtscope.prometheus.telling import Telling
from virtscope.ranges import Ranges
from virtscope.sample import Batch, now_ms
from virtscope.unanswered import why
from virtscope.wire import LARGEST_CONTENT, compress, decompress

log = logging.getLogger(__name__)

FOLDER = "remote-write"
"""Below the agent's state folder."""
NOTED = "written"
"""The file in it that tells what is written already."""
REQUEST_BYTES = 64 * 1024
"""Compressed records of one request; a single larger one still goes."""
ANSWER_SECONDS = 30.0
IDLE_SECONDS = 30.0
HELD_SECONDS = 60.0
STOP_SECONDS = 3.0
LARGEST_ANSWER = 64 * 1024
_HELD = frozenset({401, 403, 404})
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"virtscope-agent/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How writing goes."""

    succeeded: int = 0
    failed: int = 0
    last_success: int = 0
    """Unix ms; 0 is never."""
    problem: str | None = None


class RemoteWrite:
    """The sink whose batches go to a receiver."""

    def __init__(self, access: Access, state: Path, limits: Limits, dialect: Dialect = Dialect.INOVEX) -> None:
        """Start.

        Args:
            access: the receiver, with its whole path: ``https://host/api/v1/write``.
            state: the agent's folder.
            limits: what the spool may take.
            dialect: whose names are spoken where exporters differ.

        Raises:
            SpoolError: another agent has the spool, or it cannot be used.
            EngineError: the authorities' file cannot be read.
        """
        self.where = access.url
        self.words = f"writes to {access.url}"
        telling = Telling(dialect)
        self._spool = Spool(state / FOLDER, replace(limits, replay_seconds=0.0))
        self._writer = _Writer(self._spool, access, state / FOLDER / NOTED)
        self._forwarder = Forwarder(self._spool, self._writer.wake, lambda batch: _packed(telling.pieces(batch)))

    def put(self, batch: Batch) -> None:
        """Take over one batch; never waits."""
        self._forwarder.put(batch)

    @property
    def state(self) -> State:
        """How the spool fares."""
        return self._spool.state()

    @property
    def problem(self) -> str | None:
        """What an operator should know: why nothing can be spooled or written."""
        return self._spool.state().problem or self._forwarder.problem or self._writer.progress.problem

    def figures(self) -> dict[str, float]:
        """What it tells of itself, by the names of ``exposition.own``."""
        spool, progress = self._spool.state(), self._writer.progress
        return {
            "virtscope_remote_write_waiting_batches": spool.waiting,
            "virtscope_remote_write_oldest_timestamp_seconds": spool.oldest / 1000,
            "virtscope_remote_write_dropped_batches_total": spool.dropped,
            "virtscope_remote_write_refused_batches_total": spool.refused,
            "virtscope_remote_write_successes_total": progress.succeeded,
            "virtscope_remote_write_failures_total": progress.failed,
            "virtscope_remote_write_last_success_timestamp_seconds": progress.last_success / 1000,
            "virtscope_remote_write_failing": int(self.problem is not None),
        }

    def late(self) -> tuple[str, ...]:
        """Which of its threads have ended though they should not."""
        both = (("remote write's forwarder", self._forwarder), ("remote write", self._writer))
        return tuple(name for name, one in both if not one.beats)

    def stop(self) -> None:
        """Spool everything, write what goes quickly, and end."""
        self._forwarder.stop(STOP_SECONDS)
        self._writer.stop(STOP_SECONDS)
        self._spool.close()


class _Writer:
    """The thread that sends."""

    def __init__(self, spool: Spool, access: Access, noted: Path) -> None:
        self._spool = spool
        self._access = access
        self._noted = _Noted(noted, spool)
        self._pool = access.pool(ANSWER_SECONDS)
        self._backoff = Backoff()
        self._one_by_one = 0
        self.progress = Progress()
        self._wake = threading.Event()
        self._until: float | None = None
        self._thread = threading.Thread(target=self._run, name="remote-write", daemon=True)
        self._thread.start()

    @property
    def beats(self) -> bool:
        return self._thread.is_alive()

    def wake(self) -> None:
        """There is something new to send; from any thread. While it does not go well, that changes nothing."""
        if self.progress.problem is None:
            self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try for so long at most to send what is there, and end."""
        self._until = time.monotonic() + seconds
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                pause = self._send()
            except Exception as error:
                log.exception("BUG: remote write failed")  # and must not end it
                self.progress = replace(self.progress, problem=f"BUG: {error!r}")
                pause = HELD_SECONDS
            if self._until is not None and (pause > 0 or time.monotonic() > self._until):
                return

    def _send(self) -> float:
        """One request; seconds until the next."""
        records = self._spool.oldest(1 if self._one_by_one else REQUEST_BYTES)
        if not records:
            return IDLE_SECONDS
        answer = self._post(snappy(b"".join(decompress(record.frame, LARGEST_CONTENT) for record in records)))
        if 200 <= answer.status < 300:
            return self._went_well(records)
        self.progress = replace(self.progress, failed=self.progress.failed + 1)
        if 400 <= answer.status < 500 and answer.status not in (*_HELD, 429):
            return self._blamed(records, answer)
        if answer.detail != self.progress.problem:
            log.warning("cannot write to %s: %s", self._access.url, answer.detail)
        self.progress = replace(self.progress, problem=f"{self._access.url}: {answer.detail}")
        if answer.status in _HELD:
            return HELD_SECONDS * random.uniform(0.8, 1.2)
        return self._backoff.pause(answer.retry_after)

    def _went_well(self, records: Sequence[Record]) -> float:
        self._noted.add(records)
        self._one_by_one = max(self._one_by_one - 1, 0)
        self._backoff.reset()
        if self.progress.problem is not None:
            log.info("%s takes what is written again", self._access.url)
        self.progress = Progress(self.progress.succeeded + 1, self.progress.failed, now_ms())
        return 0.0

    def _blamed(self, records: Sequence[Record], answer: Answer) -> float:
        """One of these records is at fault: find out which, and put it aside."""
        if len(records) > 1:
            self._one_by_one = len(records)
            return 0.0
        only = records[0]
        self._spool.put_aside(only.epoch, only.sequence, answer.detail, only.frame)
        self._noted.add(records)
        self._one_by_one = max(self._one_by_one - 1, 0)
        return 0.0

    def _post(self, body: bytes) -> Answer:
        try:
            with self._pool.request(
                "POST",
                self._access.url,
                body=body,
                headers=self._access.sent_along() | _HEADERS,
                redirect=False,
                preload_content=False,
            ) as answer:
                data = answer.read(LARGEST_ANSWER)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Answer(0, b"", f"no answer: {why(error)}")
        except EngineError as error:
            return Answer(0, b"", f"{error}. {error.hint}")
        said = data.decode(errors="replace").strip()[:200]
        return Answer(
            answer.status, data, f"status {answer.status}: {said}", retry_after(answer.headers.get("Retry-After"))
        )


class _Noted:
    """What is written already: ranges of sequences by epoch, in a file that is replaced as a whole."""

    def __init__(self, path: Path, spool: Spool) -> None:
        self._path = path
        self._spool = spool
        self._ranges: dict[int, Ranges] = {}
        with suppress(OSError, ValueError, TypeError):  # what is not known to be written is written again
            for epoch, ranges in json.loads(path.read_bytes()).items():
                self._ranges[int(epoch)] = Ranges((first, last) for first, last in ranges)
        self._settle()

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self._ranges.setdefault(record.epoch, Ranges()).add(record.sequence, record.sequence)
        for loss in self._spool.losses():  # nobody else is to be told
            self._ranges.setdefault(loss.epoch, Ranges()).add(loss.first, loss.last)
        self._settle()
        there = set(self._spool.epochs())
        self._ranges = {epoch: ranges for epoch, ranges in self._ranges.items() if epoch in there}
        told = {epoch: list(ranges) for epoch, ranges in self._ranges.items()}
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(told))
            temporary.replace(self._path)
        except OSError as error:
            log.warning("cannot note in %s what is written: %s", self._path, error)

    def _settle(self) -> None:
        for epoch, ranges in self._ranges.items():
            self._spool.settle(epoch, ranges.copy())


def _packed(pieces: bytes) -> bytes:
    return compress(pieces) if pieces else b""
