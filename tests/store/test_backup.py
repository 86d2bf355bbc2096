"""A backup, made while the store is written to, is what the store was; what is damaged is found and named."""

from __future__ import annotations

import sqlite3
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.synthetic import Opened, batch, opened, row, sample
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import BadInput, StoreError
from virtscope.sample import DomainFacts, Event, Sample
from virtscope.store import Range, backup
from virtscope.store.levels import DAY, HOUR, Retention

START = 1_800_000_000_000 // DAY * DAY
CPU = [QUANTITY[Scope.DOMAIN, "cpu_cores"]]
OVER = Range(START, START + 30 * HOUR, 300_000)


def ticks(first: int, last: int) -> list[Sample]:
    return [
        sample("h", START + n * 60_000, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), cpu_time=int(n * n * 6e9))]})
        for n in range(first, last)
    ]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Opened]:
    """A day in the archive, but for hours in which nothing was told, and two hours that are hot."""
    folder = tmp_path / "data"
    with opened(folder) as made:
        told = batch(1, *ticks(0, 150), *ticks(23 * 60, 26 * 60))
        facts, event = DomainFacts("d", "web", "h", xml="<domain/>"), Event(START, "h", "d", "x")
        made.store.append([replace(told, domains=(facts,), events=(event,))])
        made.archive.run(START + 27 * HOUR)
        with sqlite3.connect(folder / backup.REGISTRY) as registry:
            registry.execute("CREATE TABLE users (name TEXT)")
            registry.execute("INSERT INTO users VALUES ('ada')")
        registry.close()
        (folder / backup.KEYS).mkdir()
        (folder / backup.KEYS / "ca.key").write_text("secret")
        yield made


def everything(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table and of every file, but which store it is."""
    with duckdb.connect(str(folder / "hot.duckdb"), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall() for name in tables}
        found["meta"] = [row for row in found["meta"] if row[0] != "store"]
        for path in (folder / "archive").rglob("*.parquet"):
            rows = connection.execute(f"SELECT * FROM read_parquet('{path}') ORDER BY ALL").fetchall()
            found[str(path.relative_to(folder))] = rows
    return found


def archived(made: Opened) -> list[float | None]:
    (series,) = made.store.series(CPU, [], OVER)
    return list(series.values)


@pytest.mark.parametrize("name", ["kept.tar", "kept"])
def test_what_is_restored_is_the_original_row_by_row(tmp_path: Path, filled: Opened, name: str) -> None:
    target, restored = tmp_path / name, tmp_path / "restored"
    values = archived(filled)
    manifest = backup.receive(filled.archive.backup(), target)
    assert len(manifest.files) == len({kept.path for kept in manifest.files}) > 10
    store = filled.database.id
    filled.database.close()
    backup.restore(target, restored)
    assert everything(restored) == everything(filled.database.folder)
    assert (restored / backup.KEYS / "ca.key").read_text() == "secret"
    assert not stat.S_IMODE((restored / backup.KEYS / "ca.key").stat().st_mode) & 0o077
    with sqlite3.connect(restored / backup.REGISTRY) as registry:
        assert registry.execute("SELECT name FROM users").fetchall() == [("ada",)]
    registry.close()
    with opened(restored) as made:
        assert archived(made) == values
        assert made.records.stored("agent", 1) == filled.records.stored("agent", 1)
        assert made.database.id != store  # agents must not take it for the one that has all they sent
        assert made.archive.check().flaws == ()
    assert {path.name for path in restored.iterdir()} == {"hot.duckdb", "archive", "access.sqlite", "pki"}


def test_it_is_of_one_moment_while_others_write_and_archive(tmp_path: Path, filled: Opened) -> None:
    pieces = filled.archive.backup()
    first = next(pieces)  # by then, what it holds is settled
    filled.store.append([batch(2, *ticks(150, 200), *ticks(26 * 60, 27 * 60))])
    for _ in range(2):
        filled.archive.run(START + 40 * HOUR)

    def rest() -> Iterator[bytes]:
        yield first
        yield from pieces

    backup.receive(rest(), tmp_path / "kept.tar")
    backup.restore(tmp_path / "kept.tar", tmp_path / "restored")
    with opened(tmp_path / "restored") as made:
        assert made.records.stored("agent", 1).missing(1, 2) == [(2, 2)]
        assert made.archive.check().flaws == ()
        found = made.store.series(CPU, [], Range(START, START + 4 * HOUR, 60_000))[0].values
    assert [value is not None for value in found[1:200]] == [True] * 149 + [False] * 50
    before = list(filled.database.folder.rglob("archive/domain/*-15/02-*.parquet"))
    filled.archive.run(START + 40 * HOUR)
    assert len(before) == 2  # it was kept while the backup was read …
    assert len(list(filled.database.folder.rglob("archive/domain/*-15/02-*.parquet"))) == 1


def test_a_backup_that_is_cut_short_or_damaged_is_refused(tmp_path: Path, filled: Opened) -> None:
    pieces = b"".join(filled.archive.backup())
    for content in (pieces[: len(pieces) // 2], pieces.replace(b'"made"', b'"mode"', 1), b"nothing of the kind"):
        with pytest.raises(StoreError):
            backup.receive([content], tmp_path / "kept.tar")
        assert not list(tmp_path.glob("kept*"))
    damaged = bytearray(pieces)
    damaged[len(pieces) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(damaged)
    with pytest.raises(StoreError, match="is not what it was"):
        backup.restore(tmp_path / "damaged.tar", tmp_path / "restored")
    assert list((tmp_path / "restored").iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, filled: Opened) -> None:
    (tmp_path / "kept.tar").touch()
    with pytest.raises(BadInput, match="is there already"):
        backup.receive([], tmp_path / "kept.tar")
    with pytest.raises(BadInput, match="there is a store in"):
        backup.restore(tmp_path / "kept.tar", filled.database.folder)


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        (tmp_path / "content").write_text("x")
        packed.add(tmp_path / "content", "../../outside")
    with pytest.raises(StoreError):
        backup.restore(tmp_path / "evil.tar", tmp_path / "in/restored")
    assert not list(tmp_path.rglob("outside"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("archive/domain_5m/*/01-0.parquet", "made again of the samples"),
        ("archive/domain_1h/*/00-0.parquet", "to be made again of the steps of 5 minutes, in a minute"),
        ("archive/domain_sketch/*/00-0.parquet", "to be made again of the steps of 5 minutes, in a minute"),
        ("archive/domain/*/01-0.parquet", "lost: what coarser levels hold of it is still there"),
    ],
)
def test_a_flipped_byte_is_found_put_away_and_mended(filled: Opened, name: str, outcome: str) -> None:
    folder = filled.database.folder
    values = archived(filled)
    hours = filled.store.series(CPU, [], Range(START, START + DAY, HOUR))[0].values
    assert filled.archive.check().flaws == ()
    (path,) = folder.glob(name)
    flip(path)
    (flaw,) = filled.archive.check().flaws
    assert flaw.path == str(path.relative_to(folder))
    assert "checksum" in flaw.reason
    assert filled.archive.mend(flaw) == outcome
    filled.archive.run(START + 27 * HOUR)
    assert filled.archive.check().flaws == ()
    assert archived(filled) == values
    assert filled.store.series(CPU, [], Range(START, START + DAY, HOUR))[0].values == hours
    assert list((folder / "quarantine").rglob(path.name))


def test_a_file_that_is_missing_or_was_never_measured_is_checked_too(filled: Opened) -> None:
    folder = filled.database.folder
    gone, unmeasured = sorted(folder.glob("archive/domain/*/*.parquet"))[:2]
    gone.unlink()
    with filled.database.write() as connection:
        connection.execute("UPDATE archive SET checksum = NULL")
    unmeasured.write_bytes(unmeasured.read_bytes()[:-20])
    reasons = {flaw.path: flaw.reason for flaw in filled.archive.check().flaws}
    assert set(reasons) == {str(path.relative_to(folder)) for path in (gone, unmeasured)}


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and nothing more"])
def test_a_question_to_a_file_that_cannot_be_read_says_what_to_do(filled: Opened, content: bytes | None) -> None:
    path = next(filled.database.folder.glob("archive/domain_5m/*/01-0.parquet"))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"a file of the archive cannot be read: .*01-0.parquet") as refused:
        archived(filled)
    assert "store check --repair" in refused.value.hint
    (flaw,) = filled.archive.check().flaws
    filled.archive.mend(flaw)
    assert any(value is not None for value in archived(filled))


def test_what_finer_levels_hold_no_more_is_lost_and_said_so(tmp_path: Path) -> None:
    with opened(tmp_path, Retention(raw_days=1, rollup_days=1)) as made:
        made.store.append([batch(1, *ticks(0, 60))])
        made.archive.run(START + 28 * HOUR)
        made.archive.run(START + 4 * DAY)
        assert [held.level for held in made.archive.held()] == ["hot", "1h", "sketch"]
        flip(next(tmp_path.glob("archive/domain_1h/*/*")))
        (flaw,) = made.archive.check().flaws
        assert made.archive.mend(flaw).startswith("lost")
        assert made.archive.check().flaws == ()


def test_below_the_floor_nothing_is_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        made.store.append([batch(1)])
        made.database._floor = 1 << 60
        with pytest.raises(StoreError, match=r"is full: .* MiB must stay so \(keep-free\)"):
            made.store.append([batch(2)])
        with pytest.raises(StoreError, match="is full"):
            list(made.archive.backup())
        made.database._floor = 0
        made.store.append([batch(2)])
