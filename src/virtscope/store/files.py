"""The archive's files: written durably, listed in a table, removed when they are not listed any more.

``archive`` has one row for each hour or day of a scope and level: which file holds it, how large that is, and its
checksum. A file is never changed: what replaces it is another one, of the next generation.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from virtscope.catalogue import Scope
from virtscope.schema import quoted
from virtscope.store import levels
from virtscope.store.database import Database
from virtscope.store.levels import OF_DAYS, Level
from virtscope.store.snapshot import Snapshot, moment

_ROW_GROUP = 20_480
"""Rows that a reader of few objects has to read at least."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the archive."""

    scope: Scope
    level: Level
    start: int
    """Of the hour or day that it holds, Unix ms."""
    path: str
    """Relative to the data folder."""
    bytes: int
    checksum: str
    """SHA-256, in hexadecimal."""


class Files:
    """The archive's files of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = database.folder / "archive"
        self._guard = threading.Lock()
        self._pins = 0

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """In this block, nothing is removed that has been listed when it began."""
        with self._guard:
            self._pins += 1
        try:
            yield
        finally:
            with self._guard:
                self._pins -= 1

    def measure(self) -> None:
        """Note the sizes and checksums of files of which an older version has not told them."""
        with Snapshot(self._database) as snapshot:
            unknown = [path for (path,) in snapshot.rows("SELECT path FROM archive WHERE checksum IS NULL")]
        for path in unknown:
            file = self._database.folder / path
            if file.exists():
                told = [file.stat().st_size, checksum(file), path]
                with self._database.write() as connection:
                    connection.execute("UPDATE archive SET bytes = ?, checksum = ? WHERE path = ?", told)

    def write(self, snapshot: Snapshot, scope: Scope, level: Level, start: int, content: str) -> File:
        """Write what a query finds, durably, under a name that no file has: one that is listed no more may be read."""
        first = self._database.folder / levels.path(scope, level, start, 0)
        there = [known[3] for path in first.parent.glob(f"{first.name[:2]}-*") if (known := levels.parsed(path))]
        path = levels.path(scope, level, start, max(there, default=-1) + 1)
        target = self._database.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        snapshot.run(
            f"COPY ({content}) TO {quoted(str(temporary))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
        )
        _sync(temporary)
        file = File(scope, level, start, path, temporary.stat().st_size, checksum(temporary))
        temporary.rename(target)
        _sync(target.parent)
        return file

    def put(self, connection: duckdb.DuckDBPyConnection, files: Iterable[File]) -> None:
        """List files, in place of those that were listed for the same."""
        for file in files:
            connection.execute(
                f"INSERT OR REPLACE INTO archive VALUES (?, ?, {moment(file.start)}, ?, ?, ?)",
                [file.scope.value, file.level.value, file.path, file.bytes, file.checksum],
            )

    def outdate(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        """List a day's own files no more: they are made again of its hours'."""
        connection.execute(
            f"DELETE FROM archive WHERE hour = {moment(day)} AND level IN (?, ?)", [level.value for level in OF_DAYS]
        )

    def remove_unlisted(self) -> None:
        """Remove the files that were replaced, expired, or left by a crash."""
        with self._guard:
            if not self._pins:
                self._remove_unlisted()

    def _remove_unlisted(self) -> None:
        with Snapshot(self._database) as snapshot:
            listed = {path for (path,) in snapshot.rows("SELECT path FROM archive")}
        for path in self._folder.glob("*/day=*/*"):
            if str(path.relative_to(self._database.folder)) not in listed:
                path.unlink()

    def adopt(self) -> None:
        """List the files of an archive whose database is new: it was moved away, and its hours stay readable."""
        if not self._database.is_new:
            return
        found = [(known, path) for path in self._folder.glob("*/day=*/*.parquet") if (known := levels.parsed(path))]
        hours = {start // levels.DAY for (_, level, start, _), _ in found if level is Level.ROLLUP}
        with self._database.write() as connection:
            for (scope, level, start, _), path in sorted(found, key=lambda one: one[0][3]):
                if level in OF_DAYS and start // levels.DAY in hours:
                    continue  # it may be one that was outdated: it is made again
                name = str(path.relative_to(self._database.folder))
                self.put(connection, [File(scope, level, start, name, path.stat().st_size, checksum(path))])


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
