"""The spool, and everything that a disk can do to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.running import until
from virtscope.agent import segment
from virtscope.agent.spool import FULL, Limits, Spool
from virtscope.errors import SpoolError
from virtscope.ranges import Ranges

EVER = Limits(sync_seconds=0, replay_seconds=1e9)


def fill(spool: Spool, count: int, size: int = 100, at: int = 1_000) -> None:
    for number in range(count):
        spool.append(bytes([number % 256]) * size, at + number)


def sequences(spool: Spool) -> list[int]:
    """What waits, in the order in which it would be sent."""
    return [record.sequence for record in spool.oldest(1 << 30)]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def test_what_goes_in_comes_out_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, EVER)
    fill(spool, 300)
    found = spool.oldest(1 << 30)
    assert [record.sequence for record in found] == list(range(1, 301))
    assert [record.frame for record in found] == [bytes([number % 256]) * 100 for number in range(300)]
    assert len(spool.oldest(500)) == 3
    assert len(spool.oldest(1)) == 1
    assert [record.sequence for record in spool.newest(400, since=1_290)] == [300, 299]
    assert [record.sequence for record in spool.newest(1 << 20, since=1_297)] == [300, 299, 298]
    spool.close()


def test_a_restart_keeps_what_is_not_stored_and_begins_another_epoch(tmp_path: Path) -> None:
    first = Spool(tmp_path, EVER)
    fill(first, 10)
    first.settle(first.epoch, Ranges([(1, 4)]))
    first.close()
    second = Spool(tmp_path, EVER, clock=lambda: 5)  # even where the clock went back
    assert second.epoch > first.epoch
    fill(second, 2)
    assert [(record.epoch, record.sequence) for record in second.oldest(1 << 20)] == [
        *((first.epoch, number) for number in range(1, 11)),
        *((second.epoch, number) for number in (1, 2)),
    ]
    second.settle(first.epoch, Ranges([(1, 4), (9, 9)]))
    assert sequences(second) == [5, 6, 7, 8, 10, 1, 2]
    assert second.epochs() == (first.epoch, second.epoch)
    second.close()


def test_a_server_that_has_lost_something_gets_it_again(tmp_path: Path) -> None:
    now = 1_000_000
    spool = Spool(tmp_path, Limits(sync_seconds=0, replay_seconds=60), clock=lambda: now)
    fill(spool, 10, at=now)
    spool.settle(spool.epoch, Ranges([(1, 10)]))
    assert sequences(spool) == []
    spool.settle(spool.epoch, Ranges([(1, 7)]))
    assert sequences(spool) == [8, 9, 10]
    spool.close()


def test_what_is_stored_goes_after_the_replay_window(tmp_path: Path) -> None:
    now = [1_000_000]
    spool = Spool(tmp_path, Limits(size=80_000, sync_seconds=0, replay_seconds=60), clock=lambda: now[0])
    fill(spool, 200, at=now[0])
    assert len(files(tmp_path)) > 1
    spool.settle(spool.epoch, Ranges([(1, 200)]))
    before = len(files(tmp_path))
    now[0] += 61_000
    spool.settle(spool.epoch, Ranges([(1, 200)]))
    assert len(files(tmp_path)) == 1 < before
    assert spool.state().dropped == 0
    spool.close()


def test_an_old_backlog_has_its_replay_window_from_when_it_is_stored(tmp_path: Path) -> None:
    now = [10**9]
    spool = Spool(tmp_path, Limits(size=80_000, sync_seconds=0, replay_seconds=60), clock=lambda: now[0])
    fill(spool, 200, at=now[0] - 10**7)
    before = len(files(tmp_path))
    spool.settle(spool.epoch, Ranges([(1, 200)]))
    assert len(files(tmp_path)) == before
    spool.settle(spool.epoch, Ranges([(1, 150)]))  # the server has lost its newest minutes
    assert sequences(spool) == list(range(151, 201))
    spool.settle(spool.epoch, Ranges([(1, 200)]))
    now[0] += 61_000
    spool.settle(spool.epoch, Ranges([(1, 200)]))
    assert len(files(tmp_path)) == 1
    spool.close()


def test_a_full_spool_drops_the_oldest_and_says_so(tmp_path: Path) -> None:
    limit = 100_000
    spool = Spool(tmp_path, Limits(size=limit, sync_seconds=0))
    fill(spool, 3_000)
    taken = sum(path.stat().st_size for path in files(tmp_path))
    assert taken <= limit + limit // 8
    left = sequences(spool)
    (loss,) = spool.losses()
    assert (loss.first, loss.last, loss.reason) == (1, left[0] - 1, FULL)
    assert (loss.since, loss.until) == (1_000, 1_000 + loss.last - 1)
    assert left == list(range(left[0], 3_001))
    assert spool.state().dropped == loss.last
    spool.close()
    again = Spool(tmp_path, Limits(size=limit, sync_seconds=0))
    assert again.losses() == (loss,)
    again.settle(loss.epoch, Ranges([(1, loss.last)]))
    assert again.losses() == ()
    assert again.state().dropped == loss.last
    again.close()


def test_what_is_stored_is_dropped_before_what_is_not(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(size=100_000, sync_seconds=0, replay_seconds=1e9))
    fill(spool, 300)
    spool.settle(spool.epoch, Ranges([(100, 300)]))
    fill(spool, 400)
    assert spool.losses() == ()
    assert [number for number in sequences(spool) if number < 100] == list(range(1, 100))
    spool.close()


def test_one_agent_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match=f"in use by another agent \\(pid {os.getpid()}\\)"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damage_costs_only_the_records_that_it_hits(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, EVER)
    fill(spool, 20, size=200)
    spool.close()
    (path,) = files(folder)
    content = bytearray(path.read_bytes())
    size = len(content) // 20
    hit = set()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        hit.add(at // size + 1)
    path.write_bytes(content)
    again = Spool(folder, EVER)
    whole = [number for number in range(1, 21) if number not in hit]
    found = sequences(again)
    assert set(found) >= set(whole)  # the same byte hit twice may be whole again
    again.settle(spool.epoch, Ranges())
    lost = Ranges((loss.first, loss.last) for loss in again.losses())
    if found:
        assert lost == Ranges((n, n) for n in range(found[0], found[-1]) if n not in found)
    again.close()


@pytest.mark.parametrize("content", [b"", b"junk" * 99, bytes(4_096)], ids=["empty", "junk", "zeros"])
def test_a_file_without_a_record_is_put_away(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0000000000000001.spool").write_bytes(content)
    spool = Spool(tmp_path, EVER)
    fill(spool, 3)
    assert sequences(spool) == [1, 2, 3]
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == (
        ["0000000000000001.spool"] if content else []
    )
    assert spool.state().damaged == bool(content)
    spool.close()


def test_a_damaged_file_is_put_away_when_it_is_read_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, EVER)
    fill(spool, 5)
    spool.close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\2" * 100, b"\7" * 100))
    now = [10**9]
    again = Spool(tmp_path, Limits(replay_seconds=1), clock=lambda: now[0])
    assert sequences(again) == [1, 2, 4, 5]
    assert again.state().damaged == 1
    again.settle(spool.epoch, Ranges([(1, 2), (4, 5)]))
    assert [loss.first for loss in again.losses()] == [3]
    now[0] += 2_000
    again.settle(spool.epoch, Ranges([(1, 2), (4, 5)]))
    assert [kept.name for kept in (tmp_path / "quarantine").iterdir()] == [path.name]
    again.close()


@pytest.mark.parametrize("tail", ["cut", "zeros"])
def test_a_torn_end_costs_the_last_record_and_no_alarm(tmp_path: Path, tail: str) -> None:
    spool = Spool(tmp_path, EVER)
    fill(spool, 5)
    spool.close()
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30] + (bytes(30) if tail == "zeros" else b""))
    again = Spool(tmp_path, EVER)
    assert sequences(again) == [1, 2, 3, 4]
    assert again.state().damaged == 0
    again.close()


def test_missing_metadata_is_no_loss_of_data(tmp_path: Path) -> None:
    spool = Spool(tmp_path, EVER)
    fill(spool, 5)
    spool.close()
    for name in ("losses", "lock"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "losses").write_bytes(b"junk")
    again = Spool(tmp_path, EVER)
    assert sequences(again) == [1, 2, 3, 4, 5]
    again.close()


class Sick:
    """A writer of a disk that refuses for a while, sometimes after half a record."""

    refuses = True
    half = False

    def __init__(self, path: Path) -> None:
        self.inner = REAL_WRITER(path)
        self.segment = self.inner.segment

    def append(self, record: segment.Record) -> None:
        if Sick.refuses:
            if Sick.half:
                os.write(self.inner._descriptor, record.pack()[:20])
            raise OSError(28, "No space left on device")
        self.inner.append(record)

    def sync(self) -> None:
        self.inner.sync()

    def close(self) -> None:
        self.inner.close()


REAL_WRITER = segment.Writer


@pytest.mark.parametrize("half", [False, True])
def test_a_disk_that_refuses_costs_nothing_while_memory_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    monkeypatch.setattr("virtscope.agent.spool.Writer", Sick)
    monkeypatch.setattr("virtscope.agent.spool.HELD_BYTES", 3_000)
    Sick.refuses, Sick.half = False, half
    spool = Spool(tmp_path, EVER)
    fill(spool, 3)
    Sick.refuses = True
    fill(spool, 5)
    assert "No space left" in (spool.state().problem or "")
    assert sequences(spool) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [record.sequence for record in spool.newest(1 << 20, since=0)] == [8, 7, 6, 5, 4, 3, 2, 1]
    fill(spool, 100)
    assert len(sequences(spool)) < 30
    assert {loss.reason for loss in spool.losses()} == {FULL}
    Sick.refuses = False
    spool.sync()
    assert spool.state().problem is None
    left = sequences(spool)
    spool.close()
    again = Spool(tmp_path, EVER)
    assert sequences(again) == left
    assert again.state().damaged == half
    again.close()


def test_a_spool_on_a_full_file_system(tmp_path: Path) -> None:
    """A real one: a tmpfs of 300 KiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(mounted)], check=True)
    try:
        spool = Spool(mounted / "spool", Limits(size=8 << 20, sync_seconds=0))
        fill(spool, 900, size=1_000)
        assert spool.state().problem
        assert sequences(spool) == list(range(1, 901))
        spool.settle(spool.epoch, Ranges([(1, 500)]))
        subprocess.run(["mount", "-o", "remount,size=8m", str(mounted)], check=True)
        spool.sync()
        assert spool.state().problem is None
        spool.close()
        again = Spool(mounted / "spool", Limits(sync_seconds=0))
        again.settle(spool.epoch, Ranges([(1, 500)]))
        assert sequences(again) == list(range(501, 901))
        again.close()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


WRITER = """
import sys
from pathlib import Path
from virtscope.agent.spool import Limits, Spool
spool = Spool(Path(sys.argv[1]), Limits(size=1 << 30, sync_seconds=3600))
number = 0
while True:
    number += 1
    spool.append(number.to_bytes(8, "big") * 40, number)
    sys.stdout.write(f"{spool.epoch} {number}\\n")
    sys.stdout.flush()
"""


def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    """What ``append`` has returned from is there after any kill, synced or not: the kernel has it."""
    wanted: set[tuple[int, int]] = set()
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(150)]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        whole = [line.split() for line in lines if line.endswith("\n")]
        wanted |= {(int(epoch), int(number)) for epoch, number in whole}
    spool = Spool(tmp_path, EVER)
    found = [(record.epoch, record.sequence) for record in spool.oldest(1 << 30)]
    assert set(found) >= wanted
    assert len(found) == len(set(found))
    assert spool.state().damaged == 0
    spool.close()


def test_a_sync_is_forced_to_the_disk_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(segment.Writer, "sync", lambda self: synced.append(self.segment.sequences.count))
    spool = Spool(tmp_path, Limits(sync_seconds=0.05))
    fill(spool, 4)

    def due() -> bool:
        spool.sync()
        return bool(synced)

    until(due, "the sync")
    assert synced[-1] == 4
    spool.close()


def test_a_disk_that_does_not_read_for_a_moment_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, EVER)
    fill(spool, 5)

    def sick(_path: Path) -> list[segment.Record]:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as while_it_lasts:
        while_it_lasts.setattr(segment, "read", sick)
        assert sequences(spool) == []
    assert sequences(spool) == [1, 2, 3, 4, 5]
    assert spool.state().dropped == 0
    spool.close()
