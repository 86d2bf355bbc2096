"""The spool: the agent's queue on the disk, between collecting and shipping.

    <folder>/lock                        one agent at a time
    <folder>/0000000000000042.spool      segments (see ``segment.py``), in order
    <folder>/losses                      what was dropped and the server does not know yet
    <folder>/quarantine/                 damaged segments, once what is whole of them is delivered
    <folder>/aside/                      frames that the server refused for good

What the policy is, in one place. *A record is written at once* and so outlives the process; it is forced to the disk
every ``sync_seconds``, and so a power cut costs at most that and one interval. *Nothing says on the disk what has
been sent*: the server tells which batches are durable, and whatever is not is sent, again if it must be. So segments
stay for ``replay_seconds`` after they are stored, for a server that loses its newest minutes. *The spool is bounded*:
beyond its limit go first segments that are stored, then what is kept to be looked at, then the oldest; what goes
unsent is counted and told to the server as a loss. *A disk that refuses* (full, read-only, failing) costs no batch
while memory lasts: records are held there, bounded, and written when it takes them again.

Every start begins a new epoch: a number that was used up by a record which a power cut has taken is not used again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from virtscope.agent import segment as segments
from virtscope.agent import spool_folder
from virtscope.agent.kept import Kept
from virtscope.agent.losses import Losses
from virtscope.agent.segment import Record, Segment, Writer
from virtscope.agent.settled import Settled
from virtscope.errors import SpoolError
from virtscope.ranges import Ranges
from virtscope.sample import now_ms
from virtscope.wire import MOST_RANGES, Loss

log = logging.getLogger(__name__)

SEGMENT_BYTES = 512 * 1024
HELD_BYTES = 16 * 1024 * 1024
"""What is held in memory while the disk refuses."""
FULL = "the spool was full"
DAMAGED = "the spool was damaged"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a spool may take, and for how long."""

    size: int = 256 * 1024 * 1024
    """Bytes on the disk; a segment more for a moment."""
    sync_seconds: float = 5.0
    replay_seconds: float = 900.0
    """How long a record stays after it was made and stored."""


@dataclass(frozen=True, slots=True)
class State:
    """How a spool fares."""

    epoch: int
    waiting: int
    """Records that are not stored yet."""
    waiting_bytes: int
    oldest: int
    """When the oldest of them was made, Unix ms; 0 where there is none."""
    size: int
    """Bytes on the disk."""
    dropped: int
    """Records lost since the spool exists."""
    damaged: int
    """Segments found damaged since the start."""
    refused: int
    """Records that the server refused for good, since the start."""
    problem: str | None
    """Why nothing can be written at the moment."""


class Spool:
    """The open queue, for any thread."""

    def __init__(self, folder: Path, limits: Limits | None = None, clock: Callable[[], int] = now_ms) -> None:
        """Open or make it, and read through what it holds.

        Raises:
            SpoolError: another agent has it, or it cannot be used.
        """
        self._folder = folder
        self._limits = limits or Limits()
        self._clock = clock
        self._guard = threading.RLock()
        self._settled = Settled()
        self._held: deque[Record] = deque()
        self._held_bytes = 0
        self._writer: Writer | None = None
        self._synced = time.monotonic()
        self._problem: str | None = None
        self._refused = 0
        try:
            self._kept = Kept(folder)
            self._lock = spool_folder.locked(folder / "lock")
            found = spool_folder.scan(folder, self._kept)
        except OSError as error:
            raise SpoolError(
                f"cannot use the spool {folder}: {error.strerror or error}", "Is the folder the agent's own?"
            ) from None
        self._segments, self._damaged = found.segments, found.damaged
        self._number = max((int(one.path.stem) for one in self._segments), default=0) + 1
        self.epoch = max(self._clock(), max((one.epoch for one in self._segments), default=0) + 1)
        """This run's: the time it began, Unix ms."""
        self._sequence = 0
        self._losses = Losses(folder / "losses")
        self._holes = spool_folder.holes(self._segments)

    # What the collector's side calls.

    def append(self, frame: bytes, at: int) -> None:
        """Take over one frame, made ``at`` (Unix ms). Never fails: see the module's policy."""
        with self._guard:
            self._sequence += 1
            self._held.append(Record(self.epoch, self._sequence, at, frame))
            self._held_bytes += self._held[-1].size
            self._write_held()
            self._trim()

    def skip(self, count: int, since: int, until: int, reason: str) -> None:
        """Take note that so many batches were lost before they could become frames."""
        with self._guard:
            first, self._sequence = self._sequence + 1, self._sequence + count
            self._lose(self.epoch, first, self._sequence, since, until, reason)
            self._losses.write()

    def sync(self) -> None:
        """Force to the disk what is due; also tries again to write what is held."""
        with self._guard:
            self._write_held()
            if self._writer is not None and time.monotonic() - self._synced >= self._limits.sync_seconds:
                self._try(self._writer.sync)
                self._synced = time.monotonic()

    # What the shipper calls.

    def oldest(self, size: int, without: Container[int] = ()) -> list[Record]:
        """The oldest records that are not stored, of no epoch of ``without``: so many bytes, but one at least."""
        with self._guard:
            segments = (one for one in self._segments if one.epoch not in without)
            held = () if self.epoch in without else self._held
            return _within(self._waiting(segments, held), size)

    def newest(self, size: int, since: int, without: Container[int] = ()) -> list[Record]:
        """The newest records that are not stored and were made after ``since`` (Unix ms), newest first; as above."""

        def fresh() -> Iterator[Record]:
            yield from reversed(() if self.epoch in without else self._held)
            for one in reversed(self._segments):
                if one.until < since:
                    return
                if one.epoch not in without:
                    yield from reversed(list(self._waiting([one], ())))

        with self._guard:
            return _within((record for record in fresh() if record.at >= since), size)

    def losses(self) -> tuple[Loss, ...]:
        """What was lost and the server has not confirmed."""
        with self._guard:
            return self._losses.untold()

    def epochs(self) -> tuple[int, ...]:
        """The epochs of which there is anything to tell, the newest last."""
        with self._guard:
            known = {self.epoch, *(one.epoch for one in self._segments), *self._losses.epochs}
            return tuple(sorted(known - {0})[-MOST_RANGES:])

    def settle(self, epoch: int, stored: Ranges) -> bool:
        """Take the server's word for which batches of an epoch are durable: it may be less than it was.

        Returns:
            whether it is less.
        """
        with self._guard:
            lost = self._settled.store(epoch, stored)
            for first, last, since, until in self._holes.pop(epoch, ()):
                for begin, end in stored.missing(first, last):
                    self._lose(epoch, begin, end, since, until, DAMAGED)
            self._losses.forget(lambda one: one.epoch == epoch and not stored.missing(one.first, one.last))
            self._trim()
            return lost

    def put_aside(self, epoch: int, sequence: int, reason: str, frame: bytes) -> None:
        """Keep a frame that will never be stored where somebody can look at it, and send it no more."""
        with self._guard:
            self._settled.put_aside(epoch, sequence)
            self._refused += 1
            self._lose(epoch, sequence, sequence, 0, 0, f"refused: {reason}"[:200])
            self._losses.write()
            self._kept.put_aside(epoch, sequence, frame)
        log.warning("the server refuses batch %d of %d for good: %s", sequence, epoch, reason)

    def state(self) -> State:
        """How it fares."""
        with self._guard:
            waiting = bytes_ = oldest = 0
            for one in self._segments:
                if missing := self._missing(one):
                    waiting += missing
                    bytes_ += one.size * missing // one.sequences.count
                    oldest = oldest or one.since
            held = [record for record in self._held if not self._is_settled(record)]
            return State(
                epoch=self.epoch,
                waiting=waiting + len(held),
                waiting_bytes=bytes_ + sum(record.size for record in held),
                oldest=oldest or (held[0].at if held else 0),
                size=self._size(),
                dropped=self._losses.dropped,
                damaged=self._damaged,
                refused=self._refused,
                problem=self._problem,
            )

    def close(self) -> None:
        """Force everything to the disk and let it go."""
        with self._guard:
            self._write_held()
            self._close_writer()
            os.close(self._lock)

    # Inside; the guard is held.

    def _waiting(self, among: Iterable[Segment], held: Iterable[Record]) -> Iterator[Record]:
        """The records that are not settled, in order."""
        for one in among:
            if not self._missing(one):
                continue
            if (records := self._read(one)) is None:
                continue  # not now: that the disk would not read says nothing of what is on it
            seen = Ranges()
            for record in records:
                seen.add(record.sequence, record.sequence)
                if not self._is_settled(record):
                    yield record
            self._forget_unreadable(one, seen)
        yield from (record for record in held if not self._is_settled(record))

    def _read(self, one: Segment) -> list[Record] | None:
        try:
            return [record for record in segments.read(one.path) if record is not None]
        except OSError as error:
            log.warning("the segment %s cannot be read at the moment: %s", one.path, error)
            return [] if isinstance(error, FileNotFoundError) else None

    def _forget_unreadable(self, one: Segment, seen: Ranges) -> None:
        """What a file held at the start and does not any more is lost."""
        gone = [pair for first, last in one.sequences for pair in seen.missing(first, last)]
        if gone:
            one.damaged = True
            self._damaged += 1
            one.sequences = Ranges(pair for pair in seen if pair)
            for first, last in gone:
                self._lose_missing(one, first, last, DAMAGED)
            self._losses.write()

    def _is_settled(self, record: Record) -> bool:
        return self._settled.has(record.epoch, record.sequence)

    def _missing(self, one: Segment) -> int:
        """How many of a segment's records are not settled."""
        return sum(
            end - begin + 1
            for first, last in one.sequences
            for begin, end in self._settled.missing(one.epoch, first, last)
        )

    def _write_held(self) -> None:
        """Write what is held, as far as the disk takes it; beyond the limit of memory the oldest is lost."""
        while self._held and self._try(self._write_one):
            record = self._held.popleft()
            self._held_bytes -= record.size
        while self._held_bytes > HELD_BYTES:
            record = self._held.popleft()
            self._held_bytes -= record.size
            if not self._is_settled(record):
                self._lose(record.epoch, record.sequence, record.sequence, record.at, record.at, FULL)

    def _write_one(self) -> None:
        writer = self._writer
        if writer is not None and writer.segment.size >= self._segment_bytes:
            self._close_writer()
            writer = None
        if writer is None:
            writer = Writer(self._folder / f"{self._number:016d}.spool")
            self._number += 1
            self._writer = writer
            self._segments.append(writer.segment)
            spool_folder.sync(self._folder)
        writer.append(self._held[0])

    @property
    def _segment_bytes(self) -> int:
        return min(SEGMENT_BYTES, max(self._limits.size // 8, 4096))

    def _try(self, action: Callable[[], None]) -> bool:
        """Whether the disk took it. Where not, the segment is closed: its end may be torn."""
        try:
            action()
        except OSError as error:
            if self._problem is None:
                log.warning("cannot write to the spool %s: %s", self._folder, error)
            self._problem = f"cannot write to {self._folder}: {error.strerror or error}"
            self._close_writer()
            return False
        if self._problem is not None:
            log.warning("the spool %s takes records again", self._folder)
        self._problem = None
        return True

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with suppress(OSError):
            writer.sync()
        with suppress(OSError):
            writer.close()
        if not writer.segment.sequences:
            self._segments.remove(writer.segment)
            with suppress(OSError):
                writer.segment.path.unlink()

    def _trim(self) -> None:
        """Let go of what is stored and old enough, and of the oldest where there is too much."""
        before = self._clock() - int(self._limits.replay_seconds * 1000)
        current = self._writer.segment if self._writer else None
        for one in [one for one in self._segments if one is not current]:
            if self._missing(one):
                one.settled = 0
                continue
            one.settled = one.settled or self._clock()
            if max(one.until, one.settled) < before:
                self._retire(one)
        while self._size() > self._limits.size:
            closed = [one for one in self._segments if one is not current]
            stored = next((one for one in closed if not self._missing(one)), None)
            if stored is not None:
                self._retire(stored)
            elif not self._kept.remove_oldest():
                if not closed:
                    return
                self._drop(closed[0])

    def _drop(self, one: Segment) -> None:
        for first, last in one.sequences:
            self._lose_missing(one, first, last, FULL)
        self._losses.write()
        self._segments.remove(one)
        with suppress(OSError):
            one.path.unlink()

    def _retire(self, one: Segment) -> None:
        self._segments.remove(one)
        with suppress(OSError):
            if one.damaged:
                self._kept.quarantine(one.path)
            else:
                one.path.unlink()

    def _size(self) -> int:
        return self._kept.size + sum(one.size for one in self._segments)

    def _lose_missing(self, one: Segment, first: int, last: int, reason: str) -> None:
        for begin, end in self._settled.missing(one.epoch, first, last):
            self._lose(one.epoch, begin, end, one.since, one.until, reason)

    def _lose(self, epoch: int, first: int, last: int, since: int, until: int, reason: str) -> None:
        self._losses.add(Loss(epoch, first, last, since, until, reason))


def _within(records: Iterable[Record], size: int) -> list[Record]:
    found: list[Record] = []
    for record in records:
        size -= record.size
        if found and size < 0:
            break
        found.append(record)
    return found
