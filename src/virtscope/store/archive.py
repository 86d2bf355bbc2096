"""The archive: hours that are over, as Parquet files that anybody can read, with their 5-minute rollups.

    <data>/archive/domain/day=2026-11-23/07-0.parquet       raw rows, sorted by object, then time
    <data>/archive/domain_5m/day=2026-11-23/07-0.parquet    steps of 5 minutes (see ``quantity_sql.steps``)

An hour leaves the hot tables in one move: its files are written under a temporary name, synced and renamed; then one
transaction deletes the hour's hot rows and lists the files. Whatever the moment of a crash, an hour is either hot or
listed, never both and never neither. Writing goes on beside that: only the last transaction is one that ingest waits
for, and where rows have come for the hour since its files were begun, they are written anew. Rows that come late for
an archived hour wait in the hot tables until the next run merges them: it writes the next generation (the number
behind the dash) of the hour's files. A file that is not listed any more is removed by the next run, when nobody reads
it still.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from virtscope.catalogue import MAX_GAP_SECONDS, Scope, metrics_of
from virtscope.store import quantity_sql
from virtscope.store.database import Database
from virtscope.store.snapshot import HOUR, RAW, ROLLUP, Snapshot, moment, quoted

log = logging.getLogger(__name__)

ROLLUP_STEP = 300_000
HOT = 2 * HOUR
"""How long an hour that is over stays in the hot tables."""
TRIES = 3
"""How often an hour is written beside ingest; if rows have come for it each time, ingest waits for the last one."""
_GAP = MAX_GAP_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, days."""

    raw_days: int = 14
    rollup_days: int = 400
    record_days: int = 400
    """Events, and descriptions that have been replaced."""


@dataclass(frozen=True, slots=True)
class _File:
    scope: Scope
    level: str
    path: str
    """Relative to the data folder."""
    hour: int


@dataclass(frozen=True, slots=True)
class _Written:
    """An hour as files that are not listed yet, and how many hot rows of each scope are in them."""

    hour: int
    rows: Mapping[Scope, int]
    files: Sequence[_File]


class Archive:
    """Moves hours out of the hot tables of one database."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._folder = database.folder / "archive"
        self._adopt()
        database.on_reopened(self._adopt)

    def run(self, now: int, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Archive every hour that is due, then forget what is past its retention; for one thread at a time.

        Args:
            now: Unix ms.
            goes_on: asked before each hour, whether there is time for it.
        """
        self._remove_unlisted()
        while goes_on() and (hour := self._due(now)) is not None:
            self._archive(hour)
        self._expire(now)

    def _due(self, now: int) -> int | None:
        """The oldest hour that has hot rows and is over for long enough."""
        oldest = " UNION ALL ".join(f"SELECT min(ts) AS ts FROM {scope.value}" for scope in Scope)
        with Snapshot(self._database) as snapshot:
            first = snapshot.rows(f"SELECT epoch_ms(min(ts)) FROM ({oldest})")[0][0]
        if first is None:
            return None
        hour = int(first) // HOUR * HOUR
        return hour if hour + HOUR + HOT <= now else None

    def _archive(self, hour: int) -> None:
        """Move one hour out of the hot tables; safe to repeat after a crash at any point of it."""
        for _ in range(TRIES):
            if self._move(self._write(hour)):
                break
        else:
            with self._database.exclusive():
                self._move(self._write(hour))
        log.info("archived the hour of %s", datetime.fromtimestamp(hour / 1000, UTC).isoformat())

    def _write(self, hour: int) -> _Written:
        """Write an hour's files, all as of one moment."""
        after = hour + HOUR
        with Snapshot(self._database) as snapshot:
            rows = {scope: snapshot.rows(_hot_rows(scope, hour))[0][0] for scope in Scope}
            files = [self._write_file(snapshot, scope, level, hour) for scope in Scope for level in (RAW, ROLLUP)]
            # Late rows change the first rate of the next hour.
            files += [
                self._write_file(snapshot, scope, ROLLUP, after)
                for scope in Scope
                if snapshot.files(scope, RAW, after, after + HOUR)
            ]
        return _Written(hour, rows, files)

    def _move(self, written: _Written) -> bool:
        """Have files stand for their hour's hot rows; not where rows have come that are not in them."""
        with self._database.write() as connection:
            for scope, rows in written.rows.items():
                if connection.execute(_hot_rows(scope, written.hour)).fetchall() != [(rows,)]:
                    return False
            for scope in Scope:
                connection.execute(f"DELETE FROM {scope.value} WHERE {_within(written.hour)}")
            for file in written.files:
                connection.execute(
                    f"INSERT OR REPLACE INTO archive VALUES (?, ?, {moment(file.hour)}, ?)",
                    [file.scope.value, file.level, file.path],
                )
        return True

    def _write_file(self, snapshot: Snapshot, scope: Scope, level: str, hour: int) -> _File:
        """Write one file of an hour, durably, under a name that no listed file has."""
        path = self._path(snapshot, scope, level, hour)
        target = self._database.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        snapshot.run(
            f"COPY ({self._content(snapshot, scope, level, hour)}) TO {quoted(str(temporary))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        _sync(temporary)
        temporary.rename(target)
        _sync(target.parent)
        return _File(scope, level, path, hour)

    def _content(self, snapshot: Snapshot, scope: Scope, level: str, hour: int) -> str:
        metrics = metrics_of(scope)
        order = ", ".join((*scope.keys[1:], "host", "ts"))
        if level == RAW:
            # What a server had archived when its database was lost, agents may have sent again.
            distinct = "DISTINCT " if snapshot.files(scope, RAW, hour, hour + HOUR) else ""
            return f"SELECT {distinct}* FROM ({snapshot.raw(scope, metrics, hour, hour + HOUR)}) ORDER BY {order}"
        steps = quantity_sql.steps(
            scope,
            metrics,
            snapshot.raw(scope, metrics, hour - _GAP, hour + HOUR),
            bucket=f"make_timestamp_ms(epoch_ms(ts) // {ROLLUP_STEP} * {ROLLUP_STEP})",
            where=f"ts >= {moment(hour)}",
        )
        if not snapshot.files(scope, RAW, hour, hour + HOUR) and (old := snapshot.rollups(scope, hour, hour + HOUR)):
            # The hour's raw rows are past their retention: what comes late is added to what is left of it.
            both = f"{steps} UNION ALL BY NAME SELECT * EXCLUDE (ts), ts AS step FROM ({old})"
            steps = quantity_sql.merged(scope, metrics, both)
        return f"SELECT step AS ts, * EXCLUDE (step) FROM ({steps}) ORDER BY {order}"

    def _path(self, snapshot: Snapshot, scope: Scope, level: str, hour: int) -> str:
        """Where the next generation of an hour's file goes, relative to the data folder."""
        folder = scope.value if level == RAW else f"{scope.value}_{level}"
        when = datetime.fromtimestamp(hour / 1000, UTC)
        listed = snapshot.files(scope, level, hour, hour + HOUR)
        generation = _generation(Path(listed[0])) + 1 if listed else 0
        return f"archive/{folder}/day={when:%Y-%m-%d}/{when:%H}-{generation}.parquet"

    def _expire(self, now: int) -> None:
        with self._database.write() as connection:
            for level, days in ((RAW, self._retention.raw_days), (ROLLUP, self._retention.rollup_days)):
                connection.execute(
                    f"DELETE FROM archive WHERE level = ? AND hour < {moment(now - days * 24 * HOUR - HOUR)}", [level]
                )

            self._expire_records(connection, now - self._retention.record_days * 24 * HOUR)

    def _expire_records(self, connection: duckdb.DuckDBPyConnection, before: int) -> None:
        """Forget old events, and descriptions that were old already when they were replaced; never the newest ones."""
        connection.execute(f"DELETE FROM events WHERE ts < {moment(before)}")
        connection.execute("DELETE FROM progress WHERE epoch < ? AND epoch > 1000000000000", [before])
        newer = "SELECT 1 FROM inventory AS newer WHERE (newer.kind, newer.id, newer.host) = (i.kind, i.id, i.host)"
        gone = connection.execute(
            f"DELETE FROM inventory AS i WHERE i.ts < {moment(before)} "
            f"AND EXISTS ({newer} AND newer.ts > i.ts AND newer.ts < {moment(before)})"
        ).fetchall()
        if gone and gone[0][0]:
            used = "SELECT unnest(regexp_extract_all(document, 'sha256:([0-9a-f]{64})', 1)) FROM inventory"
            connection.execute(f"DELETE FROM texts WHERE hash NOT IN ({used})")

    def _remove_unlisted(self) -> None:
        """Remove the files that were replaced, expired, or left by a crash."""
        with Snapshot(self._database) as snapshot:
            listed = {path for (path,) in snapshot.rows("SELECT path FROM archive")}
        for path in self._folder.glob("*/day=*/*"):
            if str(path.relative_to(self._database.folder)) not in listed:
                path.unlink()

    def _adopt(self) -> None:
        """List the files of an archive whose database is new: it was moved away, and its hours stay readable."""
        if not self._database.is_new:
            return
        levels = {**{s.value: (s, RAW) for s in Scope}, **{f"{s.value}_{ROLLUP}": (s, ROLLUP) for s in Scope}}
        with self._database.write() as connection:
            for path in sorted(self._folder.glob("*/day=*/*.parquet"), key=_generation):
                if (known := levels.get(path.parent.parent.name)) is None:
                    continue
                day, clock = path.parent.name.removeprefix("day="), path.stem.partition("-")[0]
                hour = int(datetime.fromisoformat(f"{day}T{clock}:00:00+00:00").timestamp() * 1000)
                connection.execute(
                    f"INSERT OR REPLACE INTO archive VALUES (?, ?, {moment(hour)}, ?)",
                    [known[0].value, known[1], str(path.relative_to(self._database.folder))],
                )


def _within(hour: int) -> str:
    return f"ts >= {moment(hour)} AND ts < {moment(hour + HOUR)}"


def _hot_rows(scope: Scope, hour: int) -> str:
    """How many rows of an hour are hot: rows only ever come, until the hour is moved."""
    return f"SELECT count(*) FROM {scope.value} WHERE {_within(hour)}"


def _generation(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
