"""The embedded store under a fleet of 2,000 domains: what ingest costs, and how fast it answers.

    ./dev bench store [--domains 2000] [--hours 27]
    ./dev bench store --month DIR [--domains 20000]

Samples are made up, but every row has every metric, with counters that grow as real ones do. CPU time is of the
process, all threads together, and only of the calls to the store. With ``--month``, questions are asked of a month of a
large fleet (see ``month``) in a folder, where it is made if it is not there.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import month
from virtscope.catalogue import QUANTITY, Kind, Scope, metrics_of
from virtscope.sample import Batch, Row, Sample
from virtscope.store import Range
from virtscope.store.archive import Archive
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.files import Files
from virtscope.store.levels import Level, Retention
from virtscope.store.records import Records
from virtscope.store.snapshot import Snapshot, moment, parquet

HOUR = 3_600_000
HOSTS = 40
DAYS, WEEK = 30, 7
CPU = [QUANTITY[Scope.DOMAIN, "cpu_ratio"]]
START = 1_800_000_000_000 // (24 * HOUR) * (24 * HOUR)


class Fleet:
    """Hosts whose counters grow."""

    def __init__(self, domains: int) -> None:
        per_host = domains // HOSTS
        owners = [(f"host-{number:02}", [f"{number:04}-{domain:04}-4000" for domain in range(per_host)])
                  for number in range(HOSTS)]  # fmt: skip
        self._hosts: list[tuple[str, dict[Scope, list[tuple[str | int, ...]]]]] = [
            (
                host,
                {
                    Scope.HOST: [()],
                    Scope.DOMAIN: [(domain,) for domain in names],
                    Scope.VCPU: [(domain, vcpu) for domain in names for vcpu in (0, 1)],
                    Scope.DISK: [(domain, "vda") for domain in names],
                    Scope.NIC: [(domain, "fa:16:3e:00:00:01", "vnet0") for domain in names],
                },
            )
            for host, names in owners
        ]
        self._random = random.Random(1)
        self._counters: dict[tuple[str, Scope, int, int], int] = {}

    def samples(self, at: int) -> list[Sample]:
        """One sample of each host."""
        return [
            Sample(
                host,
                at,
                {
                    scope: [self._row(host, scope, number, key) for number, key in enumerate(keys)]
                    for scope, keys in objects.items()
                },
            )
            for host, objects in self._hosts
        ]

    def _row(self, host: str, scope: Scope, number: int, key: tuple[str | int, ...]) -> Row:
        values: list[int] = []
        for position, metric in enumerate(metrics_of(scope)):
            if metric.kind is Kind.STATE:
                values.append(1)
            elif metric.kind is Kind.GAUGE:
                values.append(1_000_000 + self._random.randrange(50_000))
            else:
                name = (host, scope, number, position)
                self._counters[name] = self._counters.get(name, 0) + self._random.randrange(10_000_000_000)
                values.append(self._counters[name])
        return (*key, *values)


def size(samples: list[Sample]) -> int:
    """How many single readings these samples hold."""
    return sum(len(rows) * len(metrics_of(scope)) for sample in samples for scope, rows in sample.rows.items())


def ingest(domains: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    """CPU time of merged batches: all hosts' samples of one tick in one transaction, then of three ticks."""
    for ticks, commits in ((1, 20), (3, 12)):
        shutil.rmtree(folder, ignore_errors=True)
        database = Database(folder)
        store = DuckdbStore(database, Records(database))
        fleet = Fleet(domains)
        used, count, sequence = 0.0, 0, 0
        for commit in range(commits):
            batches = []
            for tick in range(ticks):
                sequence += 1
                at = START + (commit * ticks + tick) * 10_000
                batches += [Batch(sample.host, 1, sequence, at, (sample,)) for sample in fleet.samples(at)]
            count += size([sample for batch in batches for sample in batch.samples])
            began = time.process_time()
            store.append(batches)
            used += time.process_time() - began
        database.close()
        yield (
            f"ingest, {ticks} tick{'s' if ticks > 1 else ''} of {HOSTS} hosts in a transaction",
            f"{count / used / 1e6:.1f} M samples per CPU-second",
            "≥ 5",
        )


def fill(database: Database, store: DuckdbStore, domains: int, hours: int, interval: int) -> int:
    """A day of the fleet, archived but for the newest hours; returns the end, Unix ms."""
    fleet = Fleet(domains)
    archive = Archive(database, Retention())
    end = START + hours * HOUR
    for sequence, at in enumerate(range(START, end, interval), start=1):
        store.append([Batch(sample.host, 1, sequence, at, (sample,)) for sample in fleet.samples(at)])
        if at % HOUR == 0:
            archive.run(at)
    archive.run(end)
    return end


def repeat(database: Database, days: int) -> None:
    """Have the first day's rollups and sketches stand for so many days before it, too."""
    files = Files(database)
    for back in range(1, days):
        shift = back * 24 * HOUR
        with Snapshot(database) as snapshot:
            listed = snapshot.rows(
                f"SELECT scope, level, epoch_ms(hour), path FROM archive WHERE level != 'raw' "
                f"AND hour >= {moment(START)} AND hour < {moment(START + 24 * HOUR)}"
            )
            made = [
                files.write(
                    snapshot,
                    Scope(scope),
                    Level(level),
                    start - shift,
                    f"SELECT * REPLACE ((ts - INTERVAL {shift} MILLISECOND)::TIMESTAMP_MS AS ts) "
                    f"FROM {parquet([str(database.folder / path)])}",
                )
                for scope, level, start, path in listed
                if level != "5m" or (back < WEEK and scope == "domain")  # what is asked below
            ]
        with database.write() as connection:
            files.put(connection, made)


def median_ms(ask: Callable[[], object], times: int = 7) -> float:
    """The median time of an answer, ms; the first, which warms up, is left out."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[1:])


def answers(domains: int, hours: int, interval: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    """How long people wait."""
    shutil.rmtree(folder, ignore_errors=True)
    database = Database(folder)
    store = DuckdbStore(database, Records(database))
    end = fill(database, store, domains, hours, interval)
    day = Range(end - hours * HOUR, end, 300_000)
    is_whole = hours >= 27  # the first day is archived to its end
    if is_whole:
        repeat(database, DAYS)
    month = Range(START - (DAYS - 1) * 24 * HOUR, START + 24 * HOUR, 300_000)

    def top() -> None:
        latest = store.latest(Scope.DOMAIN, CPU)
        assert len(sorted(latest, key=lambda one: -(one.values["cpu_ratio"] or 0))[:20]) == 20

    def everything() -> None:
        assert len(store.latest(Scope.DOMAIN)) == domains

    def p95() -> None:
        summary = store.summary(CPU, [], day, [95])
        assert len(summary) == domains
        assert all(item.samples >= len(day.times) - 1 for item in summary)  # a first sample tells no rate

    def p95_of_a_month() -> None:
        summary = store.summary(CPU, [], month, [95])
        assert len(summary) == domains
        assert all(item.samples >= DAYS * 287 for item in summary)  # a first sample tells no rate

    def chart(over: Range) -> None:
        (series,) = store.series(CPU, [one], over)
        assert sum(value is not None for value in series.values) > len(over.times) * 0.9

    one = "0007-0007-4000"
    yield f"fleet top of {domains:,} domains, by CPU", f"{median_ms(top):.0f} ms", "≤ 60 ms"
    yield f"all figures of {domains:,} domains", f"{median_ms(everything):.0f} ms", ""
    yield f"p95 of CPU over {hours} h for {domains:,} domains", f"{median_ms(p95):.0f} ms", "≤ 600 ms"
    if is_whole:
        yield f"p95 of CPU over {DAYS} d for {domains:,} domains", f"{median_ms(p95_of_a_month):.0f} ms", "≤ 1000 ms"
        for name, over in (
            ("a day, 5 min", Range(START, START + 24 * HOUR, 300_000)),
            ("a week, 30 min", Range(START - 6 * 24 * HOUR, START + 24 * HOUR, 1_800_000)),
            (f"{DAYS} d, an hour", Range(month.start, month.end, HOUR)),
        ):
            yield f"one domain's chart: {name}", f"{median_ms(lambda over=over: chart(over)):.0f} ms", "≤ 50 ms"  # type: ignore[misc]
    hot = (folder / "hot.duckdb").stat().st_size
    yield "on disk, hot", f"{hot / 2**20:.0f} MiB", ""
    for held in Archive(database, Retention()).held()[1:]:
        days = (held.newest - held.oldest) / (24 * HOUR) if held.newest and held.oldest else 1
        yield f"on disk, {held.level}", f"{held.bytes / days / 2**20:.1f} MiB a day, {held.files / days:.0f} files", ""
    database.close()


def answers_of_a_month(folder: Path, domains: int) -> Iterator[tuple[str, str, str]]:
    """How long people wait where there are so many domains."""
    if not (folder / "complete").exists():
        month.build(folder, domains, max(domains // 40, 1), DAYS)
        (folder / "complete").touch()
    database = Database(folder)
    store = DuckdbStore(database, Records(database))
    end = month.END
    (one, *_) = (str(latest.object["domain"]) for latest in store.latest(Scope.DOMAIN, CPU))

    def summarised(hours: int) -> None:
        assert len(store.summary(CPU, [], Range(end - hours * HOUR, end, 300_000), [95])) == domains

    def chart(hours: int, step: int) -> None:
        (series,) = store.series(CPU, [one], Range((end - hours * HOUR) // step * step, end // step * step, step))
        assert series.coverage > 0.9

    top = median_ms(lambda: sorted(store.latest(Scope.DOMAIN, CPU), key=lambda one: -(one.values["cpu_ratio"] or 0)), 3)
    yield f"fleet top of {domains:,} domains, by CPU", f"{top:.0f} ms", "≤ 300 ms"
    yield f"p95 of CPU over 24 h for {domains:,} domains", f"{median_ms(lambda: summarised(24), 3):.0f} ms", ""
    whole = median_ms(lambda: summarised(DAYS * 24), 3)
    yield f"p95 of CPU over {DAYS} d for {domains:,} domains", f"{whole / 1000:.1f} s", "≤ 8 s"
    for name, hours, step in (("a day, 5 min", 24, 300_000), ("30 d, an hour", DAYS * 24, HOUR)):
        yield f"one domain's chart: {name}", f"{median_ms(lambda h=hours, s=step: chart(h, s)):.0f} ms", "≤ 50 ms"  # type: ignore[misc]
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int)
    parser.add_argument("--month", type=Path, metavar="DIR")
    parser.add_argument("--hours", type=int, default=27)
    parser.add_argument("--interval", type=int, default=120, help="seconds between two samples of the past")
    options = parser.parse_args()
    domains = options.domains or (20_000 if options.month else 2_000)
    shown = Table("what", "measured", "wanted", title=f"store, {domains:,} domains")
    if options.month:
        for row in answers_of_a_month(options.month, domains):
            shown.add_row(*row)
        Console().print(shown)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        for row in ingest(domains, data):
            shown.add_row(*row)
        for row in answers(domains, options.hours, options.interval * 1000, data):
            shown.add_row(*row)
    Console().print(shown)


if __name__ == "__main__":
    main()
