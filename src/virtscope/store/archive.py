"""The archive: hours that are over, as Parquet files that anybody can read, with their 5-minute rollups.

    <data>/archive/domain/day=2026-11-23/07-0.parquet       raw rows, sorted by object, then time
    <data>/archive/domain_5m/day=2026-11-23/07-0.parquet    steps of 5 minutes (see ``quantity_sql.steps``)

An hour leaves the hot tables in one move: its files are written under a temporary name, synced and renamed; then one
transaction deletes the hour's hot rows and lists the files. Whatever the moment of a crash, an hour is either hot or
listed, never both and never neither. Rows that come late for an archived hour wait in the hot tables until the next
run merges them: it writes the next generation (the number behind the dash) of the hour's files. A file that is not
listed any more is removed by the next run, when nobody reads it still.
"""

from __future__ import annotations

import logging
import os
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


class Archive:
    """Moves hours out of the hot tables of one database."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._folder = database.folder / "archive"
        self._adopt()
        database.on_reopened(self._adopt)

    def run(self, now: int) -> None:
        """Archive every hour that is due, then forget what is past its retention. Unix ms."""
        self._remove_unlisted()
        while (hour := self._due(now)) is not None:
            self._archive(hour)
            if self._is_archived(hour + HOUR):
                self._archive(hour + HOUR)  # late rows change the first rate of the next hour
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

    def _is_archived(self, hour: int) -> bool:
        with Snapshot(self._database) as snapshot:
            return bool(snapshot.files(Scope.DOMAIN, RAW, hour, hour + HOUR))

    def _archive(self, hour: int) -> None:
        """Move one hour out of the hot tables; safe to repeat after a crash at any point of it."""
        written = [self._write(scope, level, hour) for scope in Scope for level in (RAW, ROLLUP)]
        within = f"ts >= {moment(hour)} AND ts < {moment(hour + HOUR)}"
        with self._database.write() as connection:
            for scope in Scope:
                connection.execute(f"DELETE FROM {scope.value} WHERE {within}")
            for file in written:
                connection.execute(
                    f"INSERT OR REPLACE INTO archive VALUES (?, ?, {moment(hour)}, ?)",
                    [file.scope.value, file.level, file.path],
                )
        log.info("archived the hour of %s", datetime.fromtimestamp(hour / 1000, UTC).isoformat())

    def _write(self, scope: Scope, level: str, hour: int) -> _File:
        """Write one file of an hour, durably, under a name that no listed file has."""
        with Snapshot(self._database) as snapshot:
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
        return _File(scope, level, path)

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
        return f"SELECT step AS ts, * EXCLUDE (step) FROM ({steps}) ORDER BY {order}"

    def _path(self, snapshot: Snapshot, scope: Scope, level: str, hour: int) -> str:
        """Where the next generation of an hour's file goes, relative to the data folder."""
        folder = scope.value if level == RAW else f"{scope.value}_{level}"
        when = datetime.fromtimestamp(hour / 1000, UTC)
        listed = snapshot.files(scope, level, hour, hour + HOUR)
        generation = int(Path(listed[0]).stem.partition("-")[2]) + 1 if listed else 0
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
            for path in sorted(self._folder.glob("*/day=*/*.parquet")):
                if (known := levels.get(path.parent.parent.name)) is None:
                    continue
                day, clock = path.parent.name.removeprefix("day="), path.stem.partition("-")[0]
                hour = int(datetime.fromisoformat(f"{day}T{clock}:00:00+00:00").timestamp() * 1000)
                connection.execute(
                    f"INSERT OR REPLACE INTO archive VALUES (?, ?, {moment(hour)}, ?)",
                    [known[0].value, known[1], str(path.relative_to(self._database.folder))],
                )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
