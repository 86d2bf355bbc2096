"""What lies in a spool, seen from outside: without its lock, while its agent may be writing and removing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from virtscope.agent import segment as segments
from virtscope.agent.losses import Losses
from virtscope.agent.segment import Segment

_HOLDERS = Path("/proc/locks")


@dataclass(frozen=True, slots=True)
class Spooled:
    """What lies in a spool. Which of it is stored already only the server knows."""

    records: int
    size: int
    """Bytes of the segments."""
    since: int
    until: int
    """When the first and the last record were made, Unix ms; 0 where there is none."""
    damaged: int
    """Segments in which something is not a record, and those in quarantine."""
    refused: int
    """Frames that the server refused for good, and that are kept."""
    dropped: int
    """Records lost since the spool exists."""
    owner: int | None
    """The process of the agent that has it; None where none runs."""


def look(folder: Path) -> Spooled:
    """What lies in a spool; nothing is changed.

    Raises:
        OSError: it cannot be read.
    """
    found = list(_scanned(folder))
    return Spooled(
        records=sum(one.sequences.count for one in found),
        size=sum(one.size for one in found),
        since=min((one.since for one in found if one.since), default=0),
        until=max((one.until for one in found), default=0),
        damaged=sum(one.damaged for one in found) + _count(folder / "quarantine"),
        refused=_count(folder / "aside"),
        dropped=Losses(folder / "losses").dropped,
        owner=_owner(folder / "lock"),
    )


def _scanned(folder: Path) -> Iterator[Segment]:
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".spool" and path.stem.isdigit())
    for path in paths:
        try:
            found = segments.scan(path)
            if found.damaged and path == paths[-1] and segments.is_torn(path):
                found.damaged = False  # its end is being written, or a power cut took it
        except FileNotFoundError:
            continue  # its agent has let it go in between
        yield found


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _owner(lock: Path) -> int | None:
    """Who holds a lock, as the kernel tells everybody: trying to take it could keep an agent from starting."""
    try:
        number, process = str(lock.stat().st_ino), lock.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    for line in _HOLDERS.read_text().splitlines():
        # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:1835031 0 EOF          (proc_locks(5); one that waits has "->")
        parts = line.split()
        if parts[1] == "FLOCK" and parts[4] == process and parts[5].rpartition(":")[2] == number:
            return int(process)
    return None
