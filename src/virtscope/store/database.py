"""The embedded database: one DuckDB file in the data folder, opened once, guarded against what a file can suffer."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from virtscope import __version__
from virtscope.catalogue import Scope
from virtscope.errors import StoreError
from virtscope.schema import columns, ddl, quoted
from virtscope.store.damage import is_damage, quarantine
from virtscope.store.migrations import FORMAT, migrate

log = logging.getLogger(__name__)

MEMORY_LIMIT = "1GB"
CHECKPOINT_THRESHOLD = "32MB"
UNFINISHED = "unfinished-"
"""What the names of folders begin with in which something is being made that nobody needs later."""
FREE_SPACE_FLOOR = 64 * 1024 * 1024
"""Bytes that stay free on the data folder's disk: below, nothing is written, and what was written stays readable."""

_REFUSALS = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.ConnectionException,
)
"""What is wrong with the store and not with what it is given."""

_META = "CREATE TABLE IF NOT EXISTS meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)"
_TABLES = """
CREATE TABLE IF NOT EXISTS progress (
    agent VARCHAR, epoch BIGINT, first BIGINT, last BIGINT NOT NULL, PRIMARY KEY (agent, epoch, first));
CREATE TABLE IF NOT EXISTS inventory (
    ts TIMESTAMP_MS NOT NULL, kind VARCHAR NOT NULL, id VARCHAR NOT NULL, host VARCHAR NOT NULL, document VARCHAR);
CREATE TABLE IF NOT EXISTS texts (hash VARCHAR PRIMARY KEY, text VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    agent VARCHAR, uri VARCHAR, document VARCHAR NOT NULL, PRIMARY KEY (agent, uri));
CREATE TABLE IF NOT EXISTS events (
    ts TIMESTAMP_MS NOT NULL, host VARCHAR NOT NULL, domain VARCHAR, kind VARCHAR NOT NULL, detail VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS findings (
    id VARCHAR, first TIMESTAMP_MS, analysis VARCHAR NOT NULL, last TIMESTAMP_MS NOT NULL, gone TIMESTAMP_MS,
    document VARCHAR NOT NULL, PRIMARY KEY (id, first));
CREATE TABLE IF NOT EXISTS analysis_runs (
    analysis VARCHAR NOT NULL, ts TIMESTAMP_MS NOT NULL, seconds DOUBLE NOT NULL, findings BIGINT NOT NULL,
    problem VARCHAR);
CREATE TABLE IF NOT EXISTS dismissals (
    id VARCHAR PRIMARY KEY, ts TIMESTAMP_MS NOT NULL, until TIMESTAMP_MS, who VARCHAR NOT NULL,
    reason VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS archive (
    scope VARCHAR, level VARCHAR, hour TIMESTAMP_MS, path VARCHAR NOT NULL, bytes BIGINT, checksum VARCHAR,
    PRIMARY KEY (scope, level, hour));
"""


@contextmanager
def unfinished(folder: Path) -> Iterator[str]:
    """A folder below the data folder for what is not finished; it goes with the block, or else at the next start."""
    name = tempfile.mkdtemp(dir=folder, prefix=UNFINISHED)
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)


class Database:
    """The open file. ``write`` is for one writer at a time; ``cursor`` gives a reader of its own."""

    def __init__(self, folder: Path, floor: int | None = None) -> None:
        """Open or make the data folder; ``floor`` bytes stay free on its disk, FREE_SPACE_FLOOR where it is not told.

        Raises:
            StoreError: it cannot be used, with the reason and what to do.
        """
        self.folder = folder
        self._path = folder / "hot.duckdb"
        self._floor = floor
        self._writing = threading.RLock()
        self._is_open = False
        self._listeners: list[Callable[[], None]] = []
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the data folder {folder}: {error.strerror}", "Choose another with --data."
            ) from None
        self.is_new = not (self._path.exists() and self._path.stat().st_size)
        self.id = ""
        """Which store this is: one that had to begin anew is another one."""
        for left in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        self.require_space()
        self._connection = self._open()
        self._is_open = True

    def on_reopened(self, listener: Callable[[], None]) -> None:
        """Have it called, in the writing thread, when the file had to be opened anew.

        What is in it then may be more than was known (a commit that failed behind the point where it was durable), or
        less (the file was damaged, and is another one now).
        """
        self._listeners.append(listener)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one reader thread, on the same database; close it after use."""
        return self._connection.cursor()

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed at the end of the block, undone on an error.

        Raises:
            StoreError: the disk is full or failing, or the database had to give up; try again later. What is wrong
                with the data themselves stays DuckDB's error.
        """
        with self._writing:
            try:
                if not self._is_open:
                    self._reopen()
                self.require_space()
            except (OSError, MemoryError, duckdb.Error) as error:
                raise self._refused(error) from error
            cursor = self._connection.cursor()
            try:
                cursor.begin()
                yield cursor
                cursor.commit()
            except (*_REFUSALS, OSError, MemoryError) as error:
                raise self._failed(cursor, error) from error
            except BaseException:
                cursor.rollback()
                raise
            finally:
                cursor.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else writes in this block; whoever wants to waits."""
        with self._writing:
            yield

    def require_space(self) -> None:
        """Raise StoreError where the disk is nearly full."""
        free, floor = shutil.disk_usage(self.folder).free, FREE_SPACE_FLOOR if self._floor is None else self._floor
        if free < floor:
            raise StoreError(
                f"the disk of {self.folder} is full: {free // 1024 // 1024} MiB are free, "
                f"{floor // 1024 // 1024} MiB must stay so (keep-free)",
                "Make room there, or choose another folder with --data.",
            )

    def read_through(self) -> None:
        """Read all of it once, so that damage is found at the start and not by whoever asks for it later.

        Raises:
            duckdb.Error: something cannot be read.
        """
        cursor = self.cursor()
        try:
            tables = cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            for (table,) in tables:
                cursor.execute(f'SELECT bit_xor(hash(COLUMNS(*))) FROM "{table}"').fetchall()
        finally:
            cursor.close()

    def copy_to(self, path: Path) -> None:
        """Copy the file as of one moment, while others read and write; the copy lies within the data folder.

        Raises:
            StoreError: there is no room for it.
        """
        self.require_space()
        cursor = self.cursor()
        try:
            (name,) = cursor.execute("SELECT current_database()").fetchall()[0]
            cursor.execute(f"ATTACH {quoted(str(path))} AS copy")
            try:
                cursor.execute(f"COPY FROM DATABASE {name} TO copy")
            finally:
                cursor.execute("DETACH copy")
        except (duckdb.IOException, OSError) as error:
            raise self._refused(error) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Write everything into the file and close it."""
        with self._writing:
            self._connection.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._opened()
        except duckdb.Error as error:
            if not is_damage(error):
                raise self._unusable(error) from error
            self.put_away(str(error).splitlines()[0])
        try:
            return self._opened()
        except duckdb.Error as error:
            raise self._unusable(error) from error

    def put_away(self, reason: str) -> None:
        """Move the hot file into quarantine: it is damaged. Only while nobody has it open.

        Raises:
            StoreError: that is not possible.
        """
        try:
            quarantine(self._path, reason)
        except OSError as error:
            raise StoreError(
                f"{self._path} is damaged ({reason}) and cannot be moved away: {error.strerror}",
                "Move it away by hand (keep it), and start again.",
            ) from None
        self.is_new = True

    def _opened(self) -> duckdb.DuckDBPyConnection:
        connection = self._connected()
        try:
            found = self._found_format(connection)
            if found < FORMAT:
                connection.close()
                self._keep_copy(found)
                connection = self._connected()
                migrate(connection, found)
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            folder = str(self.folder.resolve()).replace("'", "''")
            connection.execute(f"SET allowed_directories = ['{folder}']")
            connection.execute("SET enable_external_access = false")
            self._make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(
            str(self._path),
            config={"memory_limit": MEMORY_LIMIT, "checkpoint_threshold": CHECKPOINT_THRESHOLD},
        )

    def _found_format(self, connection: duckdb.DuckDBPyConnection) -> int:
        """The format of what is there; ours, where nothing is yet."""
        connection.execute(_META)
        row = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        if row is None:
            return FORMAT
        if int(row[0]) > FORMAT:
            raise StoreError(
                f"the data folder {self.folder} was written by a newer virtscope (format {row[0]}, this one reads "
                f"{FORMAT})",
                "Upgrade virtscope, or choose another folder with --data.",
            )
        return int(row[0])

    def _keep_copy(self, found: int) -> None:
        """Keep the file as the older version left it: closing has written its log into it."""
        copy = self._path.with_name(f"{self._path.name}.format-{found}")
        temporary = copy.with_name(f"{copy.name}.new")
        try:
            shutil.copyfile(self._path, temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(copy)  # an older copy is of a time that somebody went back to
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(
                f"cannot keep a copy of {self._path} before it is migrated: {error.strerror}", "Make room there."
            ) from None
        log.info("the data folder %s is brought from format %d to %d; %s is a copy", self.folder, found, FORMAT, copy)

    def _make_tables(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(_TABLES)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?), ('version', ?)", [FORMAT, __version__])
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", [str(uuid.uuid4())])
        row = connection.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
        self.id = row[0] if row else ""
        for scope in Scope:
            connection.execute(ddl(scope))
            self._add_columns(connection, scope)

    def _add_columns(self, connection: duckdb.DuckDBPyConnection, scope: Scope) -> None:
        """Give a table that an older version made the columns of the metrics that came since."""
        have = {row[0] for row in connection.execute(f"DESCRIBE {scope.value}").fetchall()}
        for column in columns(scope):
            if column.name not in have:
                connection.execute(f'ALTER TABLE {scope.value} ADD COLUMN "{column.name}" {column.type}')

    def _reopen(self) -> None:
        """Open the file anew, and tell everybody.

        Raises:
            StoreError: not now; the next to write tries again.
        """
        self._connection.close()
        self._connection = self._open()
        self._is_open = True
        try:
            for listener in self._listeners:
                listener()
        except BaseException:
            self._is_open = False
            raise

    def _unusable(self, error: duckdb.Error) -> StoreError:
        text = str(error)
        if "lock" in text and "PID" in text:
            pid = text.partition("PID ")[2].partition(")")[0]
            return StoreError(
                f"the data folder {self.folder} is in use by another process (pid {pid})",
                "Stop that one first, or choose another folder with --data.",
            )
        return StoreError(
            f"cannot open {self._path}: {text.splitlines()[0]}",
            "Move the file away (keep it) and start again: the hourly archive beside it stays in use.",
        )

    def _refused(self, error: BaseException) -> StoreError:
        """What is wrong with the store or its disk, and not with what it is given."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return StoreError(f"could not write to {self._path}: {reason}", "Is the disk full, or failing?")

    def _failed(self, cursor: duckdb.DuckDBPyConnection, error: BaseException) -> StoreError:
        """Undo the transaction; after an error that is fatal to DuckDB's instance, open it anew."""
        try:
            cursor.rollback()
        except duckdb.Error:
            log.warning("%s must be opened anew: %s", self._path, str(error).splitlines()[0])
            self._is_open = False
            try:
                self._reopen()
            except (OSError, MemoryError, duckdb.Error) as another:
                return self._refused(another)
        return self._refused(error)
