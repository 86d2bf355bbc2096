"""The shipper against a server that a table of rules makes behave: every batch stored once, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import until
from virtscope.agent import backoff, shipper
from virtscope.agent.shipper import Shipper
from virtscope.agent.spool import Limits, Spool
from virtscope.agent.transport import Answer
from virtscope.ranges import Ranges
from virtscope.sample import now_ms
from virtscope.wire import MOST_RANGES, Delivery, Receipt, Refusal, pack, receipt_ranges, unpack


class Server:
    """Keeps what it is sent, as the real one does; ``behave`` may answer instead of it."""

    def __init__(self) -> None:
        self.stored: dict[int, Ranges] = {}
        self.arrived: list[tuple[int, bytes]] = []
        self.deliveries: list[tuple[Delivery, bool]] = []
        self.store = "first"
        self.behave: Callable[[Delivery], Answer | None] = lambda _delivery: None
        self.lose_answers = False
        self.refuse: set[int] = set()
        self.refuse_backlog = False

    def post(self, body: bytes, *, backlog: bool) -> Answer:
        delivery = unpack(body, Delivery)
        self.deliveries.append((delivery, backlog))
        if backlog and self.refuse_backlog:
            return Answer(503, b"", "too much to do")
        if (answer := self.behave(delivery)) is not None:
            return answer
        refused = []
        for frame in delivery.frames:
            known = self.stored.setdefault(frame.epoch, Ranges())
            if frame.sequence in self.refuse:
                refused.append(Refusal(frame.epoch, frame.sequence, "no sense"))
            elif frame.sequence not in known:
                known.add(frame.sequence, frame.sequence)
                self.arrived.append((frame.sequence, frame.body))
        for loss in delivery.losses:
            self.stored.setdefault(loss.epoch, Ranges()).add(loss.first, loss.last)
        if self.lose_answers:
            return Answer(0, b"", "connection reset")
        told = {epoch: receipt_ranges(self.stored.get(epoch, Ranges())) for epoch in delivery.epochs}
        return Answer(200, pack(Receipt(now_ms(), self.store, told, tuple(refused))))

    @property
    def sequences(self) -> list[int]:
        return [sequence for sequence, _ in self.arrived]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path, Limits(sync_seconds=0))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (backoff, "FIRST"),
        (backoff, "LONGEST"),
        (shipper, "HELD_SECONDS"),
        (shipper, "KEEP_ALIVE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.02)


@pytest.fixture
def ship(spool: Spool, server: Server) -> Iterator[Callable[..., Shipper]]:
    """Starts a shipper, and stops it in the end."""
    made: list[Shipper] = []

    def start(resync: Callable[[], None] = lambda: None) -> Shipper:
        made.append(Shipper(spool, server, resync))
        return made[-1]

    yield start
    for one in made:
        one.stop(10)


def fill(spool: Spool, count: int, age_ms: int = 0, size: int = 100) -> None:
    for number in range(count):
        spool.append(bytes([number % 256]) * size, now_ms() - age_ms)


Start = Callable[..., Shipper]


def test_everything_is_delivered_and_then_what_is_new(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 50)
    running = ship()
    until(lambda: not spool.state().waiting, "everything stored")
    fill(spool, 1)
    running.wake()
    until(lambda: 51 in server.sequences, "the new one")
    assert sorted(server.sequences) == list(range(1, 52))
    assert running.progress.problem is None
    assert running.progress.clock_offset is not None
    assert abs(running.progress.clock_offset) < 5


def test_fresh_batches_go_before_a_backlog(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 30, age_ms=600_000, size=200_000)
    fill(spool, 2)
    ship()
    until(lambda: not spool.state().waiting, "everything stored")
    assert set(server.sequences[:2]) == {31, 32}
    assert server.sequences[2:] == list(range(1, 31))
    carrying = [(delivery, backlog) for delivery, backlog in server.deliveries if delivery.frames]
    assert [backlog for _, backlog in carrying[:2]] == [False, True]
    assert all(sum(len(frame.body) for frame in delivery.frames) <= shipper.DELIVERY_BYTES for delivery, _ in carrying)


def test_a_backlog_that_is_put_off_does_not_hold_up_what_is_fresh(
    spool: Spool, server: Server, ship: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 3_600)
    server.refuse_backlog = True
    fill(spool, 3, age_ms=600_000)
    running = ship()
    until(lambda: running.progress.failed, "the backlog to be put off")
    for number in range(4, 7):
        fill(spool, 1)
        running.wake()
        until(lambda wanted=number: wanted in server.sequences, "the fresh one")  # type: ignore[misc]
    assert server.sequences == [4, 5, 6]
    assert running.progress.problem is None
    assert sum(backlog for _, backlog in server.deliveries) == 1


def test_a_backlog_is_tried_less_and_less_often_while_what_is_fresh_goes_well(
    spool: Spool, server: Server, ship: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Recorded(backoff.Backoff):
        def pause(self, asked: float | None = None) -> float:
            waits.append(super().pause(asked))
            return 0.0

    monkeypatch.setattr(shipper, "Backoff", Recorded)
    monkeypatch.setattr(backoff, "LONGEST", 3_600)
    server.refuse_backlog = True
    fill(spool, 1, age_ms=600_000)
    running = ship()
    for number in range(2, 6):
        until(lambda wanted=number: len(waits) >= wanted, "the backlog to be put off")  # type: ignore[misc]
        fill(spool, 1)
        running.wake()
        until(lambda wanted=number: wanted in server.sequences, "the fresh one")  # type: ignore[misc]
    assert waits[:5] == sorted(waits[:5])


def test_a_lost_answer_stores_nothing_twice(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 5)
    server.lose_answers = True
    ship()
    until(lambda: len([one for one, _ in server.deliveries if one.frames]) > 2, "several tries")
    server.lose_answers = False
    until(lambda: not spool.state().waiting, "the answer")
    assert sorted(server.sequences) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [0, 401, 403, 404, 408, 409, 415, 429, 500, 502, 503])
def test_whatever_the_server_says_nothing_is_lost(spool: Spool, server: Server, ship: Start, status: int) -> None:
    fill(spool, 5)
    server.behave = lambda _delivery: Answer(status, b"", "not now")
    running = ship()
    until(lambda: running.progress.failed > 2, "several tries")
    assert running.progress.problem == "not now"
    assert spool.state().waiting == 5
    server.behave = lambda _delivery: None
    until(lambda: not spool.state().waiting, "everything stored")
    assert sorted(server.sequences) == [1, 2, 3, 4, 5]
    assert spool.state().dropped == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_frame_at_fault_is_put_aside_alone(
    spool: Spool, server: Server, ship: Start, tmp_path: Path, status: int
) -> None:
    fill(spool, 7)
    server.behave = lambda delivery: (
        Answer(status, b"", "bad frame") if any(frame.sequence == 4 for frame in delivery.frames) else None
    )
    ship()
    until(lambda: not spool.state().waiting and not spool.losses(), "everything settled")
    assert sorted(server.sequences) == [1, 2, 3, 5, 6, 7]
    assert spool.state().refused == 1
    assert [path.read_bytes() for path in (tmp_path / "aside").iterdir()] == [bytes([3]) * 100]
    assert 4 in server.stored[spool.epoch]  # the server knows that it will never come


def test_what_the_server_refuses_is_put_aside(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 3)
    server.refuse = {2}
    ship()
    until(lambda: not spool.state().waiting and not spool.losses(), "everything settled")
    assert sorted(server.sequences) == [1, 3]
    assert spool.state().refused == 1


def test_a_server_that_has_lost_its_newest_minutes_gets_them_again(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 20)
    ship()
    until(lambda: not spool.state().waiting, "everything stored")
    server.stored = {spool.epoch: Ranges([(1, 12)])}
    server.arrived = []
    until(lambda: len(server.arrived) == 8, "the lost ones again")
    assert sorted(server.sequences) == list(range(13, 21))


def test_another_store_has_everything_told_anew(spool: Spool, server: Server, ship: Start) -> None:
    told = threading.Event()
    fill(spool, 1)
    running = ship(told.set)
    until(lambda: running.progress.delivered, "a delivery")
    assert not told.is_set()
    server.store = "second"
    until(told.is_set, "the resync")


def test_a_server_that_has_less_than_it_had_is_told_everything_anew(spool: Spool, server: Server, ship: Start) -> None:
    """As where an older copy of its store was put back."""
    told = threading.Event()
    fill(spool, 5)
    ship(told.set)
    until(lambda: not spool.state().waiting, "everything stored")
    assert not told.is_set()
    server.stored[spool.epoch] = Ranges([(1, 2)])
    until(told.is_set, "the resync")


def test_what_a_newer_version_has_left_holds_up_nothing_else(tmp_path: Path, server: Server) -> None:
    """As after an agent was upgraded, met an older server, and was taken back."""
    newer = Spool(tmp_path, Limits(sync_seconds=0))
    fill(newer, 4, age_ms=900_000)
    newer.close()
    spool = Spool(tmp_path, Limits(sync_seconds=0))
    fill(spool, 2, age_ms=600_000)
    fill(spool, 2)
    server.behave = lambda delivery: (
        Answer(415, b"", "too new") if any(frame.epoch == newer.epoch for frame in delivery.frames) else None
    )
    running = Shipper(spool, server, lambda: None)
    until(lambda: spool.state().waiting == 4, "this run's records stored")
    assert set(server.stored) == {spool.epoch}
    until(lambda: running.progress.problem == "too new", "what is wrong")
    server.behave = lambda _delivery: None
    until(lambda: not spool.state().waiting, "everything stored")
    until(lambda: running.progress.problem is None, "all well")
    running.stop(10)
    spool.close()


def test_losses_are_told_until_the_server_knows(spool: Spool, server: Server, ship: Start) -> None:
    told = threading.Event()
    fill(spool, 1)
    server.lose_answers = True
    ship(told.set)
    spool.skip(3, 5, 9, "why")
    until(lambda: server.deliveries and server.deliveries[-1][0].losses, "the loss in a delivery")
    server.deliveries.clear()
    assert not told.is_set()
    until(lambda: len(server.deliveries) > 2, "several tries")
    assert all(delivery.losses for delivery, _ in server.deliveries)
    server.lose_answers = False
    until(lambda: not spool.losses(), "the confirmation")
    assert list(server.stored[spool.epoch]) == [(1, 4)]
    until(told.is_set, "everything to be told anew")


def test_an_answer_that_makes_no_sense_is_no_success(spool: Spool, server: Server, ship: Start) -> None:
    fill(spool, 1)
    server.behave = lambda _delivery: Answer(200, b"<html>")
    running = ship()
    until(lambda: running.progress.failed > 1, "several tries")
    assert spool.state().waiting == 1


def test_it_stops_at_once_while_the_server_is_away(
    spool: Spool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 3_600)
    server.behave = lambda _delivery: Answer(0, b"", "down")
    running = Shipper(spool, server, lambda: None)
    until(lambda: running.progress.failed, "a try")
    running.stop(10)
    assert not running.beats


def test_what_is_left_is_sent_at_the_end(spool: Spool, server: Server) -> None:
    running = Shipper(spool, server, lambda: None)
    until(lambda: running.progress.delivered, "a delivery")
    fill(spool, 40)
    running.stop(10)
    assert len(server.sequences) == 40


def test_more_epochs_than_go_into_a_delivery(tmp_path: Path, server: Server) -> None:
    """As after a night of restarts: each of them has begun another."""
    for number in range(MOST_RANGES + 40):
        one = Spool(tmp_path, Limits(sync_seconds=0), clock=lambda number=number: number + 1)  # type: ignore[misc]
        fill(one, 1)
        one.close()
    last = Spool(tmp_path, Limits(sync_seconds=0))
    running = Shipper(last, server, lambda: None)
    until(lambda: not last.state().waiting, "everything stored")
    running.stop(10)
    last.close()
    assert len(server.arrived) == MOST_RANGES + 40
