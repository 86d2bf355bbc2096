"""A question over any range has one answer, whichever level of the archive it comes from."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.synthetic import Opened, batch, opened, row, sample
from virtscope.catalogue import QUANTITIES, QUANTITY, Scope
from virtscope.sample import Sample
from virtscope.store import Range, Summary, duckdb_store, sketch
from virtscope.store.levels import DAY, HOUR, Level, Retention, parsed, path

START = 1_800_000_000_000 // DAY * DAY
DAYS = 4
WANTED = [QUANTITY[Scope.DOMAIN, name] for name in ("cpu_cores", "disk_read_latency")]
WHOLE = Range(START, START + DAYS * DAY, 300_000)
RANKS = [0.0, 5.0, 50.0, 95.0, 99.5, 100.0]


def fleet(day: int, *, late: bool = False, seed: int = 1) -> list[Sample]:
    """Six hours of a day of two domains, every 100 s, with heavy tails; ``late`` is what the first told left out."""
    chance = random.Random(seed)
    cpu, requests, waited = {"a": 0, "b": 0}, {"a": 0, "b": 0}, {"a": 0, "b": 0}
    found = []
    for at in range(0, DAYS * DAY, 100_000):
        for domain in cpu:
            cpu[domain] += int(100e9 * min(chance.paretovariate(1.5) / 20, 4)) if domain == "a" else 0
            done = chance.randrange(0, 50) if at // HOUR % 24 > 1 else 0
            requests[domain] += done
            waited[domain] += int(done * chance.lognormvariate(0, 2) * 1e6)
        hour = at % DAY // HOUR
        if at // DAY == day and hour < 6 and (hour == 3) == late:
            domains = [row(Scope.DOMAIN, (domain,), cpu_time=cpu[domain], vcpus=2) for domain in cpu]
            disks = [
                row(Scope.DISK, (domain, "vda"), read_requests=requests[domain], read_time=waited[domain])
                for domain in cpu
            ]
            found.append(sample("h", START + at, {Scope.DOMAIN: domains, Scope.DISK: disks}))
    return found


def exact(made: Opened, over: Range, percentiles: list[float]) -> list[Summary]:
    """The answer out of all steps."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duckdb_store, "LONG_DAYS", 10_000)
        return made.store.summary(WANTED, [], over, percentiles)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Days of a fleet, all archived."""
    with opened(tmp_path_factory.mktemp("levels")) as made:
        for day in range(DAYS):
            made.store.append([batch(day + 1, *fleet(day), *fleet(day, late=True))])
            made.archive.run(START + (day + 1) * DAY + 4 * HOUR)
        yield made


def assert_alike(found: list[Summary], wanted: list[Summary]) -> None:
    assert [(one.object, one.quantity, one.samples) for one in found] == [
        (one.object, one.quantity, one.samples) for one in wanted
    ]
    for one, other in zip(found, wanted, strict=True):
        assert one.average == pytest.approx(other.average)
        assert one.maximum == pytest.approx(other.maximum)
        assert one.coverage == other.coverage
        assert one.percentiles == pytest.approx(other.percentiles, rel=sketch.ACCURACY + 1e-9)


@pytest.mark.parametrize("over", [WHOLE, Range(START + 300_000, START + DAYS * DAY - 900_000, 300_000)])
def test_percentiles_of_long_ranges_come_from_sketches(
    year: Opened, monkeypatch: pytest.MonkeyPatch, over: Range
) -> None:
    monkeypatch.setattr(duckdb_store, "LONG_DAYS", DAYS - 2)
    wanted = exact(year, over, RANKS)
    assert_alike(year.store.summary(WANTED, [], over, RANKS), wanted)
    assert_alike(
        year.store.summary(WANTED, ["b"], over, RANKS), [one for one in wanted if one.object == {"domain": "b"}]
    )
    idle = next(one for one in wanted if one.object == {"domain": "b"} and one.quantity == "cpu_cores")
    assert set(idle.percentiles.values()) == {0}
    busy = next(one for one in wanted if one.object == {"domain": "a"} and one.quantity == "cpu_cores")
    assert busy.maximum is not None
    assert busy.average is not None
    assert busy.maximum > 4 * busy.average  # a tail that a wrong rank would miss


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("at_once", [1, 4_000])
def test_tables_of_long_ranges_come_from_sketches(
    year: Opened, monkeypatch: pytest.MonkeyPatch, share: float, at_once: int
) -> None:
    """They say what all steps say, but for percentiles; and of quiet steps whether there are enough."""
    over = Range(START + 300_000, START + DAYS * DAY - 900_000, 300_000)
    quiet = {"cpu_cores": 0.2, "disk_read_latency": 0.002}

    def told() -> list[dict[str, Any]]:
        found = year.store.reduced(WANTED, [], over, {"cpu_cores": (50, 99.5)}, quiet, share)
        return sorted((row for part in found for row in part.to_pylist()), key=lambda row: str(row["domain"]))

    wanted = told()
    monkeypatch.setattr(duckdb_store, "LONG_DAYS", DAYS - 2)
    monkeypatch.setattr(duckdb_store, "AT_ONCE", at_once)
    found = told()
    assert [row["domain"] for row in found] == [row["domain"] for row in wanted] == ["a", "b"]
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        enough = [row.pop("quiet.under") / row.pop("quiet.known") >= share for row in (one, other)]
        assert enough[0] == enough[1]
        for rank in ("cpu_cores.p50", "cpu_cores.p99.5"):
            assert one.pop(rank) == pytest.approx(other.pop(rank), rel=sketch.ACCURACY + 1e-9)
        assert one == pytest.approx(other)
    assert wanted[0]["cpu_cores.deviation"] > 0


def test_without_the_steps_a_year_is_still_answered(
    tmp_path: Path, year: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is past the retention of the finer levels is there in hours and sketches, and it is what it was."""
    monkeypatch.setattr(duckdb_store, "LONG_DAYS", DAYS)
    hours = Range(START, START + DAYS * DAY, HOUR)
    before = exact(year, WHOLE, RANKS), year.store.series(WANTED, [], hours)
    folder = tmp_path / "copy"
    year.database.cursor().execute("CHECKPOINT")
    shutil.copytree(year.database.folder, folder)
    with opened(folder, Retention(raw_days=1, rollup_days=1, hourly_days=30)) as made:
        made.archive.run(START + (DAYS + 2) * DAY)
        made.archive.run(START + (DAYS + 2) * DAY)
        assert {held.level for held in made.archive.held()} == {"hot", "1h", "sketch"}
        assert_alike(made.store.summary(WANTED, [], WHOLE, RANKS), before[0])
        after = made.store.series(WANTED, [], hours)
    for one, other in zip(after, before[1], strict=True):
        assert one.values == pytest.approx(other.values)


@pytest.mark.parametrize("step", [HOUR, 6 * HOUR, DAY])
def test_hours_come_from_hourly_steps(year: Opened, step: int) -> None:
    """The same quantity from raw rows, computed here by DuckDB over the Parquet files themselves."""
    (series, *_) = year.store.series([QUANTITY[Scope.DOMAIN, "cpu_cores"]], ["a"], Range(START, START + 3 * DAY, step))
    raw = f"{year.database.folder}/archive/domain/*/*.parquet"
    rows = (
        duckdb.connect()
        .execute(
            f"""SELECT epoch_ms(ts) // {step} AS step, sum(grown) / sum(seconds) / 1e9
            FROM (SELECT ts, cpu_time - lag(cpu_time) OVER w AS grown, epoch(ts) - lag(epoch(ts)) OVER w AS seconds
                  FROM read_parquet('{raw}') WHERE domain = 'a' WINDOW w AS (ORDER BY ts))
            WHERE seconds < 300 AND ts < make_timestamp_ms({START + 3 * DAY}) GROUP BY step ORDER BY step"""
        )
        .fetchall()
    )
    known = dict(zip(range(START // step, (START + 3 * DAY) // step), series.values, strict=True))
    assert {at: value for at, value in known.items() if value is not None} == pytest.approx(dict(rows))


def test_late_rows_correct_every_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Range(START, START + 2 * DAY, HOUR)
    ranks = [50.0, 99.5]

    def told(made: Opened) -> tuple[list[list[float | None]], list[Summary]]:
        series = [list(one.values) for one in made.store.series(WANTED, [], hours)]
        return series, made.store.summary(WANTED, [], Range(hours.start, hours.end, 300_000), ranks)

    monkeypatch.setattr(duckdb_store, "LONG_DAYS", 2)
    with opened(tmp_path / "order") as made:
        made.store.append([batch(1, *fleet(0), *fleet(0, late=True), *fleet(1), *fleet(1, late=True))])
        made.archive.run(START + 2 * DAY + 4 * HOUR)
        in_order = told(made)
    with opened(tmp_path / "late") as made:
        made.store.append([batch(1, *fleet(0), *fleet(1))])
        made.archive.run(START + 2 * DAY + 4 * HOUR)
        missing = told(made)
        made.store.append([batch(2, *fleet(0, late=True), *fleet(1, late=True))])
        made.archive.run(START + 2 * DAY + 4 * HOUR)
        late = told(made)
    assert late[0] == in_order[0]
    assert_alike(late[1], in_order[1])
    assert missing[0] != in_order[0]
    assert [one.samples for one in missing[1]] != [one.samples for one in in_order[1]]


def test_what_comes_later_than_rollups_are_kept_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(raw_days=1, rollup_days=2)) as made:
        made.store.append([batch(1, *fleet(0))])
        made.archive.run(START + 5 * DAY)
        assert [held.level for held in made.archive.held()] == ["hot"]
        assert made.archive.held()[0].oldest is None


def test_a_new_database_adopts_every_level_but_what_may_be_outdated(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        made.store.append([batch(1, *fleet(0))])
        made.archive.run(START + 2 * DAY)
        before = made.archive.held()[1:]
    (tmp_path / "hot.duckdb").unlink()
    with opened(tmp_path) as made:
        assert {held.level for held in made.archive.held()} == {"hot", "raw", "5m"}
        made.archive.run(START + 2 * DAY)
        assert [(held.level, held.files) for held in made.archive.held()[1:]] == [
            (held.level, held.files) for held in before
        ]


def test_cpu_steal_and_latency_are_sketched() -> None:
    sketched = {(quantity.scope, quantity.name) for quantity in QUANTITIES if quantity.is_sketched}
    assert {(Scope.DOMAIN, "cpu_ratio"), (Scope.DOMAIN, "steal_ratio"), (Scope.DISK, "read_latency")} <= sketched
    assert {scope for scope in Scope if Level.SKETCH.has(scope)} == {scope for scope, _ in sketched}


@pytest.mark.parametrize("level", Level)
def test_paths_say_what_they_hold(level: Level) -> None:
    for generation in (0, 12):
        name = path(Scope.DOMAIN, level, START + 7 * HOUR, generation)
        assert parsed(Path("/data") / name) == (Scope.DOMAIN, level, START + 7 * HOUR, generation)
    assert parsed(Path("archive/other/day=2026-01-01/07-0.parquet")) is None
    assert parsed(Path("archive/domain/day=2026-01-01/x-0.parquet")) is None
