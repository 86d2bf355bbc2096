"""Hours leave the hot tables while others write, and while the process is killed at any moment of it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.synthetic import Opened, batch, opened, row, sample
from virtscope.catalogue import QUANTITY, Scope
from virtscope.errors import StoreError
from virtscope.sample import Sample
from virtscope.store import Range, archive
from virtscope.store.archive import TRIES, Archive
from virtscope.store.levels import Retention
from virtscope.store.upkeep import Upkeep

HOUR = 3_600_000
START = 1_800_000_000_000 // HOUR * HOUR
CPU = [QUANTITY[Scope.DOMAIN, "cpu_cores"]]
ALL = Range(START, START + 3 * HOUR, 60_000)


def ticks(first: int, last: int, step: int = 60_000) -> list[Sample]:
    return [
        sample("h", START + n * step, {Scope.DOMAIN: [row(Scope.DOMAIN, ("d",), cpu_time=int(0.5 * n * step * 1e6))]})
        for n in range(first, last)
    ]


def minutes(made: Opened) -> list[float | None]:
    (series,) = made.store.series(CPU, [], ALL)
    return list(series.values)


def hot(made: Opened) -> int:
    found: list[tuple[int]] = made.database.cursor().execute("SELECT count(*) FROM domain").fetchall()
    return found[0][0]


class Interrupted(Archive):
    """Something happens whenever an hour's files are written and not listed yet."""

    happens: Any = None

    def _move(self, written: archive._Written) -> bool:
        self.happens()
        return super()._move(written)


def test_rows_that_come_while_an_hour_is_written_are_not_lost(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(0, 30), *ticks(31, 60))])
    busy = Interrupted(open_store.database, Retention())
    late = [batch(2, *ticks(30, 31))]
    busy.happens = lambda: open_store.store.append([late.pop()]) if late else None
    busy.run(START + 4 * HOUR)
    assert hot(open_store) == 0
    assert minutes(open_store)[1:60] == pytest.approx([0.5] * 59)


def test_an_hour_for_which_rows_come_all_the_time_is_archived_in_the_end(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(0, 30), *ticks(40, 60))])
    busy = Interrupted(open_store.database, Retention())
    threads: list[threading.Thread] = []

    def more() -> None:
        number = 30 + len(threads)
        thread = threading.Thread(target=open_store.store.append, args=([batch(number, *ticks(number, number + 1))],))
        threads.append(thread)
        thread.start()
        if len(threads) <= TRIES:
            thread.join()  # beyond, it has to wait for the archive, and comes late for the hour

    busy.happens = more
    busy.run(START + 4 * HOUR, lambda: not threads)
    threads[-1].join()
    assert len(threads) == TRIES + 1
    busy.happens = lambda: None
    busy.run(START + 4 * HOUR)
    assert hot(open_store) == 0
    found = minutes(open_store)
    assert found[1:34] == pytest.approx([0.5] * 33)
    assert found[35:40] == [None] * 5


def test_others_write_while_an_hours_files_are_being_written(open_store: Opened) -> None:
    open_store.store.append([batch(1, *ticks(0, 60))])
    busy = Interrupted(open_store.database, Retention())
    done = threading.Event()

    def write() -> None:
        open_store.store.append([batch(2, *ticks(300, 301))])
        done.set()

    def other() -> None:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    busy.happens = other
    busy.run(START + 4 * HOUR)
    assert done.is_set()
    assert hot(open_store) == 1


def test_late_rows_are_added_to_the_rollup_of_an_hour_whose_raw_rows_are_gone(tmp_path: Path) -> None:
    steps = Range(START, START + HOUR, 300_000)
    with opened(tmp_path, Retention(raw_days=1)) as made:
        made.store.append([batch(1, *ticks(0, 30))])
        made.archive.run(START + 27 * HOUR)
        made.store.append([batch(2, *ticks(30, 60))])
        made.archive.run(START + 27 * HOUR)
        (series,) = made.store.series(CPU, [], steps)
    assert series.values == pytest.approx([0.5] * 12)


def killed_at(folder: Path, line: int) -> None:
    """Archive in this process, and be killed when so many lines of the archive have run."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != archive.__file__:
            return None
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    with opened(folder) as made:
        sys.settrace(trace)
        made.archive.run(START + 5 * HOUR)
        sys.settrace(None)
    (folder / "lines").write_text(str(count))


@pytest.fixture(scope="module")
def forking() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def archived_by_another(forking: Any, folder: Path, line: int) -> int:
    child = forking.Process(target=killed_at, args=(folder, line))
    child.start()
    child.join()
    assert child.exitcode is not None
    return int(child.exitcode)


def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path, forking: Any) -> None:
    with opened(tmp_path / "filled") as made:
        made.store.append([batch(1, *ticks(0, 170))])
        made.archive.run(START + 3 * HOUR)  # the first hour; then rows come late for it
        made.store.append([batch(2, *ticks(170, 180))])

    def fill(name: str) -> Path:
        return shutil.copytree(tmp_path / "filled", tmp_path / name)

    whole = fill("whole")
    assert archived_by_another(forking, whole, 0) == 0
    lines = int((whole / "lines").read_text())
    wanted = [None, *[0.5] * 179]
    for number in range(11):
        folder = fill(str(number))
        assert archived_by_another(forking, folder, 1 + number * (lines - 1) // 10) == -signal.SIGKILL
        with opened(folder) as made:
            assert minutes(made) == pytest.approx(wanted)
            made.archive.run(START + 5 * HOUR)
            made.archive._files.remove_unlisted()
            assert minutes(made) == pytest.approx(wanted)
            assert hot(made) == 0
            listed = made.database.cursor().execute("SELECT path FROM archive").fetchall()
        there = {str(path.relative_to(folder)) for path in (folder / "archive").rglob("*") if path.is_file()}
        assert there == {path for (path,) in listed}


def test_upkeep_tells_what_ails_it_and_recovers() -> None:
    rounds: list[int] = []
    begun, reached = threading.Event(), threading.Event()

    def work(now: int, _goes_on: object) -> None:
        assert begun.wait(10)
        rounds.append(now)
        if len(rounds) == 1:
            raise StoreError("the disk is full")
        told.append(upkeep.ailment)
        if len(rounds) == 2:
            raise ValueError("BUG: something else\nwith details")
        if len(rounds) == 4:
            reached.set()

    told: list[str | None] = []
    upkeep = Upkeep(work, pause=0.001)
    begun.set()
    assert reached.wait(10)
    upkeep.stop()
    assert told[:3] == ["the disk is full", "the store's upkeep failed: BUG: something else", None]
