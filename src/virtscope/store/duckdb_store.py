"""The embedded store: a hot DuckDB file, hourly Parquet behind it, and quantities computed where the data are."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from virtscope.catalogue import MAX_GAP_SECONDS, Kind, Metric, Quantity, Scope, metrics_of, quantities_of
from virtscope.errors import TooLarge
from virtscope.sample import Batch, Sample
from virtscope.schema import quoted
from virtscope.store import Latest, Range, Series, Summary, arrow, quantity_sql, sketch
from virtscope.store.database import Database
from virtscope.store.levels import ROLLUP_STEP
from virtscope.store.quantity_sql import object_keys
from virtscope.store.records import Records
from virtscope.store.snapshot import Snapshot, moment, parquet

AT_ONCE = 4_000
"""Objects that are reduced at one time."""
MOST_VALUES = 24_000_000
"""Values that are held at one time for percentiles: 8 bytes each, of the memory that the database may use."""
MOST_STEPS = 2_000_000
"""Steps of objects, all together, that are put together at one time: a few hundred bytes each, of the same memory."""
PARTS = {Scope.VCPU: 4, Scope.DISK: 2, Scope.NIC: 2}
"""How many parts of a kind a domain is taken to have, for that."""
LONG_DAYS = 8
"""From so many sketched days on, percentiles of 5-minute steps come from sketches."""
_GAP = MAX_GAP_SECONDS * 1000


class DuckdbStore:
    """Samples in the embedded database."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records
        self._guard = threading.Lock()
        self._load()
        database.on_reopened(self._load)

    def append(self, batches: Sequence[Batch]) -> list[Batch]:
        """Store batches in one transaction; one that is stored already is left out. See the port."""
        fresh = self._records.fresh(batches)
        if not fresh:
            return []
        fresh += self._records.left_out(fresh)
        samples = [sample for batch in fresh for sample in batch.samples]
        with self._database.write() as connection:
            for scope in Scope:
                table = arrow.table(scope, samples)
                if table.num_rows:
                    connection.register("incoming", table)
                    connection.execute(f"INSERT INTO {scope.value} BY NAME SELECT * FROM incoming")
                    connection.unregister("incoming")
            self._records.write(connection, fresh)
        effective = self._records.committed(fresh)
        self._note_newest(samples)
        return effective

    def latest(self, scope: Scope, quantities: Sequence[Quantity] = ()) -> list[Latest]:
        """Every object that is in its host's newest sample of the scope, with its states and quantities: these, or all.

        A sample may know only a part of a row, so each state and quantity is the newest one known of the last samples.
        """
        with self._guard:
            newest = {host: dict(times) for host, times in self._newest.items()}
        now = {host: times[scope][-1] for host, times in newest.items() if scope in times}
        if not now:
            return []
        looked_at = {(host, time) for host in now for times in newest[host].values() for time in times}
        start, end = min(time for _, time in looked_at), max(time for _, time in looked_at) + 1
        quantities = quantities or quantities_of(scope)
        codes = [metric for metric in metrics_of(scope) if metric.kind is Kind.STATE]
        keys = ", ".join(scope.keys)

        words = "".join(f', arg_max("{metric.name}", ts)' for metric in codes)
        with Snapshot(self._database) as snapshot:
            # Which samples are looked at is joined: thousands of hosts as a list of literals take longer than the rest.
            snapshot.register("looked_at", _moments(looked_at))
            for inner in Scope:
                last = [(host, newest[host][inner][-1]) for host in now if inner in newest[host]]
                snapshot.register(f"newest_{inner.value}", _moments(last))

            def relation(inner: Scope, metrics: Sequence[Metric]) -> str:
                raw = snapshot.raw(inner, metrics, start, end, where="(host, ts) IN (FROM looked_at)")
                return quantity_sql.steps(inner, metrics, raw, "0", newest=_is_newest(inner))

            rows = snapshot.rows(quantity_sql.values(quantities, relation, per_host=True))
            raw = snapshot.raw(scope, codes, start, end, where="(host, ts) IN (FROM looked_at)")
            states = snapshot.rows(
                f"SELECT {keys}{words} FROM ({raw}) GROUP BY {keys} HAVING bool_or({_is_newest(scope)})"
            )
        width = len(scope.keys)
        known = {row[:width]: row[width:] for row in states}
        return [
            Latest(
                object=dict(zip(scope.keys, row, strict=False)),
                at=now[row[0]],
                seconds=_seconds(newest[row[0]], scope),
                values={quantity.name: value for quantity, value in zip(quantities, row[width + 1 :], strict=True)},
                states={metric.name: code for metric, code in zip(codes, known[row[:width]], strict=True)},
            )
            for row in rows
            if row[:width] in known
        ]

    def last_seen(self) -> dict[str, int]:
        """When each host's newest sample was taken, Unix ms."""
        with self._guard:
            return {host: max(times[-1] for times in scopes.values()) for host, scopes in self._newest.items()}

    def series(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        """The quantities of each object over a range."""
        keys = object_keys(quantities[0].scope)
        with Snapshot(self._database) as snapshot:
            rows = snapshot.rows(
                self._values(snapshot, quantities, objects, over) + f" ORDER BY {', '.join((*keys, 'step'))}"
            )
        return _series(keys, quantities, rows, over)

    def banded(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> list[Series]:
        """The quantities of each object over a range, with their peaks. See ``Banded``."""
        keys = object_keys(quantities[0].scope)
        with Snapshot(self._database) as snapshot:
            rows = snapshot.rows(
                self._values(snapshot, quantities, objects, over, peaks=True)
                + f" ORDER BY {', '.join((*keys, 'step'))}"
            )
        found = _series(keys, (*quantities, *quantities), rows, over)
        number = len(quantities)
        return [
            Series(mean.object, mean.quantity, mean.values, None if peak.coverage == 0 else peak.values)
            for at in range(0, len(found), 2 * number)
            for mean, peak in zip(found[at : at + number], found[at + number : at + 2 * number], strict=True)
        ]

    def summary(
        self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range, percentiles: Sequence[float]
    ) -> list[Summary]:
        """Average, maximum and percentiles of the steps' values, for each object.

        Of long ranges in steps of 5 minutes, percentiles come from the days' sketches where there are any: wrong by
        ``sketch.ACCURACY`` of their value at most.
        """
        keys = object_keys(quantities[0].scope)
        if percentiles:
            with Snapshot(self._database) as snapshot:
                if days := self._sketches(snapshot, quantities, over):
                    return self._sketched(snapshot, quantities, objects, over, percentiles, days)
        group = ", ".join(keys)
        ranks = ", ".join(str(float(percentile) / 100) for percentile in percentiles)
        columns = ", ".join(
            f'avg("{q.name}"), max("{q.name}"), count("{q.name}")'
            + (f', quantile_cont("{q.name}", [{ranks}])' if percentiles else ", []")
            for q in quantities
        )
        with Snapshot(self._database) as snapshot:
            rows = snapshot.rows(
                f"SELECT {group}, {columns} FROM ({self._values(snapshot, quantities, objects, over)}) "
                f"GROUP BY {group} ORDER BY {group}"
            )
        return [
            _summary(dict(zip(keys, row, strict=False)), quantity, row[at : at + 4], over, percentiles)
            for row in rows
            for quantity, at in zip(quantities, range(len(keys), len(row), 4), strict=True)
        ]

    def reduced(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
        share: float,
    ) -> Iterator[pa.Table]:
        """Each object's quantities over a range in few numbers. See ``Tabular``.

        Of long ranges in steps of 5 minutes, they come from the days' sketches where there are any: percentiles and
        thresholds are then wrong by ``sketch.ACCURACY`` of their value at most. Where sketches cannot tell whether
        enough steps are quiet, these are counted.
        """
        with Snapshot(self._database) as snapshot:
            days = self._sketches(snapshot, quantities, over)
        scope, unsure = quantities[0].scope, list[pa.Table]()
        ranks = sum(map(len, percentiles.values()))
        most = min(MOST_VALUES // max(ranks, 1), MOST_STEPS)
        at_once = AT_ONCE if days else most // (len(over.times) * PARTS.get(scope, 1))
        for piece in _pieces(objects, min(AT_ONCE, max(at_once, 1))):
            with Snapshot(self._database) as snapshot:
                if not days:
                    yield self._exactly(snapshot, quantities, piece, over, percentiles, quiet)
                    continue
                found = self._added(snapshot, quantities, piece, over, percentiles, quiet, share, days)
            if quiet:
                sure = found["quiet.sure"]
                found = found.drop_columns("quiet.sure")
                unsure.append(found.filter(pc.invert(sure)))
                found = found.filter(sure)
            yield found
        if any(table.num_rows for table in unsure):
            yield self._counted(pa.concat_tables(unsure), quantities, over, quiet)

    def _added(  # what is asked, and where from
        self,
        snapshot: Snapshot,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
        share: float,
        days: Mapping[int, str],
    ) -> pa.Table:
        """The same out of these days' sketches, and of the steps of the rest of the range."""
        keys = object_keys(quantities[0].scope)
        names = [quantity.name for quantity in quantities]
        rest = sketch.counted(keys, quantities, self._values(snapshot, quantities, objects, over, days))
        whole = _sketched_days(days, quantities, objects, (*names, sketch.SEEN))
        snapshot.run(f"CREATE OR REPLACE TEMP TABLE rest AS {rest}")
        return snapshot.table(sketch.reduced(keys, names, ("FROM rest", whole), percentiles, quiet, share))

    def _counted(
        self, unsure: pa.Table, quantities: Sequence[Quantity], over: Range, quiet: Mapping[str, float]
    ) -> pa.Table:
        """A table with the quiet steps of its objects counted one by one."""
        keys = object_keys(quantities[0].scope)
        wanted = [quantity for quantity in quantities if quantity.name in quiet]
        ids = sorted({str(one) for one in unsure[keys[0]].to_pylist()})
        counts = []
        for piece in _pieces(ids, max(MOST_STEPS // len(over.times), 1)):
            with Snapshot(self._database) as snapshot:
                found = self._exactly(snapshot, wanted, piece, over, {}, quiet)
            counts.append(found.select([*keys, "quiet.known", "quiet.under"]))
        return unsure.drop_columns(["quiet.known", "quiet.under"]).join(pa.concat_tables(counts), list(keys))

    def _exactly(  # what is asked, and where from
        self,
        snapshot: Snapshot,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Mapping[str, Sequence[float]],
        quiet: Mapping[str, float],
    ) -> pa.Table:
        """The same out of all steps."""
        keys = ", ".join(object_keys(quantities[0].scope))
        inner = [f"{keys}, count(*) AS seen"]
        outer = [f"{keys}, seen"]
        for name in (quantity.name for quantity in quantities):
            wanted = percentiles.get(name, ())
            ranks = ", ".join(str(float(rank) / 100) for rank in wanted)
            inner.append(
                f'avg("{name}") AS "{name}.average", max("{name}") AS "{name}.maximum", '
                f'stddev_samp("{name}") AS "{name}.deviation", count("{name}") AS "{name}.samples"'
                + (f', quantile_cont("{name}", [{ranks}]) AS "{name}.ranks"' if wanted else "")
            )
            outer += [f'"{name}.{figure}"' for figure in ("average", "maximum", "deviation", "samples")]
            outer += [f'"{name}.ranks"[{n}] AS "{name}.p{rank:g}"' for n, rank in enumerate(wanted, 1)]
        if quiet:
            known = " AND ".join(f'"{name}" IS NOT NULL' for name in quiet)
            under = " AND ".join(f'"{name}" <= {float(most)!r}' for name, most in quiet.items())
            inner.append(f'count(*) FILTER ({known}) AS "quiet.known", count(*) FILTER ({under}) AS "quiet.under"')
            outer += ['"quiet.known"', '"quiet.under"']
        values = self._values(snapshot, quantities, objects, over)
        return snapshot.table(
            f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM ({values}) GROUP BY {keys})"
        )

    def _sketches(self, snapshot: Snapshot, quantities: Sequence[Quantity], over: Range) -> Mapping[int, str]:
        """The sketched days of a range that is long enough for them; none where they do not tell of all of these."""
        if over.step != ROLLUP_STEP or not all(quantity.is_sketched for quantity in quantities):
            return {}
        days = snapshot.sketches(quantities[0].scope, over.start, over.end)
        return days if len(days) >= LONG_DAYS else {}

    def steps(self, quantities: Sequence[Quantity], objects: Sequence[str], over: Range) -> pa.Table:
        """The quantities of each object, a row for each step. See ``Tabular``."""
        keys = ", ".join(object_keys(quantities[0].scope))
        with Snapshot(self._database) as snapshot:
            values = self._values(snapshot, quantities, objects, over)
            return snapshot.table(f"SELECT * RENAME (step AS time) FROM ({values}) ORDER BY {keys}, time")

    def write(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        path: Path,
        form: str,
        seconds: float,
        devices: Collection[tuple[str, str]] = (),
    ) -> None:
        """Write the quantities of each object to a file, a row for each step that has any: ``time``, keys, quantities.

        Args:
            quantities: of one scope.
            objects: UUIDs of hosts or domains; none means all.
            over: the range.
            path: a file within the data folder.
            form: ``parquet``, ``csv`` or ``jsonl``.
            seconds: how long that may take.
            devices: owner and device; of an owner that is among them, no devices but these.

        Raises:
            TooLarge: it takes longer.
        """
        names = object_keys(quantities[0].scope)
        keys = ", ".join(names)
        how = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json"}[form]
        columns = ", ".join(f'"{quantity.name}"' for quantity in quantities)
        within = f"step >= {over.start} AND step < {over.end}{_narrowed(names, devices)}"
        with Snapshot(self._database) as snapshot:
            values = self._values(snapshot, quantities, objects, over)
            try:
                snapshot.run(
                    f"COPY (SELECT make_timestamp_ms(step) AS time, {keys}, {columns} FROM ({values}) WHERE {within} "
                    f"ORDER BY {keys}, time) TO {quoted(str(path))} ({how})",
                    seconds,
                )
            except duckdb.InterruptException:
                raise TooLarge(
                    f"that takes more than {seconds:g} s", "Ask for a shorter range, or a longer step."
                ) from None

    def _sketched(  # what a summary is asked, and where from
        self,
        snapshot: Snapshot,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        percentiles: Sequence[float],
        days: Mapping[int, str],
    ) -> list[Summary]:
        """A summary out of these days' sketches, and of the steps of the rest of the range."""
        keys = object_keys(quantities[0].scope)
        rest = sketch.counted(keys, quantities, self._values(snapshot, quantities, objects, over, days))
        names = ", ".join(quoted(quantity.name) for quantity in quantities)
        whole = _sketched_days(days, quantities, objects, [quantity.name for quantity in quantities])
        both = f"SELECT * FROM ({rest}) WHERE quantity IN ({names}) UNION ALL BY NAME {whole}"
        rows = snapshot.rows(
            sketch.summarised(keys, both, percentiles)
            + f" ORDER BY {', '.join(keys)}, list_position([{names}], quantity)"
        )
        width, known = len(keys), {quantity.name: quantity for quantity in quantities}
        return [
            _summary(dict(zip(keys, row, strict=False)), known[row[width]], row[width + 1 :], over, percentiles)
            for row in rows
        ]

    def _values(
        self,
        snapshot: Snapshot,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        without: Collection[int] = (),
        *,
        peaks: bool = False,
    ) -> str:
        """The values of each step: out of rollups where steps are whole rollup steps, else out of raw rows.

        Archived days that begin at one of the times ``without`` are left out.
        """
        # Hours that are archived have rollups; what came since is reduced to the same rows now.
        edge = snapshot.archived_through() if over.step % ROLLUP_STEP == 0 else over.start
        edge = min(max(edge, over.start), over.end)

        def relation(scope: Scope, metrics: Sequence[Metric]) -> str:
            where = _among(quantities[0].scope, objects)
            raw = snapshot.raw(scope, metrics, edge - _GAP, over.end, where)
            step = f"epoch_ms(ts) // {over.step} * {over.step}"
            fresh = quantity_sql.steps(scope, metrics, raw, step, f"ts >= {moment(edge)}")
            old = snapshot.rollups(scope, over.start, edge, over.step, where, without) if edge > over.start else None
            return f"{fresh} UNION ALL BY NAME SELECT *, {step} AS step FROM ({old})" if old else fresh

        return quantity_sql.values(quantities, relation, peaks=peaks)

    def _load(self) -> None:
        newest = self._load_newest()
        with self._guard:
            self._newest = newest

    def _load_newest(self) -> dict[str, dict[Scope, tuple[int, ...]]]:
        newest: dict[str, dict[Scope, tuple[int, ...]]] = {}
        with Snapshot(self._database) as snapshot:
            for scope in Scope:
                for host, times in snapshot.rows(
                    f"SELECT host, list(DISTINCT epoch_ms(ts)) FROM {scope.value} GROUP BY host"
                ):
                    newest.setdefault(host, {})[scope] = tuple(sorted(times)[-2:])
        return newest

    def _note_newest(self, samples: Sequence[Sample]) -> None:
        """Keep the times of each host's two newest samples of every scope: not all samples have all scopes."""
        with self._guard:
            for sample in samples:
                scopes = self._newest.setdefault(sample.host, {})
                for scope in sample.rows:
                    scopes[scope] = tuple(sorted({*scopes.get(scope, ()), sample.at})[-2:])


def _pieces(objects: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Objects in their order, so many at a time. None are all, and one piece."""
    ordered = sorted(objects)
    for at in range(0, max(len(ordered), 1), size):
        yield ordered[at : at + size]


def _moments(times: Collection[tuple[str, int]]) -> pa.Table:
    """Hosts and times (Unix ms) as a table of ``host`` and ``ts``."""
    hosts, at = zip(*times, strict=True) if times else ((), ())
    return pa.table({"host": pa.array(hosts, pa.string()), "ts": pa.array(at, pa.timestamp("ms"))})


def _is_newest(scope: Scope) -> str:
    return f"(host, ts) IN (FROM newest_{scope.value})"


def _among(scope: Scope, objects: Sequence[str]) -> str:
    """A condition on raw rows: those of these hosts (for the scope of hosts) or domains."""
    if not objects:
        return "true"
    column = "domain" if scope.is_of_domain else "host"
    first, last = quoted(min(objects)), quoted(max(objects))
    # Files are in the order of objects: by the bounds, most of what is not asked for is skipped.
    return f"{column} BETWEEN {first} AND {last} AND {column} IN ({', '.join(quoted(name) for name in objects)})"


def _sketched_days(
    days: Mapping[int, str], quantities: Sequence[Quantity], objects: Sequence[str], names: Sequence[str]
) -> str:
    """A query for what these days' sketches tell of quantities, by their names."""
    return (
        f"SELECT * EXCLUDE (ts) FROM {parquet(list(days.values()))} "
        f"WHERE quantity IN ({', '.join(map(quoted, names))}) AND {_among(quantities[0].scope, objects)}"
    )


def _seconds(times: Mapping[Scope, Sequence[int]], scope: Scope) -> float | None:
    """The time between the two newest samples, s. A domain's own row is in every sample: its host's tell the pace."""
    pair = times.get(Scope.HOST if scope is Scope.DOMAIN else scope, ())
    return (pair[1] - pair[0]) / 1000 if len(pair) == 2 else None


def _series(
    keys: Sequence[str], quantities: Sequence[Quantity], rows: Sequence[tuple[Any, ...]], over: Range
) -> list[Series]:
    """Rows of (keys, step, a value for each quantity) as one list of values for each object and quantity."""
    width, steps = len(keys), len(over.times)
    columns: dict[tuple[Any, ...], list[list[float | None]]] = {}
    for row in rows:
        values = columns.get(row[:width])
        if values is None:
            values = columns[row[:width]] = [[None] * steps for _ in quantities]
        position = (row[width] - over.start) // over.step
        for column, value in zip(values, row[width + 1 :], strict=True):
            column[position] = value
    return [
        Series(dict(zip(keys, key, strict=True)), quantity.name, column)
        for key, values in columns.items()
        for quantity, column in zip(quantities, values, strict=True)
    ]


def _summary(
    key: dict[str, Any],
    quantity: Quantity,
    columns: Sequence[Any],
    over: Range,
    percentiles: Sequence[float],
) -> Summary:
    average, maximum, samples, ranks = columns
    return Summary(
        object=key,
        quantity=quantity.name,
        average=average,
        maximum=maximum,
        percentiles=dict(zip(percentiles, ranks or [None] * len(percentiles), strict=True)),
        samples=samples,
        coverage=samples / len(over.times),
    )


def _narrowed(keys: Sequence[str], devices: Collection[tuple[str, str]]) -> str:
    """The condition that leaves of these owners no devices but these; empty where there are none."""
    if not devices:
        return ""
    owners = ", ".join(quoted(owner) for owner in sorted({owner for owner, _ in devices}))
    parts = ", ".join(f"{key}::VARCHAR" for key in keys[1:])
    wanted = " OR ".join(f"({keys[0]} = {quoted(owner)} AND {quoted(one)} IN ({parts}))" for owner, one in devices)
    return f" AND ({keys[0]} NOT IN ({owners}) OR {wanted})"
