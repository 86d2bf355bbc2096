"""The embedded store: what goes in comes out, once, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.synthetic import Opened, batch, opened, row, sample
from virtscope.catalogue import METRIC, METRICS, QUANTITY, Kind, Scope
from virtscope.errors import StoreError
from virtscope.ranges import Ranges
from virtscope.sample import DomainFacts, Event, Gone, HostFacts, Link, LinkState, Sample
from virtscope.store import Range, database
from virtscope.store.levels import Retention

HOUR = 3_600_000
SECOND = 1_000_000_000
"""Of CPU time, ns."""
START = 1_800_000_000_000 // HOUR * HOUR
CPU = [QUANTITY[Scope.DOMAIN, "cpu_cores"]]
READ = [QUANTITY[Scope.DOMAIN, "disk_read"]]


def ticks(count: int, *, host: str = "h", domain: str = "d", step: int = 10_000, cores: float = 0.5) -> list[Sample]:
    """A domain that uses so many cores, and reads 1000 bytes/s from each of two disks."""
    return [
        sample(
            host,
            START + n * step,
            {
                Scope.DOMAIN: [row(Scope.DOMAIN, (domain,), state=1, cpu_time=int(cores * n * step * 1e6), vcpus=1)],
                Scope.DISK: [row(Scope.DISK, (domain, disk), read_bytes=n * step) for disk in ("vda", "vdb")],
            },
        )
        for n in range(count)
    ]


def test_nothing_is_stored_twice(open_store: Opened) -> None:
    first = batch(1, *ticks(3))
    open_store.store.append([first])
    open_store.store.append([first, batch(2, *ticks(4)[3:])])
    with open_store.database.write() as connection:
        assert connection.execute("SELECT count(*) FROM domain").fetchone() == (4,)
    assert open_store.records.stored("agent", 1) == Ranges([(1, 2)])


def test_latest_is_of_the_newest_two_samples(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(3)), batch(1, *ticks(2, host="h2", domain="e", cores=2), agent="other")])
    found = {latest.object["domain"]: latest for latest in open_store.store.latest(Scope.DOMAIN)}
    assert found["d"].values["cpu_cores"] == pytest.approx(0.5)
    assert found["e"].values["cpu_cores"] == pytest.approx(2)
    assert found["d"].values["disk_read"] == pytest.approx(2000)
    assert found["d"].values["net_receive"] is None
    assert found["d"].at == START + 20_000
    assert found["d"].seconds == 10
    assert found["d"].states == {"state": 1, "state_reason": None, "timed_out": None}


def test_series_has_a_value_for_each_step_and_null_where_nothing_is_known(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(7))])
    found = open_store.store.series(CPU, ["d"], Range(START, START + 120_000, 20_000))
    assert [series.object for series in found] == [{"domain": "d"}]
    assert found[0].values == pytest.approx([0.5, 0.5, 0.5, 0.5, None, None])
    assert found[0].coverage == pytest.approx(4 / 6)
    assert open_store.store.series(CPU, ["nobody"], Range(START, START + 120_000, 20_000)) == []


def test_peaks_are_the_highest_readings_hot_and_archived(tmp_path: Path) -> None:
    """One of thirty readings in 5 minutes is a burst: the average hides it, the peak does not."""
    time, samples = 0, []
    for at in range(0, 3600, 10):
        time += 8 * SECOND if at % 300 == 100 else SECOND
        samples.append(
            sample(
                "h",
                START + at * 1000,
                {
                    Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), cpu_time=time, vcpus=2)],
                    Scope.VCPU: [row(Scope.VCPU, ("d", 0), delay=time)],
                },
            )
        )
    wanted = [QUANTITY[Scope.DOMAIN, name] for name in ("cpu_cores", "cpu_ratio", "steal_ratio", "vcpus")]
    over = Range(START, START + HOUR, 300_000)
    with opened(tmp_path) as made:
        made.store.append([batch(1, *samples)])
        hot = made.store.banded(wanted, [], over)
        made.archive.run(START + 4 * HOUR + 1)
        archived = made.store.banded(wanted, [], over)
        plain = made.store.series(wanted, [], over)
    for found in (hot, archived):
        cores, share, steal, vcpus = found
        assert cores.peaks == pytest.approx([0.8] * 12)
        assert share.peaks == pytest.approx([0.4] * 12)
        assert vcpus.peaks == [2.0] * 12
        assert all(type(peak) is float for peak in vcpus.peaks)
        assert steal.peaks is None, "a sum's parts need not be highest at the same time"
        assert [one.values for one in found] == [pytest.approx(one.values) for one in plain]
        assert max(value or 0 for value in cores.values) < 0.13


def test_a_restart_of_the_guest_is_no_spike(open_store: Opened) -> None:
    times = [(0, 10_000_000_000), (10, 15_000_000_000), (20, 1_000_000_000), (30, 6_000_000_000)]
    samples = [
        sample("h", START + at * 1000, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), cpu_time=time)]}) for at, time in times
    ]
    open_store.store.append([batch(1, *samples)])
    found = open_store.store.series(CPU, [], Range(START, START + 40_000, 10_000))
    assert found[0].values == pytest.approx([None, 0.5, 0.1, 0.5])


def test_a_domain_keeps_its_history_when_it_moves(open_store: Opened) -> None:
    moved = ticks(6, host="h2", cores=1.0)[3:]
    open_store.store.append([batch(1, *ticks(3)), batch(1, *moved, agent="other")])
    found = open_store.store.series(CPU, ["d"], Range(START, START + 60_000, 10_000))
    assert len(found) == 1
    assert found[0].values == pytest.approx([None, 0.5, 0.5, None, 1.0, 1.0])


def test_summary(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(11, cores=0.2)), batch(1, *ticks(11, domain="e", host="g"), agent="x")])
    found = open_store.store.summary(CPU, [], Range(START, START + 200_000, 10_000), [50, 95])
    assert [(item.object["domain"], item.samples) for item in found] == [("d", 10), ("e", 10)]
    assert found[0].average == pytest.approx(0.2)
    assert found[0].maximum == pytest.approx(0.2)
    assert found[0].percentiles == pytest.approx({50: 0.2, 95: 0.2})
    assert found[0].coverage == pytest.approx(0.5)


def test_archived_hours_answer_as_hot_ones_do(tmp_path: Path) -> None:
    over = Range(START, START + 2 * HOUR, 300_000)
    with opened(tmp_path) as made:
        made.store.append([batch(1, *ticks(720))])
        before = (made.store.series(CPU + READ, [], over), made.store.summary(CPU, [], over, [95]))
        made.archive.run(START + 4 * HOUR + 1)
        hot = made.database.cursor().execute("SELECT count(*) FROM domain").fetchone()
        assert hot == (0,)
        after = (made.store.series(CPU + READ, [], over), made.store.summary(CPU, [], over, [95]))
        fine = made.store.series(CPU, [], Range(START, START + HOUR, 10_000))
    for old, new in zip(before[0], after[0], strict=True):
        assert new.values == pytest.approx(old.values)
    assert after[1][0].percentiles == pytest.approx(before[1][0].percentiles)
    assert fine[0].values[1:] == pytest.approx([0.5] * 359)
    files = sorted(path.relative_to(tmp_path).parts[:2] for path in tmp_path.glob("archive/*/*/*.parquet"))
    assert ("archive", "domain") in files
    assert ("archive", "domain_5m") in files


def test_rows_that_come_late_are_merged_into_their_hour(tmp_path: Path) -> None:
    samples = ticks(720)
    with opened(tmp_path) as made:
        made.store.append([batch(1, *samples[:100], *samples[200:])])
        made.archive.run(START + 4 * HOUR + 1)
        made.store.append([batch(2, *samples[100:200])])
        made.archive.run(START + 4 * HOUR + 2)
        found = made.store.series(CPU, [], Range(START, START + 2 * HOUR, 10_000))
        made.archive.run(START + 4 * HOUR + 3)
    assert found[0].values[1:] == pytest.approx([0.5] * 719)
    assert len(list(tmp_path.glob("archive/domain/*/*.parquet"))) == 2


def test_what_is_past_its_retention_is_unlinked(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(raw_days=1, rollup_days=2)) as made:
        made.store.append([batch(1, *ticks(10))])
        made.archive.run(START + 4 * HOUR)
        assert list(tmp_path.glob("archive/domain/*/*.parquet"))
        for _ in range(2):
            made.archive.run(START + 27 * HOUR)
        assert not list(tmp_path.glob("archive/domain/*/*.parquet"))
        assert list(tmp_path.glob("archive/domain_5m/*/*.parquet"))
        for _ in range(2):
            made.archive.run(START + 3 * 24 * HOUR)
        assert not list(tmp_path.glob("archive/domain_5m/*/*.parquet"))


def test_the_archive_outlives_its_database(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        made.store.append([batch(1, *ticks(10))])
        made.archive.run(START + 4 * HOUR)
    (tmp_path / "hot.duckdb").unlink()
    with opened(tmp_path) as made:
        found = made.store.series(CPU, [], Range(START, START + 100_000, 10_000))
    assert found[0].values[1:] == pytest.approx([0.5] * 9)


def test_a_folder_of_an_older_version_gains_the_new_columns(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        made.store.append([batch(1, *ticks(3))])
    with duckdb.connect(str(tmp_path / "hot.duckdb")) as connection:
        connection.execute("ALTER TABLE domain DROP COLUMN cpu_user")
    with opened(tmp_path) as made:
        made.store.append([batch(2, *ticks(4)[3:])])
        assert len(made.store.latest(Scope.DOMAIN)) == 1


def test_a_folder_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as made, made.database.write() as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    with pytest.raises(StoreError, match=r"newer virtscope \(format 99"):
        database.Database(tmp_path)


def test_a_folder_in_use_is_refused(open_store: Opened) -> None:
    folder = str(open_store.database.folder)
    code = f"from pathlib import Path; from virtscope.store.database import Database; Database(Path({folder!r}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is in use by another process (pid " in answer.stderr


def test_a_full_disk_stores_nothing_and_loses_nothing(open_store: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store.store.append([batch(1, *ticks(2))])
    with monkeypatch.context() as full:
        full.setattr(database, "FREE_SPACE_FLOOR", 2**62)
        with pytest.raises(StoreError, match="is full"):
            open_store.store.append([batch(2, *ticks(3)[2:])])
    assert open_store.records.stored("agent", 1) == Ranges([(1, 1)])
    open_store.store.append([batch(2, *ticks(3)[2:])])
    assert open_store.store.latest(Scope.DOMAIN)[0].at == START + 20_000


def test_the_database_reaches_no_file_outside_its_folder(open_store: Opened) -> None:
    cursor = open_store.database.cursor()
    with pytest.raises(duckdb.Error):
        cursor.execute("SELECT * FROM read_csv('/etc/passwd')")


def test_records(tmp_path: Path) -> None:
    host = HostFacts("h", "kvm1", "test:///default")
    link = Link("test:///default", LinkState.UP, since=START, host="h")
    domains = (DomainFacts("d", "web", "h"), DomainFacts("e", "db", "h"))
    events = (Event(START, "h", "d", "started", "booted"), Event(START + 5, "h", None, "host up"))
    with opened(tmp_path) as made:
        made.store.append([batch(1, hosts=(host,), links=(link,), domains=domains, events=events)])
        made.store.append([batch(2, gone=(Gone("h", "domain", "e"),))])
    with opened(tmp_path) as made:
        known = made.records.known()
        assert known.facts == (host, domains[0])
        assert known.links == (link,)
        assert made.records.events(START, START + 10) == list(reversed(events))
        assert made.records.events(START, START + 10, domain="d") == [events[0]]
        assert made.records.events(START, START + 5) == [events[0]]


def test_every_stored_metric_has_its_column(open_store: Opened) -> None:
    for scope in Scope:
        rows = open_store.database.cursor().execute(f"DESCRIBE {scope.value}").fetchall()
        assert [name for name, *_ in rows] == [
            "ts",
            *scope.keys,
            *(metric.name for metric in METRICS if metric.scope is scope),
        ]
    assert METRIC[Scope.DOMAIN, "cpu_time"].kind is Kind.COUNTER


def test_old_records_are_forgotten_but_for_the_newest(tmp_path: Path) -> None:
    """A description that was replaced long ago goes with its text; what is true since then stays, however old."""
    day = 86_400_000
    now = START + 500 * day
    versions = [replace(DomainFacts("d", "web", "h"), xml=f"<domain>{number}</domain>") for number in range(3)]
    with opened(tmp_path, Retention(record_days=400)) as made:
        for number, (facts, at) in enumerate(zip(versions, (START, START + day, now - day), strict=True), start=1):
            event = Event(at, "h", "d", "configuration changed", str(number))
            made.store.append([replace(batch(number, domains=(facts,), events=(event,)), at=at)])
        made.archive.run(now)
        assert [version.facts for version in made.records.history("domain", "d")] == versions[1:]
        assert [event.detail for event in made.records.events(0, now)] == ["3"]
        texts = made.database.cursor().execute("SELECT count(*) FROM texts").fetchall()
        assert texts == [(2,)]
        assert made.records.known().facts == (versions[2],)
