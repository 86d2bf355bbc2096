"""SQL over the store: right answers, and nothing else to be had."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.synthetic import Opened, batch, opened, row, sample
from virtscope.analysis.finding import Evidence, Finding, Severity, Subject
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import BadInput, TooLarge, TooOften, VirtscopeError
from virtscope.sample import DomainFacts, Event, HostFacts, Nova
from virtscope.store import Range
from virtscope.store.findings import Findings
from virtscope.store.sql import MOST_WAITING, Sql
from virtscope.store.sql_process import answer

HOUR = 3_600_000
START = 1_800_000_000_000 // HOUR * HOUR
OVER = Range(START, START + 2 * HOUR, 300_000)
DOCUMENTED = re.findall(r"```sql\n(.*?)```", (Path(__file__).parents[2] / "docs/sql.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Two domains of 0.5 and 2 cores; the first hour is archived."""
    with opened(tmp_path_factory.mktemp("sql")) as found:
        ticks = [
            sample(
                "h",
                START + n * 10_000,
                {
                    Scope.DOMAIN: [
                        row(Scope.DOMAIN, (name,), cpu_time=int(cores * n * 1e10), vcpus=2, memory_current=1024)
                        for name, cores in (("d", 0.5), ("e", 2))
                    ],
                    Scope.DISK: [row(Scope.DISK, ("d", "vda"), write_time=n * 10**9, write_requests=n)],
                },
            )
            for n in range(720)
        ]
        known = {
            "hosts": (HostFacts("h", "kvm1", "qemu:///system", cpus=8),),
            "domains": (DomainFacts("d", "web", "h", nova=Nova(project="shop")), DomainFacts("e", "db'; --", "h")),
            "events": (Event(START + 60_000, "h", "d", "started", "booted"),),
        }
        found.store.append([replace(batch(1, *ticks), **known)])  # type: ignore[arg-type]
        found.archive.run(START + 3 * HOUR + HOUR // 2)
        idle = Finding(
            "idle", Subject("domain", "d", "web", "h"), "idle", Severity.WARNING, "it does nothing",
            Evidence(START, START + HOUR, 12, 1.0), 0.9,
        )  # fmt: skip
        kept = Findings(found.database)
        kept.take("idle", START + HOUR, 0.1, [idle, replace(idle, subject=Subject("domain", "e", "db", "h"))])
        kept.take("idle", START + HOUR + 60_000, 0.1, [idle])
        yield found


@pytest.fixture(scope="module")
def sql(made: Opened) -> Sql:
    return Sql(made.database, made.store, made.records)


def test_rates_are_those_of_the_store(made: Opened, sql: Sql) -> None:
    found = sql.query("SELECT domain, time, cpu_cores FROM domain_rates ORDER BY ALL", OVER)
    assert found.columns == ["domain", "time", "cpu_cores"]
    assert found.types == ["VARCHAR", "TIMESTAMP", "DOUBLE"]
    series = made.store.series([QUANTITY[Scope.DOMAIN, "cpu_cores"]], [], OVER)
    assert [value for _, _, value in found.rows] == [value for one in series for value in one.values]
    assert len(found.rows) == 48
    assert not found.is_cut


def test_all_columns_are_there_where_all_are_asked_for(sql: Sql) -> None:
    found = sql.query("SELECT * FROM disk_rates LIMIT 1", OVER)
    assert {"domain", "target", "time", "write_latency", "read", "capacity"} <= set(found.columns)
    assert sql.query("SELECT count(*) FROM disk_rates", OVER).rows == [[24]]


def test_views_of_what_is_known(sql: Sql) -> None:
    joined = "SELECT name, round(avg(cpu_cores), 6) FROM domain_rates JOIN domains USING (domain) GROUP BY 1 ORDER BY 2"
    assert sql.query(joined, OVER).rows == [["web", 0.5], ["db'; --", 2.0]]
    assert sql.query("SELECT name, cpus FROM hosts", OVER).rows == [["kvm1", 8]]
    assert sql.query("SELECT project FROM domains WHERE name = 'web'", OVER).rows == [["shop"]]
    assert sql.query("SELECT kind, domain FROM events", OVER).rows == [["started", "d"]]


def test_findings_are_those_of_the_range(sql: Sql) -> None:
    asked = "SELECT subject, severity, confidence, epoch_ms(first), epoch_ms(gone), dismissed FROM findings ORDER BY 1"
    begin = START + HOUR
    still, gone = ["d", "warning", 0.9, begin, None, False], ["e", "warning", 0.9, begin, begin + 60_000, False]
    assert sql.query(asked, OVER).rows == [still, gone]
    assert sql.query(asked, Range(begin + 300_000, OVER.end, 300_000)).rows == [still]
    assert sql.query(asked, Range(START, begin, 300_000)).rows == []


@pytest.mark.parametrize("query", DOCUMENTED, ids=range(len(DOCUMENTED)))
def test_what_is_documented_runs(sql: Sql, query: str) -> None:
    assert sql.query(query, OVER).rows


def test_rows_are_limited_and_that_is_told(sql: Sql) -> None:
    found = sql.query("SELECT time FROM domain_rates", OVER, limit=5)
    assert len(found.rows) == 5
    assert found.is_cut


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO domains VALUES (1)",
        "CREATE TABLE x AS SELECT 1",
        "COPY (SELECT 1) TO '/tmp/virtscope-sql-outside.csv'",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '10GB'",
        "PRAGMA database_list",
        "ATTACH '/tmp/virtscope-sql-outside.duckdb' AS x",
        "INSTALL httpfs",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "SELECT nonsense FROM",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM archive",
    ],
)
def test_nothing_but_reading_the_views(sql: Sql, query: str) -> None:
    with pytest.raises(BadInput):
        sql.query(query, OVER)
    assert not Path("/tmp/virtscope-sql-outside.csv").exists()


def test_the_data_folder_cannot_be_read(made: Opened, sql: Sql) -> None:
    secret = made.database.folder / "access.sqlite"
    secret.write_text("secret")
    for path in (secret, made.database.folder / "hot.duckdb", *made.database.folder.glob("archive/domain/*/*")):
        with pytest.raises(BadInput):
            sql.query(f"SELECT * FROM read_blob('{path}')", OVER)


def test_the_environment_cannot_be_read(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTSCOPE_SECRET", "hidden")
    try:
        found = sql.query("SELECT getenv('VIRTSCOPE_SECRET')", OVER).rows
    except BadInput:
        return
    assert "hidden" not in str(found)


def test_a_query_that_takes_too_long_is_ended(sql: Sql) -> None:
    with pytest.raises(TooLarge, match=r"takes more than 1 s"):
        sql.query("SELECT sum(a.i * b.i) FROM range(1000000) AS a(i), range(1000000) AS b(i)", OVER, seconds=1)
    assert sql.query("SELECT 1", OVER).rows == [[1]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT list(i::VARCHAR || repeat('x', 1000)) FROM range(10000000) AS r(i)",
        "SELECT length(repeat(repeat('x', 1000000), 4000))",
    ],
)
def test_a_query_that_takes_too_much_memory_costs_only_itself(sql: Sql, query: str) -> None:
    with pytest.raises(VirtscopeError):
        sql.query(query, OVER)
    assert sql.query("SELECT 1", OVER).rows == [[1]]


def test_numbers_that_json_has_not_are_texts() -> None:
    asked = {"query": "SELECT 'nan'::DOUBLE, 'inf'::DOUBLE, 1.5", "files": {}, "folder": "/x", "limit": 9, "seconds": 5}
    assert json.loads(json.dumps(answer(asked), default=str))["rows"] == [[None, "inf", "1.5"]]


def test_whoever_reads_an_export_slowly_keeps_nobody_waiting(sql: Sql) -> None:
    with sql.exported([QUANTITY[Scope.DOMAIN, "cpu_cores"]], [], OVER, "csv"):
        assert sql.query("SELECT 1", OVER).rows == [[1]]


def test_no_more_wait_for_their_turn_than_a_few(sql: Sql) -> None:
    taken = [sql._places.acquire(blocking=False) for _ in range(1 + MOST_WAITING)]
    assert all(taken)
    with pytest.raises(TooOften):
        sql.query("SELECT 1", OVER)
    sql._places.release(len(taken))
    assert sql.query("SELECT 1", OVER).rows == [[1]]


def test_what_is_wrong_is_said_in_one_line(sql: Sql) -> None:
    with pytest.raises(BadInput, match="syntax error") as told:
        sql.query("SELEC 1", OVER)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_exports_hold_what_series_tell(made: Opened, sql: Sql, form: str) -> None:
    wanted = [QUANTITY[Scope.DOMAIN, name] for name in ("cpu_cores", "net_receive")]
    with sql.exported(wanted, ["e"], OVER, form) as path:
        if form == "parquet":
            read = duckdb.connect().execute(f"SELECT domain, cpu_cores FROM '{path}' ORDER BY time").fetchall()
        elif form == "csv":
            rows = list(csv.DictReader(path.read_text().splitlines()))
            assert list(rows[0]) == ["time", "domain", "cpu_cores", "net_receive"]
            assert rows[0]["net_receive"] == ""
            read = [(one["domain"], float(one["cpu_cores"])) for one in rows]
        else:
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            assert rows[0]["net_receive"] is None
            read = [(one["domain"], one["cpu_cores"]) for one in rows]
    (series,) = made.store.series(wanted[:1], ["e"], OVER)
    assert [value for _, value in read] == pytest.approx(list(series.values))
    assert {domain for domain, _ in read} == {"e"}
    assert not list(made.database.folder.glob("unfinished-*"))


def test_an_export_of_one_device_has_no_other(tmp_path: Path) -> None:
    disks = [(domain, target) for domain in ("d", "e") for target in ("vda", "vdb", "it's")]
    with opened(tmp_path) as made:
        rows = [[row(Scope.DISK, disk, write_requests=n * 10) for disk in disks] for n in range(60)]
        ticks = [sample("h", START + n * 10_000, {Scope.DISK: told}) for n, told in enumerate(rows)]
        made.store.append([batch(1, *ticks)])
        sql = Sql(made.database, made.store, made.records)

        def found(*devices: tuple[str, str]) -> set[tuple[str, str]]:
            wanted = [QUANTITY[Scope.DISK, "write_requests"]]
            with sql.exported(wanted, [], OVER, "csv", devices) as path:
                return {(one["domain"], one["target"]) for one in csv.DictReader(path.read_text().splitlines())}

        of_e = {disk for disk in disks if disk[0] == "e"}
        assert found() == set(disks)
        assert found(("d", "vda")) == {("d", "vda")} | of_e
        assert found(("d", "it's"), ("d", "vdb")) == {("d", "it's"), ("d", "vdb")} | of_e
        assert found(("d", "' OR true --")) == of_e
