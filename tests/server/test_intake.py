"""The intake: who is decoded first, when many deliver at once; whose hosts are listened to; what memory is charged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from virtscope.ranges import Ranges
from virtscope.sample import Batch, Event, HostFacts, now_ms
from virtscope.server.ingest import Done, Ingest
from virtscope.server.intake import BACKLOGS_AT_ONCE, MEMORY, Heard, Intake
from virtscope.wire import CONTENT_TYPE, PATH, Delivery, Frame, Loss, Receipt, encode, pack, unpack

AGENTS = 8


class _Ingest:
    """Stores everything at once, or when it is told to."""

    def __init__(self, *, holds: bool = False) -> None:
        self.holds = holds
        self.stored: list[Batch] = []
        self.holding = asyncio.Event()
        self._waiting: list[Done] = []

    def submit(self, batches: Sequence[Batch], done: Done) -> None:
        assert batches
        self.stored += batches
        if self.holds:
            self._waiting.append(done)
            self.holding.set()
        else:
            done(None)

    def release(self) -> None:
        for done in self._waiting:
            done(None)

    def withdraw(self, done: Done) -> None:
        raise AssertionError(done)


class _Records:
    def stored(self, agent: str, epoch: int) -> Ranges:
        assert agent, epoch
        return Ranges()


class _Owners:
    """Notes in which order deliveries are decoded; the first keeps the thread until it is let go."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def owner(self, host: str) -> str | None:
        self.seen.append(host)
        self.begun.set()
        assert self.go_on.wait(30)
        return None

    def hosts_of(self, agent: str) -> Sequence[HostFacts]:
        assert agent
        return ()

    def agent_name(self, agent: str) -> str:
        return agent


class _Neighbours(_Owners):
    """Every host but one's own belongs to somebody."""

    def __init__(self, *own: HostFacts) -> None:
        super().__init__()
        self.own = own

    def owner(self, host: str) -> str | None:
        return "other" if host.startswith("foreign") else None

    def hosts_of(self, agent: str) -> Sequence[HostFacts]:
        assert agent
        return self.own


def of(sequence: int, *hosts: str) -> Batch:
    return Batch(
        "", 1, sequence, now_ms(), hosts=tuple(HostFacts(host, host, f"qemu://{host}/system") for host in hosts)
    )


def _receipt(intake: Intake, *batches: Batch, agent: str = "mine") -> Response:
    return asyncio.run(_delivered(intake, agent, *batches))


def test_another_ones_host_costs_only_what_is_said_of_it() -> None:
    ingest = _Ingest()
    intake = _intake(_Neighbours(), ingest)
    answer = _receipt(intake, of(1, "own"), of(2, "foreign"), of(3, "own", "foreign"))
    assert answer.status_code == 200
    assert unpack(bytes(answer.body), Receipt).refused == ()
    assert [(batch.sequence, [host.id for host in batch.hosts]) for batch in ingest.stored] == [
        (1, ["own"]),
        (2, []),
        (3, ["own"]),
    ]
    heard = intake.heard("mine")
    assert heard is not None
    assert "foreign is watched by the agent other already: what this agent says of it is left out" in str(heard.problem)
    assert _receipt(intake, of(4, "own")).status_code == 200  # which says nothing of the other one
    assert "foreign" in str(cast("Heard", intake.heard("mine")).problem)
    intake.close()


def test_who_watches_nothing_else_keeps_it() -> None:
    ingest = _Ingest()
    intake = _intake(_Neighbours(), ingest)
    assert _receipt(intake, of(1, "foreign")).status_code == 409
    assert ingest.stored == []
    knows = _intake(_Neighbours(HostFacts("own", "own", "qemu:///system")), ingest)
    assert _receipt(knows, of(1, "foreign")).status_code == 200
    for one in (intake, knows):
        one.close()


def test_losses_beyond_the_quota_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtscope.server.quota.MOST_OBJECTS", 3)
    ingest = _Ingest()
    intake = _intake(_Neighbours(), ingest)
    losses = tuple(Loss(epoch, 1, 1, 0, 0, "x") for epoch in range(10, 20))
    answer = asyncio.run(_delivered(intake, "mine", of(1, "own"), losses=losses))
    assert answer.status_code == 200
    assert [batch.sequence for batch in ingest.stored] == [1]
    assert "different objects" in str(cast("Heard", intake.heard("mine")).problem)
    intake.close()


def test_what_a_delivery_holds_is_charged_not_what_it_weighs() -> None:
    """Some kilobytes that become megabytes: while another one waits they are put off, and alone they are taken."""
    events = tuple(Event(now_ms(), "own", None, "x", "y" * 60_000) for _ in range(100))
    dense = replace(of(1, "own"), events=events)
    ingest = _Ingest(holds=True)
    intake = _intake(_Neighbours(), ingest, memory=8 << 20)

    async def both() -> tuple[int, int]:
        first = asyncio.create_task(_delivered(intake, "one", of(1, "first")))
        await ingest.holding.wait()
        second = await _delivered(intake, "two", dense)
        ingest.release()
        return (await first).status_code, second.status_code

    assert asyncio.run(both()) == (200, 503)
    ingest.holds = False
    assert _receipt(intake, dense, agent="two").status_code == 200
    assert intake.used == 0
    intake.close()


def _intake(owners: _Owners, ingest: _Ingest, memory: int = MEMORY) -> Intake:
    return Intake(
        cast("Ingest", ingest), _Records(), owners, lambda: "store", lambda request: request.headers["agent"], memory
    )


def test_what_is_new_is_decoded_before_backlogs() -> None:
    assert asyncio.run(_decoded())[: BACKLOGS_AT_ONCE + 1] == ["old 0", "old 1", "new"]


async def _decoded() -> list[str]:
    owners = _Owners()
    intake = _intake(owners, _Ingest())
    first = asyncio.create_task(_deliver(intake, "old 0", backlog=True))
    await asyncio.to_thread(owners.begun.wait, 30)
    others = [asyncio.create_task(_deliver(intake, f"old {n}", backlog=True)) for n in range(1, AGENTS)]
    await _let_run()
    fresh = asyncio.create_task(_deliver(intake, "new", backlog=False))
    await _let_run()
    owners.go_on.set()
    assert {await task for task in (first, fresh, *others)} == {200}
    intake.close()
    assert len(owners.seen) == AGENTS + 1
    return owners.seen


async def _let_run() -> None:
    """Until nothing goes on in this loop without the thread."""
    for _ in range(50):
        await asyncio.sleep(0)


async def _deliver(intake: Intake, host: str, *, backlog: bool) -> int:
    batch = Batch("", 1, 1, 1_000, hosts=(HostFacts(host, host, "qemu:///system"),))
    return (await _delivered(intake, host, batch, query=b"backlog=1" if backlog else b"")).status_code


async def _delivered(
    intake: Intake, agent: str, *batches: Batch, query: bytes = b"", losses: tuple[Loss, ...] = ()
) -> Response:
    frames = tuple(Frame(batch.epoch, batch.sequence, encode.frame(batch)) for batch in batches)
    body = pack(Delivery(1_000, "1", (1,), frames=frames, losses=losses))
    headers = {"content-type": CONTENT_TYPE, "content-length": str(len(body)), "agent": agent}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request(
        {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "query_string": query,
            "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
            "client": ("127.0.0.1", 1),
        },
        receive,
    )
    return await intake.receive(request)
