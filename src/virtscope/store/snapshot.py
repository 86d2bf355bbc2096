"""A snapshot: hot tables and archived hours read as one, as they were at one moment.

Which hours are archived is itself a table, read in the same transaction as the rows: so an hour that moves from hot to
archived while somebody reads is seen once, never twice and never not at all.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from virtscope.catalogue import Metric, Scope
from virtscope.errors import StoreError
from virtscope.schema import quoted
from virtscope.store import quantity_sql
from virtscope.store.database import Database
from virtscope.store.levels import DAY, HOUR, ROLLUP_STEP, Level


class Snapshot:
    """One reader's view, for one thread; use as a context manager."""

    def __init__(self, database: Database) -> None:
        self._folder: Path = database.folder
        self._cursor: duckdb.DuckDBPyConnection = database.cursor()

    def __enter__(self) -> Self:
        self._cursor.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cursor.close()

    def register(self, name: str, rows: pa.Table) -> None:
        """Let queries of this snapshot read a table by a name."""
        self._cursor.register(name, rows)

    def rows(self, query: str, parameters: object = None) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            StoreError: a file of the archive is missing or damaged.
        """
        with _readable():
            return self._cursor.execute(query, parameters).fetchall()

    def table(self, query: str) -> pa.Table:
        """The rows of a query as an Arrow table."""
        with _readable():
            found = self._cursor.sql(query)
            assert found is not None, "BUG: not a query"
            table: pa.Table = found.to_arrow_table()
            return table

    def run(self, statement: str, seconds: float | None = None) -> None:
        """Execute a statement that has no rows.

        Raises:
            duckdb.InterruptException: it takes longer than so many seconds.
        """
        timer = threading.Timer(seconds or 0, self._cursor.interrupt)
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            with _readable():
                self._cursor.execute(statement)
        finally:
            timer.cancel()

    def archived_through(self) -> int:
        """The end of the newest archived hour, Unix ms; 0 where there is none. Later rows are hot."""
        newest = self.rows("SELECT level, epoch_ms(max(hour)) FROM archive GROUP BY level")
        return max((at + Level(level).span for level, at in newest), default=0)

    def listed(self, scope: Scope, level: Level, start: int, end: int) -> list[tuple[int, str]]:
        """The files that hold something of a scope between two times: when each begins, and its path, oldest first."""
        found = self.rows(
            f"SELECT epoch_ms(hour), path FROM archive WHERE scope = ? AND level = ? "
            f"AND hour > {moment(start - level.span)} AND hour < {moment(end)} ORDER BY hour",
            [scope.value, level.value],
        )
        return [(begin, str(self._folder / path)) for begin, path in found]

    def files(self, scope: Scope, level: Level, start: int, end: int) -> list[str]:
        """Their paths."""
        return [path for _, path in self.listed(scope, level, start, end)]

    def raw(self, scope: Scope, metrics: Sequence[Metric], start: int, end: int, where: str = "true") -> str:
        """A query for the raw rows of a scope from ``start`` to ``end`` (Unix ms)."""
        columns = ", ".join(("ts", *scope.keys, *(f'"{metric.name}"' for metric in metrics)))
        within = f"ts >= {moment(start)} AND ts < {moment(end)} AND {where}"
        hot = f"SELECT {columns} FROM {scope.value} WHERE {within}"
        files = self.files(scope, Level.RAW, start, end)
        if not files:
            return hot
        # A file that an older version wrote lacks the metrics that came since: by name, they are unknown in it.
        return f"{hot} UNION ALL BY NAME SELECT * FROM {parquet(files)} WHERE {within}"

    def rollups(  # which of them
        self, scope: Scope, start: int, end: int, step: int, where: str = "true", without: Collection[int] = ()
    ) -> str | None:
        """A query for the steps of a scope's archived hours, by ``ts``; None where none are.

        Hours where whole hours are asked for (``step``, ms) and the day's files are there, else steps of 5 minutes.
        Days that begin at one of the times ``without`` are left out.
        """
        days = dict(self.listed(scope, Level.HOURLY, start, end)) if step % HOUR == 0 else {}
        fine = [
            path
            for begin, path in self.listed(scope, Level.ROLLUP, start, end)
            if (day := begin // DAY * DAY) not in days and day not in without
        ]
        coarse = [path for begin, path in days.items() if begin not in without]
        within = f"ts >= {moment(start)} AND ts < {moment(end)} AND {where}"
        parts = [f"SELECT * FROM {parquet(files)} WHERE {within}" for files in (fine, coarse) if files]
        return " UNION ALL BY NAME ".join(parts) or None

    def five_minutes(self, scope: Scope, metrics: Sequence[Metric], start: int, end: int) -> str:
        """A query for the 5-minute steps of archived hours, with all these metrics' columns, empty where none are."""
        nothing = quantity_sql.steps(scope, metrics, self.raw(scope, metrics, start, start), "ts")
        old = self.rollups(scope, start, end, ROLLUP_STEP)
        empty = f"SELECT * EXCLUDE (step), step AS ts FROM ({nothing})"
        return f"{empty} UNION ALL BY NAME ({old})" if old else empty

    def sketches(self, scope: Scope, start: int, end: int) -> dict[int, str]:
        """The sketches of the days that lie wholly between two times: when each begins, and its file."""
        return {
            begin: path
            for begin, path in self.listed(scope, Level.SKETCH, start, end)
            if start <= begin and begin + DAY <= end
        }


@contextmanager
def _readable() -> Iterator[None]:
    """A file that cannot be read, told to people."""
    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        reason = str(error).partition("\n")[0]
        if ".parquet" not in reason:
            raise
        raise StoreError(
            f"a file of the archive cannot be read: {reason}",
            "'virtscope store check --repair' puts it away, and makes it again where that can be done.",
        ) from error


def moment(ms: int) -> str:
    """A time as a literal: DuckDB skips what a literal bound excludes, and reads everything for a computed one."""
    return f"make_timestamp_ms({int(ms)})"


def parquet(files: Sequence[str]) -> str:
    """A table function that reads these files as one, by the names of their columns."""
    names = ", ".join(quoted(name) for name in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
