"""A snapshot: hot tables and archived hours read as one, as they were at one moment.

Which hours are archived is itself a table, read in the same transaction as the rows: so an hour that moves from hot to
archived while somebody reads is seen once, never twice and never not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from virtscope.catalogue import Metric, Scope
from virtscope.store.database import Database

HOUR = 3_600_000
RAW, ROLLUP = "raw", "5m"
"""The levels of the archive: raw rows, and steps of 5 minutes."""


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

    def rows(self, query: str, parameters: object = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._cursor.execute(query, parameters).fetchall()

    def table(self, query: str) -> pa.Table:
        """The rows of a query as an Arrow table."""
        found = self._cursor.sql(query)
        assert found is not None, "BUG: not a query"
        table: pa.Table = found.to_arrow_table()
        return table

    def run(self, statement: str) -> None:
        """Execute a statement that has no rows."""
        self._cursor.execute(statement)

    def archived_through(self) -> int:
        """The end of the newest archived hour, Unix ms; 0 where there is none. Later rows are hot."""
        newest = self.rows("SELECT epoch_ms(max(hour)) FROM archive")[0][0]
        return 0 if newest is None else int(newest) + HOUR

    def files(self, scope: Scope, level: str, start: int, end: int) -> list[str]:
        """The files that hold rows of a scope between two times, oldest first."""
        found = self.rows(
            f"SELECT path FROM archive WHERE scope = ? AND level = ? "
            f"AND hour > {moment(start - HOUR)} AND hour < {moment(end)} ORDER BY hour",
            [scope.value, level],
        )
        return [str(self._folder / path) for (path,) in found]

    def raw(self, scope: Scope, metrics: Sequence[Metric], start: int, end: int, where: str = "true") -> str:
        """A query for the raw rows of a scope from ``start`` to ``end`` (Unix ms)."""
        columns = ", ".join(("ts", *scope.keys, *(f'"{metric.name}"' for metric in metrics)))
        within = f"ts >= {moment(start)} AND ts < {moment(end)} AND {where}"
        hot = f"SELECT {columns} FROM {scope.value} WHERE {within}"
        files = self.files(scope, RAW, start, end)
        if not files:
            return hot
        # A file that an older version wrote lacks the metrics that came since: by name, they are unknown in it.
        return f"{hot} UNION ALL BY NAME SELECT * FROM {parquet(files)} WHERE {within}"

    def rollups(self, scope: Scope, start: int, end: int, where: str = "true") -> str | None:
        """A query for the 5-minute steps of a scope's archived hours, by ``ts``; None where none are."""
        files = self.files(scope, ROLLUP, start, end)
        if not files:
            return None
        return f"SELECT * FROM {parquet(files)} WHERE ts >= {moment(start)} AND ts < {moment(end)} AND {where}"


def moment(ms: int) -> str:
    """A time as a literal: DuckDB skips what a literal bound excludes, and reads everything for a computed one."""
    return f"make_timestamp_ms({int(ms)})"


def parquet(files: Sequence[str]) -> str:
    """A table function that reads these files as one, by the names of their columns."""
    names = ", ".join(quoted(name) for name in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"
