"""The folder of a spool: who has it, and what its segments hold when it is opened."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from virtscope.agent import segment as segments
from virtscope.agent.kept import Kept
from virtscope.agent.segment import Segment
from virtscope.errors import SpoolError
from virtscope.ranges import Ranges

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds."""

    segments: list[Segment]
    """Those with records, in order."""
    damaged: int
    """How many segments were damaged, or could not be read."""


def locked(path: Path) -> int:
    """The descriptor of a lock that nobody else has.

    Raises:
        SpoolError: somebody has it.
        OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise SpoolError(
            f"the spool {path.parent} is in use by another agent (pid {owner})",
            "One agent at a time: stop that one first, or give this one a folder of its own with --state.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def scan(folder: Path, kept: Kept) -> Found:
    """What the files hold. One that cannot be read, or holds nothing, is put into quarantine at once.

    Raises:
        OSError: the folder cannot be used.
    """
    whole: list[Segment] = []
    damaged = 0
    paths = sorted(path for path in folder.glob("*.spool") if path.stem.isdigit())
    for path in paths:
        try:
            found = segments.scan(path)
            torn = found.damaged and path == paths[-1] and segments.is_torn(path)
        except OSError as error:
            log.warning("the segment %s cannot be read: %s", path, error)
            damaged += 1
            kept.quarantine(path)
            continue
        if torn:
            log.info("the last record of %s was not written to its end", path)
            found.damaged = False
        if found.damaged:
            log.warning("the segment %s is damaged: %d of its records are whole", path, found.sequences.count)
            damaged += 1
        if found.sequences:
            whole.append(found)
        elif found.damaged:
            kept.quarantine(path)
        else:
            path.unlink()
    return Found(whole, damaged)


def holes(among: Sequence[Segment]) -> dict[int, list[tuple[int, int, int, int]]]:
    """Sequences that lie between records of an epoch and are not there: stored and gone, or damaged."""
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    for epoch in {one.epoch for one in among}:
        own = [one for one in among if one.epoch == epoch]
        have = Ranges(pair for one in own for pair in one.sequences)
        ends = list(have)
        gaps = have.missing(ends[0][0], ends[-1][1])
        found[epoch] = [(first, last, own[0].since, own[-1].until) for first, last in gaps]
    return found


def sync(folder: Path) -> None:
    """Force the names of its files to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
