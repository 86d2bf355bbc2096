"""The archive: hours and days that are over, as Parquet files that anybody can read (see ``levels``).

An hour leaves the hot tables in one move: its files are written under a temporary name, synced and renamed; then one
transaction deletes the hour's hot rows and lists the files. Whatever the moment of a crash, an hour is either hot or
listed, never both and never neither. Writing goes on beside that: only the last transaction is one that ingest waits
for, and where rows have come for the hour since its files were begun, they are written anew.

Rows that come late for an archived hour wait in the hot tables until the next run merges them: it writes the next
generation of the hour's files, and the same transaction outdates the files of its day. A day whose hours are all
archived and that has no files of its own is made of their rollups, whether it is over just now or was outdated. A file
that is not listed any more is removed by the next run, when nobody reads it still.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from virtscope.catalogue import MAX_GAP_SECONDS, Quantity, Scope, metrics_of, quantities_of
from virtscope.store import backup, checking, quantity_sql, sketch
from virtscope.store.checking import Checked, Flaw
from virtscope.store.database import Database
from virtscope.store.files import File, Files
from virtscope.store.levels import DAY, HOUR, OF_DAYS, OF_HOURS, ROLLUP_STEP, Held, Level, Retention
from virtscope.store.snapshot import Snapshot, moment

log = logging.getLogger(__name__)

HOT = 2 * HOUR
"""How long an hour that is over stays in the hot tables."""
TRIES = 3
"""How often an hour is written beside ingest; if rows have come for it each time, ingest waits for the last one."""
_GAP = MAX_GAP_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class _Written:
    """An hour as files that are not listed yet, and how many hot rows of each scope are in them."""

    hour: int
    rows: Mapping[Scope, int]
    files: Sequence[File]


class Archive:
    """Moves hours out of the hot tables of one database, and makes days of them."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._files = Files(database)
        self._turn = threading.Lock()
        self._files.adopt()
        database.on_reopened(self._files.adopt)

    def run(self, now: int, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Archive every hour and day that is due, then forget what is past its retention.

        Args:
            now: Unix ms.
            goes_on: asked before each hour and day, whether there is time for it.
        """
        with self._turn:
            self._files.remove_unlisted()
            self._files.measure()
        while goes_on() and self._step(now):
            pass
        if goes_on():
            self._expire(now)

    def backup(self) -> Iterator[bytes]:
        """All of the data folder as it is now, as the bytes of a tar (see ``backup``)."""
        return backup.stream(self._database, self._files)

    def check(self) -> Checked:
        """Read every file, and tell which are not what was written."""
        return checking.check(self._database, self._files)

    def mend(self, flaw: Flaw) -> str:
        """Put such a file into quarantine, and make it again where that can be done; tells what is lost."""
        with self._turn:
            checking.put_away(self._database.folder, flaw)
            day = flaw.start // DAY * DAY
            with Snapshot(self._database) as snapshot:
                has_raw = bool(snapshot.files(flaw.scope, Level.RAW, flaw.start, flaw.start + 1))
                has_rollups = bool(snapshot.files(flaw.scope, Level.ROLLUP, day, day + DAY))
            with self._database.write() as connection:
                connection.execute("DELETE FROM archive WHERE path = ?", [flaw.path])
                if has_rollups and flaw.level is not Level.RAW:
                    self._files.outdate(connection, day)
            if flaw.level is Level.ROLLUP and has_raw:
                with Snapshot(self._database) as snapshot:
                    content = _hour_content(snapshot, flaw.scope, flaw.level, flaw.start)
                    file = self._files.write(snapshot, flaw.scope, flaw.level, flaw.start, content)
                with self._database.write() as connection:
                    self._files.put(connection, [file])
                return "made again of the samples"
        if flaw.level in OF_DAYS and has_rollups:
            return "to be made again of the steps of 5 minutes, in a minute"
        return "lost: what coarser levels hold of it is still there"

    def _step(self, now: int) -> bool:
        """Archive one hour or day that is due; whether there was one."""
        with self._turn:
            if (hour := self._due_hour(now)) is not None:
                self._archive_hour(hour, now)
                return True
            if (day := self._due_day(now)) is not None:
                self._archive_day(day)
                return True
        return False

    def held(self) -> list[Held]:
        """What there is of each level, finest first."""
        with Snapshot(self._database) as snapshot:
            rows = snapshot.rows(
                "SELECT level, count(*), sum(bytes)::BIGINT, epoch_ms(min(hour)), epoch_ms(max(hour)) "
                "FROM archive GROUP BY level"
            )
            spans = " UNION ALL ".join(f"SELECT min(ts) AS a, max(ts) AS b FROM {scope.value}" for scope in Scope)
            (hot,) = snapshot.rows(f"SELECT epoch_ms(min(a)), epoch_ms(max(b)) FROM ({spans})")
        found = {Level(level): rest for level, *rest in rows}
        path = self._database.folder / "hot.duckdb"
        sizes = [one.stat().st_size for one in (path, path.with_name("hot.duckdb.wal")) if one.exists()]
        return [Held("hot", None, len(sizes), sum(sizes), *hot)] + [
            Held(level.value, self._retention.days(level), files, size or 0, oldest, newest + level.span)
            for level in Level
            if level in found
            for files, size, oldest, newest in [found[level]]
        ]

    def _due_hour(self, now: int) -> int | None:
        """The oldest hour that has hot rows and is over for long enough."""
        oldest = " UNION ALL ".join(f"SELECT min(ts) AS ts FROM {scope.value}" for scope in Scope)
        with Snapshot(self._database) as snapshot:
            first = snapshot.rows(f"SELECT epoch_ms(min(ts)) FROM ({oldest})")[0][0]
        if first is None:
            return None
        hour = int(first) // HOUR * HOUR
        return hour if hour + HOUR + HOT <= now else None

    def _due_day(self, now: int) -> int | None:
        """The oldest day that is archived to its end and has no files of its own."""
        with Snapshot(self._database) as snapshot:
            first = snapshot.rows(
                f"""SELECT epoch_ms(min(time_bucket(INTERVAL 1 DAY, hour))) FROM archive
                    WHERE level = ? AND hour < {moment((now - HOUR - HOT) // DAY * DAY)}
                    AND time_bucket(INTERVAL 1 DAY, hour) NOT IN (SELECT hour FROM archive WHERE level = ?)""",
                [Level.ROLLUP.value, Level.HOURLY.value],
            )[0][0]
        return None if first is None else int(first)

    def _archive_hour(self, hour: int, now: int) -> None:
        """Move one hour out of the hot tables; safe to repeat after a crash at any point of it."""
        levels = [level for level in OF_HOURS if hour >= self._retention.begin(level, now)]
        for _ in range(TRIES):
            if self._move(self._write(hour, levels)):
                break
        else:
            with self._database.exclusive():
                self._move(self._write(hour, levels))
        log.info("%s the hour of %s", "archived" if levels else "forgot, for it came too late,", _utc(hour))

    def _archive_day(self, day: int) -> None:
        """Make a day's files out of its hours'."""
        with Snapshot(self._database) as snapshot:
            files = [
                self._files.write(snapshot, scope, level, day, _day_content(snapshot, scope, level, day))
                for level in OF_DAYS
                for scope in Scope
                if level.has(scope) and snapshot.files(scope, Level.ROLLUP, day, day + DAY)
            ]
        with self._database.write() as connection:
            self._files.put(connection, files)
        log.info("archived the day of %s", _utc(day))

    def _write(self, hour: int, levels: Sequence[Level]) -> _Written:
        """Write an hour's files, all as of one moment."""
        after = hour + HOUR
        with Snapshot(self._database) as snapshot:
            rows = {scope: snapshot.rows(_hot_rows(scope, hour))[0][0] for scope in Scope}
            wanted = [(scope, level, hour) for scope in Scope if rows[scope] for level in levels]
            # Late rows change the first rate of the next hour.
            wanted += [
                (scope, Level.ROLLUP, after)
                for scope in Scope
                if rows[scope] and snapshot.files(scope, Level.RAW, after, after + HOUR)
            ]
            files = [self._files.write(snapshot, *one, _hour_content(snapshot, *one)) for one in wanted]
        return _Written(hour, rows, files)

    def _move(self, written: _Written) -> bool:
        """Have files stand for their hour's hot rows; not where rows have come that are not in them."""
        with self._database.write() as connection:
            for scope, rows in written.rows.items():
                if connection.execute(_hot_rows(scope, written.hour)).fetchall() != [(rows,)]:
                    return False
            for scope in Scope:
                connection.execute(f"DELETE FROM {scope.value} WHERE {_within(written.hour)}")
            self._files.put(connection, written.files)
            for day in {file.start // DAY * DAY for file in written.files}:
                self._files.outdate(connection, day)
        return True

    def _expire(self, now: int) -> None:
        with self._database.write() as connection:
            for level in Level:
                begin = moment(self._retention.begin(level, now))
                connection.execute(f"DELETE FROM archive WHERE level = ? AND hour < {begin}", [level.value])
            _expire_records(connection, now - self._retention.record_days * DAY)


def _hour_content(snapshot: Snapshot, scope: Scope, level: Level, hour: int) -> str:
    """A query for what an hour's file holds."""
    metrics, end = metrics_of(scope), hour + HOUR
    if level is Level.RAW:
        # What a server had archived when its database was lost, agents may have sent again.
        distinct = "DISTINCT " if snapshot.files(scope, level, hour, end) else ""
        return f"SELECT {distinct}* FROM ({snapshot.raw(scope, metrics, hour, end)}) ORDER BY {_order(scope)}"
    steps = quantity_sql.steps(
        scope,
        metrics,
        snapshot.raw(scope, metrics, hour - _GAP, end),
        bucket=f"make_timestamp_ms(epoch_ms(ts) // {ROLLUP_STEP} * {ROLLUP_STEP})",
        where=f"ts >= {moment(hour)}",
    )
    if not snapshot.files(scope, Level.RAW, hour, end) and (old := snapshot.rollups(scope, hour, end, ROLLUP_STEP)):
        # The hour's raw rows are past their retention: what comes late is added to what is left of it.
        both = f"{steps} UNION ALL BY NAME SELECT * EXCLUDE (ts), ts AS step FROM ({old})"
        steps = quantity_sql.merged(scope, metrics, both)
    return f"SELECT step AS ts, * EXCLUDE (step) FROM ({steps}) ORDER BY {_order(scope)}"


def _day_content(snapshot: Snapshot, scope: Scope, level: Level, day: int) -> str:
    """A query for what a day's file holds, out of the 5-minute steps of its hours."""
    if level is Level.HOURLY:
        metrics = metrics_of(scope)
        old = snapshot.five_minutes(scope, metrics, day, day + DAY)
        steps = quantity_sql.merged(scope, metrics, old, f"make_timestamp_ms(epoch_ms(ts) // {HOUR} * {HOUR})")
        return f"SELECT step AS ts, * EXCLUDE (step) FROM ({steps}) ORDER BY {_order(scope)}"
    keys = quantity_sql.object_keys(scope)

    def values(quantity: Quantity) -> str:
        return quantity_sql.values(
            [quantity],
            lambda inner, metrics: (
                f"SELECT *, ts AS step FROM ({snapshot.five_minutes(inner, metrics, day, day + DAY)})"
            ),
        )

    # One quantity after another: of all of a large fleet's at once, no memory is enough.
    wanted = [quantity for quantity in quantities_of(scope) if quantity.is_sketched]
    each = [sketch.counted(keys, [one], values(one), seen=one is wanted[0]) for one in wanted]
    order = ", ".join(("quantity", *keys, "bin"))
    return f"SELECT {moment(day)} AS ts, * FROM ({' UNION ALL '.join(map('({})'.format, each))}) ORDER BY {order}"


def _expire_records(connection: duckdb.DuckDBPyConnection, before: int) -> None:
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


def _order(scope: Scope) -> str:
    return ", ".join((*scope.keys[1:], "host", "ts"))


def _within(hour: int) -> str:
    return f"ts >= {moment(hour)} AND ts < {moment(hour + HOUR)}"


def _hot_rows(scope: Scope, hour: int) -> str:
    """How many rows of an hour are hot: rows only ever come, until the hour is moved."""
    return f"SELECT count(*) FROM {scope.value} WHERE {_within(hour)}"


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
