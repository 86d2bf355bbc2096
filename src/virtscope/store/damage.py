"""What to do with a hot file that is damaged: put it away, never delete it, and begin anew beside it.

The archive's files do not depend on it, and agents send the newest minutes again. What is lost is what lay between,
and the inventory's history; both are in the file that was put away.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import duckdb

log = logging.getLogger(__name__)

FOLDER = "quarantine"
_SIGNS = (
    "Corrupt database file",
    "Corrupt WAL file",
    "replaying WAL",
    "not a valid DuckDB database file",
    "Could not read enough bytes",
)
"""What DuckDB says of a file that is not what it wrote. Its classes of errors do not tell this apart."""


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is damaged, and not the disk full or the lock taken."""
    return isinstance(error, duckdb.Error) and any(sign in str(error) for sign in _SIGNS)


def quarantine(hot: Path, reason: str) -> Path:
    """Move the hot file and its log into a folder of their own, and write down why.

    Raises:
        OSError: that is not possible.
    """
    folder = hot.parent / FOLDER / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    number = 0
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{folder.name.partition('+')[0]}+{number}")
    folder.mkdir(parents=True)
    for path in (hot, hot.with_name(f"{hot.name}.wal")):
        if path.exists():
            path.rename(folder / path.name)
    (folder / "reason.txt").write_text(f"{reason}\n")
    log.error("%s is damaged and was moved to %s: %s", hot, folder, reason)
    return folder


def quarantined(data: Path) -> str | None:
    """What a data folder's quarantine means for people; None where it is empty."""
    found = sorted((data / FOLDER).glob("*/reason.txt"))
    if not found:
        return None
    return (
        f"the store was damaged ({found[-1].parent.name}): what the agents could not send again is missing. "
        f"Look at {data / FOLDER}, and remove it when it is of no use any more."
    )
