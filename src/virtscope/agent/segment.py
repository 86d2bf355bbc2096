"""A segment: one file of the spool, records one after another.

    record   marker b"VSR1" · length · CRC-32 · epoch · sequence · time (Unix ms) · frame        (big-endian)

The CRC covers all that stands behind it. A record is whole or it is not there: whatever a file has suffered, reading
goes on at the next marker behind which the CRC is right, so that damage costs only the records it hit.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from virtscope.ranges import Ranges

_MARKER = b"VSR1"
_HEAD = struct.Struct(">4sII")
_NAME = struct.Struct(">QQQ")
OVERHEAD = _HEAD.size + _NAME.size
LARGEST_RECORD = 16 * 1024 * 1024
"""Bytes of a frame; a length above this is damage."""


@dataclass(frozen=True, slots=True)
class Record:
    """A frame with its name and the time it was made, Unix ms."""

    epoch: int
    sequence: int
    at: int
    frame: bytes

    @property
    def size(self) -> int:
        """Bytes it takes on the disk."""
        return OVERHEAD + len(self.frame)

    def pack(self) -> bytes:
        """The record as it lies on the disk."""
        body = _NAME.pack(self.epoch, self.sequence, self.at) + self.frame
        return _HEAD.pack(_MARKER, len(self.frame), zlib.crc32(body)) + body


@dataclass(slots=True)
class Segment:
    """What is known of a file: which records it holds. All of one epoch, in the order of their sequence."""

    path: Path
    epoch: int = 0
    sequences: Ranges = field(default_factory=Ranges)
    size: int = 0
    """Bytes of the file."""
    since: int = 0
    until: int = 0
    """When its first and its last record were made, Unix ms."""
    damaged: bool = False
    settled: int = 0
    """When the server was first known to have all of it, Unix ms; 0: not yet."""

    def note(self, record: Record) -> None:
        """Take note of a record that the file holds."""
        self.epoch = record.epoch
        self.sequences.add(record.sequence, record.sequence)
        self.since = self.since or record.at
        self.until = max(self.until, record.at)


def read(path: Path) -> Iterator[Record | None]:
    """The records of a file, in order; None wherever something else stands.

    Raises:
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    at, damaged = 0, False
    while at < len(data):
        record = _record_at(data, at)
        if record is not None:
            if damaged:
                yield None
            damaged = False
            yield record
            at += record.size
            continue
        damaged = True
        at = data.find(_MARKER, at + 1)
        if at < 0:
            break
    if damaged:
        yield None


def scan(path: Path) -> Segment:
    """What a file holds.

    Raises:
        OSError: the file cannot be read.
    """
    segment = Segment(path, size=path.stat().st_size)
    for record in read(path):
        if record is None:
            segment.damaged = True
        else:
            segment.note(record)
    return segment


def _record_at(data: bytes, at: int) -> Record | None:
    if at + OVERHEAD > len(data):
        return None
    marker, length, crc = _HEAD.unpack_from(data, at)
    end = at + OVERHEAD + length
    if marker != _MARKER or length > LARGEST_RECORD or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[at + _HEAD.size : end]) != crc:
        return None
    epoch, sequence, made = _NAME.unpack_from(data, at + _HEAD.size)
    return Record(epoch, sequence, made, data[at + OVERHEAD : end])


def is_torn(path: Path) -> bool:
    """Whether all that is wrong with a file is its end: a last record that was not written whole, as after a power cut.

    Raises:
        OSError: the file cannot be read.
    """
    found = list(read(path))
    begun = len(found) > 1 or path.read_bytes().startswith(_MARKER)
    return begun and found[-1:] == [None] and None not in found[:-1]


class Writer:
    """Appends records to one new file, each by a single write: what was written outlives the process."""

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            OSError: that is not possible.
        """
        self.segment = Segment(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, record: Record) -> None:
        """Write one record.

        Raises:
            OSError: it could not be written whole; the file is to be closed, what it holds stays readable.
        """
        data = record.pack()
        written = os.write(self._descriptor, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, "only a part of a record was written")
        self.segment.note(record)
        self.segment.size += len(data)

    def sync(self) -> None:
        """Wait until everything is on the disk.

        Raises:
            OSError: the disk says no.
        """
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
