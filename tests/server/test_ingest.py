"""Ingest: merged, acknowledged, and stopped by nothing that a batch can hold."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from tests.running import until
from tests.synthetic import Opened, batch, sample
from virtscope.errors import StoreError
from virtscope.ranges import Ranges
from virtscope.sample import Batch, Event, now_ms
from virtscope.server import ingest
from virtscope.server.ingest import Committed, Ingest


class Heard:
    """What ingest told of."""

    def __init__(self) -> None:
        self.commits: list[Committed] = []

    def __call__(self, commit: Committed) -> None:
        self.commits.append(commit)

    @property
    def sequences(self) -> list[int]:
        return [stored.sequence for commit in self.commits for stored in commit.batches]


def tick(sequence: int, at: int | None = None) -> Batch:
    return batch(sequence, sample("h", at or now_ms() + sequence, {}))


def test_batches_that_wait_are_one_transaction(open_store: Opened) -> None:
    heard = Heard()
    running = Ingest(open_store.store, heard, lambda _now: None)
    for sequence in range(1, 21):
        running.put(tick(sequence))
    running.stop()
    assert heard.sequences == list(range(1, 21))
    assert len(heard.commits) < 20
    assert open_store.records.stored("agent", 1) == Ranges([(1, 20)])


def test_a_batch_that_cannot_be_stored_costs_only_itself(open_store: Opened) -> None:
    heard = Heard()
    running = Ingest(open_store.store, heard, lambda _now: None)
    running.put(tick(1))
    # No UTF-8 holds half of a pair.
    running.put(batch(2, sample("h", now_ms(), {}), events=(Event(now_ms(), "h", None, "\ud800"),), agent="sick"))
    running.put(tick(3))
    until(lambda: set(heard.sequences) == {1, 3}, "the healthy batches")
    running.put(tick(4))
    running.stop()
    assert set(heard.sequences) == {1, 3, 4}
    assert running.dropped == 1
    assert running.problem is None


def test_samples_of_the_far_future_are_refused(open_store: Opened) -> None:
    heard = Heard()
    running = Ingest(open_store.store, heard, lambda _now: None)
    running.put(tick(1, at=now_ms() + 10**9))
    running.stop()
    assert [stored.samples for commit in heard.commits for stored in commit.batches] == [()]
    assert open_store.store.last_seen() == {}


def test_what_is_withdrawn_is_not_stored(open_store: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MERGE_SECONDS", 3_600)  # until it is stopped
    heard, told = Heard(), list[str | None]()
    running = Ingest(open_store.store, heard, lambda _now: None)
    patient, impatient = told.append, lambda _reason: told.append("withdrawn")
    running.submit([tick(1)], impatient)
    running.submit([tick(2)], patient)
    running.withdraw(impatient)
    running.stop()
    assert heard.sequences == [2]
    assert told == [None]


def test_a_listener_that_fails_keeps_nobody_else_waiting(open_store: Opened) -> None:
    told: list[str | None] = []

    def fails(_reason: str | None) -> None:
        raise RuntimeError("closed")

    running = Ingest(open_store.store, Heard(), lambda _now: None)
    running.submit([tick(1)], fails)
    running.submit([tick(2)], told.append)
    running.stop()
    assert told == [None]


class Full:
    """A store whose disk is full until it is not."""

    def __init__(self) -> None:
        self.room = threading.Event()
        self.stored: list[Batch] = []

    def append(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        if not self.room.is_set():
            raise StoreError("the disk is full")
        self.stored += batches
        return batches


def test_what_a_full_disk_refuses_is_stored_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "RETRY_SECONDS", 0.05)
    store, heard = Full(), Heard()
    running = Ingest(store, heard, lambda _now: None)  # type: ignore[arg-type]  # only appended to
    running.put(tick(1))
    until(lambda: running.problem, "the problem")
    running.put(tick(2))
    assert heard.commits == []
    store.room.set()
    until(lambda: heard.sequences == [1, 2], "what was refused before")
    assert running.problem is None
    running.stop()


class Picky(Full):
    """Understands no transaction of several batches; its disk is full after the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.others_wait = threading.Event()

    def append(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        if self.stored and len(batches) > 1:
            raise ValueError
        if not self.stored:
            self.room.set()
        stored = super().append(batches)
        assert self.others_wait.wait(30)
        self.room.clear()
        return stored


def test_a_full_disk_is_waited_for_once_however_many_batches_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "RETRY_SECONDS", 3_600.0)
    told: list[str | None] = []
    store = Picky()
    running = Ingest(store, Heard(), lambda _now: None)  # type: ignore[arg-type]
    running.submit([tick(1)], told.append)
    until(lambda: store.stored, "the first batch")
    for number in range(2, 6):
        running.submit([tick(number)], told.append)
    store.others_wait.set()
    until(lambda: len(told) == 5, "an answer to all that waited")
    assert told == [None, *["the disk is full"] * 4]
    running.stop()


def test_a_store_that_refuses_for_ever_does_not_keep_us_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LONGEST_QUEUE", 3)
    running = Ingest(Full(), Heard(), lambda _now: None)  # type: ignore[arg-type]
    for sequence in range(1, 10):
        running.put(tick(sequence))
    running.stop()
    assert running.dropped > 0
