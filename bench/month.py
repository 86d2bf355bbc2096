"""A month of a large fleet, written straight to the archive's levels: what analyses look back on.

A day is made up in steps of 5 minutes, becomes hours and sketches as any day does, and stands for the others, too: its
files are written again with other times. File systems and pools go on growing from day to day. Of the newest two hours
there are raw rows, every 30 s. vCPUs and file systems have steps of 5 minutes for the last four days only: nothing asks
for older ones.

Nearly half of the domains are idle but for their network, a tenth is quiet but for a job every four hours, a third
follows the day, the others burst or work all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from virtscope.catalogue import Kind, Metric, Scope, metrics_of
from virtscope.sample import DomainFacts
from virtscope.simulation.feeding import batches
from virtscope.simulation.fleet import HOST_CPUS, HOST_GIB, Fleet
from virtscope.store.archive import Archive
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.files import File, Files
from virtscope.store.levels import DAY, HOUR, ROLLUP_STEP, Level, Retention
from virtscope.store.records import Records
from virtscope.store.snapshot import Snapshot, moment, parquet

TODAY = 1_800_000_000_000 // DAY * DAY
END = TODAY + DAY // 2
RAW = 2 * HOUR
RAW_STEP = 30_000
FINE_DAYS = 4
_OLD = frozenset({Scope.HOST, Scope.DOMAIN, Scope.DISK, Scope.NIC, Scope.POOL})
_GROWING = frozenset({Scope.FILESYSTEM, Scope.POOL})

_U = "(hash(n, t // 300) % 1000 / 1000)"
_BUSY = f"""(CASE habit
    WHEN 'idle' THEN 0.004 + 0.002 * {_U}
    WHEN 'quiet' THEN CASE WHEN t // 300 % 48 = n % 48 THEN 0.3 ELSE 0.002 END
    WHEN 'diurnal' THEN 0.05 + 0.5 * greatest(0, sin(2 * pi() * (t + n % 21600) / 86400)) * (0.8 + 0.4 * {_U})
    WHEN 'bursty' THEN CASE WHEN hash(n, t // 600) % 100 = 0 THEN 0.9 ELSE 0.02 END
    ELSE 0.75 + 0.2 * {_U} END)"""
_FILLED = "(0.2 + n % 7 / 10 + (n % 5) * (t - 1797000000) / 86400 / 400 + 0.01 * hash(n, t) % 100 / 100)"
_FIGURES: Mapping[Scope, Mapping[str, str]] = {
    Scope.DOMAIN: {
        "cpu_time": f"{_BUSY} * vcpus * 1e9",
        "vcpus": "vcpus",
        "memory_current": "kib",
        "memory_maximum": "kib",
        "memory_available": "kib * 0.97 // 1",
        "memory_usable": f"kib * (0.7 - 0.4 * {_BUSY}) // 1024 * 1024",
        "memory_swap_in": "0",
        "memory_swap_out": "0",
    },
    Scope.VCPU: {"time": f"{_BUSY} * 1e9", "delay": f"{_BUSY} * {_U} * 2e7"},
    Scope.DISK: {
        "read_requests": f"{_BUSY} * 40",
        "read_bytes": f"{_BUSY} * 40 * 16384",
        "read_time": f"{_BUSY} * 40 * (1 + {_U}) * 1e6",
        "write_requests": f"{_BUSY} * 60",
        "write_bytes": f"{_BUSY} * 60 * 8192",
        "write_time": f"{_BUSY} * 60 * (1 + {_U}) * 2e6",
        "capacity": "40 * 1024 ** 3",
        "allocation": "20 * 1024 ** 3",
        "physical": "20 * 1024 ** 3",
    },
    Scope.NIC: {
        "receive_bytes": f"CASE habit WHEN 'quiet' THEN {_BUSY} * 1e5 ELSE {_BUSY} * 7e5 END",
        "transmit_bytes": f"CASE habit WHEN 'quiet' THEN {_BUSY} * 9e4 ELSE {_BUSY} * 7e5 END",
    },
    Scope.FILESYSTEM: {"size": "40 * 1024 ** 3", "used": f"40 * 1024 ** 3 * least({_FILLED}, 1) // 1"},
    Scope.HOST: {
        "cpu_user": f"(10 + 5 * {_U}) * 1e9",
        "cpu_system": "2e9",
        "cpu_idle": f"({HOST_CPUS} - 17 - 5 * {_U}) * 1e9",
        "cpu_iowait": "1e8",
        "pressure_cpu_some": f"1e5 * {_U}",
        "pressure_cpu_full": "0",
        "pressure_io_some": f"1e5 * {_U}",
        "pressure_io_full": "0",
        "cpus": f"{HOST_CPUS}",
        "memory_total": f"{HOST_GIB} * 1024 * 1024",
        "memory_available": f"{HOST_GIB} * 1024 * 256",
    },
    Scope.POOL: {"capacity": "1024 ** 4", "allocation": f"1024 ** 4 * least({_FILLED}, 1) // 1"},
}
"""Of a counter the growth in a second, of a gauge its value; ``t`` is Unix seconds."""
_OBJECTS = {
    Scope.DOMAIN: "FROM domains",
    Scope.VCPU: "FROM (SELECT *, unnest(range(vcpus))::INTEGER AS vcpu FROM domains)",
    Scope.DISK: "FROM (SELECT * REPLACE ('vda' AS target) FROM domains)",
    Scope.NIC: "FROM domains",
    Scope.FILESYSTEM: "FROM (SELECT *, '/' AS mountpoint FROM domains)",
    Scope.HOST: "FROM hosts",
    Scope.POOL: "FROM (SELECT *, 'default' AS pool FROM hosts)",
}


def build(folder: Path, domains: int, hosts: int, days: int) -> None:
    """Fill a data folder."""
    database = Database(folder)
    store = DuckdbStore(database, Records(database))
    fleet = Fleet(hosts, domains)
    for sequence, at in enumerate((END - RAW_STEP, END), start=1):
        told = batches(fleet, at, 1, sequence, RAW_STEP / 1000, tells_all=True)
        store.append(list(told))
    first = TODAY - DAY
    _write_hours(database, fleet, first, range(24))
    Archive(database, Retention()).run(first + DAY + 4 * HOUR)
    for day in range(TODAY - days * DAY, first, DAY):
        _repeat(database, fleet, first, day)
    _write_hours(database, fleet, TODAY, range((END - RAW - TODAY) // HOUR))
    _hot(database, fleet)
    database.close()


def _objects(fleet: Fleet) -> Mapping[str, pa.Table]:
    """Domains and hosts as the queries above name them."""
    facts = [one.facts for host in fleet.hosts for one in host.domains]
    domains = {
        "domain": [one.id for one in facts],
        "host": [one.host for one in facts],
        "mac": [one.nics[0].mac for one in facts],
        "target": [one.nics[0].target for one in facts],
        "habit": [_habit(at, one) for at, one in enumerate(facts)],
        "vcpus": [min(one.resources.vcpus or 1, 4) for one in facts],
        "kib": [(one.resources.memory_bytes or 0) // 1024 for one in facts],
        "n": list(range(len(facts))),
    }
    ids = [host.facts.id for host in fleet.hosts]
    return {"domains": pa.table(domains), "hosts": pa.table({"host": ids, "n": list(range(len(ids)))})}


def _name(register: Callable[[str, pa.Table], object], fleet: Fleet) -> None:
    for name, table in _objects(fleet).items():
        register(name, table)


def _habit(at: int, one: DomainFacts) -> str:
    return "quiet" if at % 10 == 0 else one.name.partition("-")[0]


def _write_hours(database: Database, fleet: Fleet, day: int, hours: range) -> None:
    files = Files(database)
    for hour in hours:
        start = day + hour * HOUR
        with Snapshot(database) as snapshot:
            _name(snapshot.register, fleet)
            made = [
                files.write(snapshot, scope, Level.ROLLUP, start, _steps(snapshot, scope, start, HOUR, ROLLUP_STEP))
                for scope in _FIGURES
            ]
        _put(database, files, made)


def _steps(snapshot: Snapshot, scope: Scope, start: int, span: int, step: int) -> str:
    """Steps of a level, with the columns that it has."""
    keys = ", ".join(scope.keys)
    columns = "".join(_columns(metric, scope, step // 1000) for metric in metrics_of(scope))
    times = f"(SELECT unnest(range({start // 1000}, {(start + span) // 1000}, {step // 1000})) AS t)"
    rows = f"SELECT {keys}, make_timestamp_ms(t * 1000) AS ts{columns} {_OBJECTS[scope]}, {times}"
    empty = snapshot.five_minutes(scope, metrics_of(scope), start - DAY * 1000, start - DAY * 1000)
    order = ", ".join((*scope.keys[1:], "host", "ts"))
    return f"SELECT * FROM ({empty} UNION ALL BY NAME ({rows})) ORDER BY {order}"


def _columns(metric: Metric, scope: Scope, seconds: int) -> str:
    figure, n = _FIGURES[scope].get(metric.name), metric.name
    if figure is None or metric.kind is Kind.STATE:
        return ""
    if metric.kind is Kind.COUNTER:
        grown = f"round({figure} * {seconds}, -3)" if "1e" in figure else f"round({figure} * {seconds})"
        return (
            f', {grown}::DOUBLE AS "{n}__increase", {seconds}::DOUBLE AS "{n}__seconds"'
            f', {grown} / {seconds} AS "{n}__peak"'
        )
    count = seconds // 30
    return (
        f', ({figure}) * {count}::DOUBLE AS "{n}__sum", {count}::BIGINT AS "{n}__count"'
        f', ({figure})::BIGINT AS "{n}__max"'
    )


def _repeat(database: Database, fleet: Fleet, first: int, day: int) -> None:
    """The first day's files once more, as another day's."""
    files, shift = Files(database), first - day
    with Snapshot(database) as snapshot:
        _name(snapshot.register, fleet)
        made = [
            files.write(
                snapshot,
                scope,
                level,
                start - shift,
                f"SELECT * REPLACE ((ts - INTERVAL {shift} MILLISECOND)::TIMESTAMP_MS AS ts) FROM {parquet([path])}",
            )
            for scope, level, start, path in _of_day(snapshot, database.folder, first)
            if (level is not Level.ROLLUP or scope in _OLD or day >= first - FINE_DAYS * DAY)
            and not (level is Level.HOURLY and scope in _GROWING)
        ]
        made += [
            files.write(snapshot, scope, Level.HOURLY, day, _steps(snapshot, scope, day, DAY, HOUR))
            for scope in sorted(_GROWING, key=str)
        ]
    _put(database, files, made)


def _of_day(snapshot: Snapshot, folder: Path, day: int) -> Iterator[tuple[Scope, Level, int, str]]:
    rows = snapshot.rows(
        f"SELECT scope, level, epoch_ms(hour), path FROM archive WHERE hour >= {moment(day)} AND hour < "
        f"{moment(day + DAY)} AND level != 'raw'"
    )
    for scope, level, start, path in rows:
        yield Scope(scope), Level(level), start, str(folder / path)


def _put(database: Database, files: Files, made: list[File]) -> None:
    with database.write() as connection:
        files.put(connection, made)


def _hot(database: Database, fleet: Fleet) -> None:
    """Raw rows of the newest hours: counters that have grown since the first of them."""
    times = f"(SELECT unnest(range({(END - RAW) // 1000}, {END // 1000 - 30}, {RAW_STEP // 1000})) AS t)"
    with database.write() as connection:
        _name(connection.register, fleet)
        for scope, figures in _FIGURES.items():
            counters = {metric.name: metric.kind is Kind.COUNTER for metric in metrics_of(scope)}
            growing = ", ".join(
                f"sum(({figure}) * 30) OVER w AS {name}" if counters[name] else f"{figure} AS {name}"
                for name, figure in figures.items()
            )
            keys = ", ".join(scope.keys)
            cast = ", ".join(f"{name}::BIGINT AS {name}" for name in figures)
            connection.execute(
                f"INSERT INTO {scope.value} BY NAME SELECT {keys}, ts, {cast} FROM (SELECT {keys}, "
                f"make_timestamp_ms(t * 1000) AS ts, {growing} {_OBJECTS[scope]}, {times} "
                f"WINDOW w AS (PARTITION BY {keys} ORDER BY t))"
            )
