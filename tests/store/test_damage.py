"""A damaged hot file is put away, never deleted; the archive beside it stays readable."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.synthetic import batch, opened, row, sample
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import StoreError
from virtscope.ranges import Ranges
from virtscope.store import Range, damage
from virtscope.store.database import Database
from virtscope.store.migrations import FORMAT

HOUR = 3_600_000
AT = 1_800_000_000_000 // HOUR * HOUR


def fill(folder: Path) -> None:
    with opened(folder) as made:
        for hour in range(5):
            ticks = [
                sample("h", AT + hour * HOUR + tick * 60_000, {
                    Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), state=1, cpu_time=(hour * 60 + tick) * 30_000_000_000)],
                })
                for tick in range(60)
            ]  # fmt: skip
            made.store.append([batch(hour + 1, *ticks)])
        made.archive.run(AT + 5 * HOUR)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def archived(folder: Path) -> list[float | None]:
    with opened(folder) as made:
        over = Range(AT, AT + HOUR, 600_000)
        (series,) = made.store.series([QUANTITY[Scope.DOMAIN, "cpu_cores"]], [], over)
        return list(series.values)


@pytest.mark.parametrize("content", [b"junk" * 4_096, bytes(16_384)], ids=["junk", "zeros"])
def test_what_is_no_database_is_put_away(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path)
    before = archived(tmp_path)
    hot = tmp_path / "hot.duckdb"
    hot.write_bytes(content)
    with opened(tmp_path) as made:
        assert made.records.stored("agent", 1) == Ranges()
    assert archived(tmp_path) == before
    (kept,) = (tmp_path / damage.FOLDER).iterdir()
    assert (kept / "hot.duckdb").read_bytes() == content
    assert "not a valid" in (kept / "reason.txt").read_text()
    assert "the store was damaged" in (damage.quarantined(tmp_path) or "")


def test_a_flipped_byte_in_the_log_is_put_away_with_it(tmp_path: Path) -> None:
    # A log that was not written into the file, as after a kill.
    with opened(tmp_path) as made:
        made.store.append([batch(1)])
        wal = (tmp_path / "hot.duckdb.wal").read_bytes()
        hot = (tmp_path / "hot.duckdb").read_bytes()
    (tmp_path / "hot.duckdb").write_bytes(hot)
    (tmp_path / "hot.duckdb.wal").write_bytes(wal)
    flip(tmp_path / "hot.duckdb.wal", len(wal) // 2)
    with opened(tmp_path) as made:
        identity = made.database.id
        assert made.records.stored("agent", 1) == Ranges()
    (kept,) = (tmp_path / damage.FOLDER).iterdir()
    assert {path.name for path in kept.iterdir()} == {"hot.duckdb", "hot.duckdb.wal", "reason.txt"}
    with opened(tmp_path) as made:
        assert made.database.id == identity
    assert len(list((tmp_path / damage.FOLDER).iterdir())) == 1


def test_a_torn_log_opens_without_its_last_batches(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        for number in range(1, 6):
            made.store.append([batch(number)])
        wal = (tmp_path / "hot.duckdb.wal").read_bytes()
        hot = (tmp_path / "hot.duckdb").read_bytes()
    (tmp_path / "hot.duckdb").write_bytes(hot)
    (tmp_path / "hot.duckdb.wal").write_bytes(wal[:-20])
    with opened(tmp_path) as made:
        assert made.records.stored("agent", 1) == Ranges([(1, 4)])  # and this is what agents are told
    assert damage.quarantined(tmp_path) is None


def test_a_disk_that_is_full_or_a_lock_that_is_taken_is_no_damage() -> None:
    assert not damage.is_damage(duckdb.IOException("Could not write file: No space left on device"))
    assert not damage.is_damage(duckdb.IOException("Could not set lock on file: Conflicting lock is held in PID 7"))
    assert not damage.is_damage(StoreError("Corrupt database file"))


FORMAT_1 = """
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE progress (agent VARCHAR, epoch BIGINT, sequence BIGINT NOT NULL, PRIMARY KEY (agent, epoch));
CREATE TABLE links (uri VARCHAR PRIMARY KEY, document VARCHAR NOT NULL);
INSERT INTO meta VALUES ('format', '1'), ('version', '0.1.0');
INSERT INTO progress VALUES ('qemu:///system', 5, 17), ('test:///default', 6, 1);
INSERT INTO links VALUES ('qemu:///system',
    '{"uri":"qemu:///system","state":"up","since":7,"host":"h","reason":null,"interval":5.0}');
"""
"""The tables of format 1 that are other ones now."""


def test_a_folder_of_format_1_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "hot.duckdb")) as old:
        old.execute(FORMAT_1)
    with opened(tmp_path) as made:
        assert made.records.stored("qemu:///system", 5) == Ranges([(1, 17)])
        (link,) = made.records.known().links
        assert (link.agent, link.uri, link.host) == ("", "qemu:///system", "h")
        made.store.append([batch(18, agent="qemu:///system", epoch=5)])
    with opened(tmp_path) as made:
        assert made.records.stored("qemu:///system", 5) == Ranges([(1, 18)])
    with duckdb.connect(str(tmp_path / "hot.duckdb.format-1"), read_only=True) as kept:
        assert kept.execute("SELECT sequence FROM progress ORDER BY ALL").fetchall() == [(1,), (17,)]


def test_files_of_format_2_stay_listed(tmp_path: Path) -> None:
    fill(tmp_path)
    before = archived(tmp_path)
    with duckdb.connect(str(tmp_path / "hot.duckdb")) as old:
        old.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
        old.execute("ALTER TABLE archive DROP COLUMN bytes")
        old.execute("ALTER TABLE archive DROP COLUMN checksum")
    assert archived(tmp_path) == before
    with opened(tmp_path) as made:
        assert made.archive.held()[1].bytes == 0
        made.archive.run(AT + 5 * HOUR)
        assert made.archive.held()[1].bytes > 0


def test_a_folder_of_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "hot.duckdb")) as newer:
        newer.execute("CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)")
        newer.execute("INSERT INTO meta VALUES ('format', ?)", [FORMAT + 1])
    before = (tmp_path / "hot.duckdb").read_bytes()
    with pytest.raises(StoreError, match="newer virtscope"):
        Database(tmp_path)
    assert (tmp_path / "hot.duckdb").read_bytes() == before


def test_a_disk_that_fails_is_no_fault_of_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    with opened(tmp_path) as made:
        with monkeypatch.context() as while_it_lasts:
            while_it_lasts.setattr("virtscope.store.database.shutil.disk_usage", failing)
            with pytest.raises(StoreError, match="Input/output error"):
                made.store.append([batch(1)])
        made.store.append([batch(1)])
        assert made.records.stored("agent", 1) == Ranges([(1, 1)])
