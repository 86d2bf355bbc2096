"""The registry: who may come in, in an SQLite file of its own beside the samples.

It is small, changes seldom, and must be whole whatever happens: every change is one transaction that is on the disk
when it returns. Samples are elsewhere, so that losing or moving them away logs nobody out.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from virtscope.errors import StoreError

FILE = "access.sqlite"


class Registry:
    """The open file, for any thread. Each part of the server defines its own tables in it."""

    def __init__(self, folder: Path) -> None:
        """Open it in the data folder, or make it there (mode 0600).

        Raises:
            StoreError: it cannot be opened.
        """
        path = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open {path}: {error}", "Is the folder writable? Is the file whole?") from None
        self._guard = threading.RLock()

    def define(self, *statements: str) -> None:
        """Make tables that are not there yet (``CREATE TABLE IF NOT EXISTS …``)."""
        with self.write() as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._guard:
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable at the end of the block, undone on an error.

        Raises:
            StoreError: the disk is full or failing; nothing has changed. What breaks a table's rules stays SQLite's
                ``IntegrityError``.
        """
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
                    raise StoreError(f"cannot write to {FILE}: {error}", "Is the disk full?") from error
                raise

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._connection.close()
