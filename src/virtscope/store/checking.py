"""Whether the archive's files are what was written, and what can be made again of one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from virtscope.catalogue import Scope
from virtscope.schema import quoted
from virtscope.store.damage import FOLDER
from virtscope.store.database import Database
from virtscope.store.files import Files, checksum
from virtscope.store.levels import Level
from virtscope.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Flaw:
    """A file that is not what was written."""

    scope: Scope
    level: Level
    start: int
    """Of the hour or day that it should hold, Unix ms."""
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was read, and what is wrong with it."""

    files: int
    bytes: int
    flaws: tuple[Flaw, ...]


def check(database: Database, files: Files) -> Checked:
    """Read every file that is listed, to its end.

    Raises:
        duckdb.Error: the hot tables themselves cannot be read.
    """
    database.read_through()
    with files.pinned():
        with Snapshot(database) as snapshot:
            listed = snapshot.rows("SELECT scope, level, epoch_ms(hour), path, checksum FROM archive ORDER BY path")
        paths = [database.folder / path for _, _, _, path, _ in listed]
        flaws = tuple(
            Flaw(Scope(scope), Level(level), start, path, reason)
            for scope, level, start, path, known in listed
            for reason in _wrong(database.folder / path, known)
        )
        return Checked(len(listed), sum(path.stat().st_size for path in paths if path.exists()), flaws)


def put_away(folder: Path, flaw: Flaw) -> None:
    """Move such a file into quarantine, with the reason."""
    path = folder / flaw.path
    kept = folder / FOLDER / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ") / flaw.path
    kept.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rename(kept)
    (kept.parent / f"{kept.name}.reason").write_text(f"{flaw.reason}\n")


def _wrong(path: Path, known: str | None) -> Iterator[str]:
    """Why a file cannot be trusted; without a checksum, whether it can be read at all."""
    try:
        if known is None:
            with duckdb.connect() as connection:
                query = f"SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet({quoted(str(path))})"
                connection.execute(query).fetchall()
        elif checksum(path) != known:
            yield "it is not what was written: its checksum is another one"
    except FileNotFoundError:
        yield "it is missing"
    except (OSError, duckdb.Error) as error:
        yield f"it cannot be read: {str(error).partition(chr(10))[0]}"
