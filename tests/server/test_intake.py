"""The intake: who is decoded first, when many deliver at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.types import Message

from virtscope.ranges import Ranges
from virtscope.sample import Batch, HostFacts
from virtscope.server.ingest import Done, Ingest
from virtscope.server.intake import BACKLOGS_AT_ONCE, Intake
from virtscope.wire import CONTENT_TYPE, PATH, Delivery, Frame, encode, pack

AGENTS = 8


class _Ingest:
    """Stores everything at once."""

    def submit(self, batches: Sequence[Batch], done: Done) -> None:
        assert batches
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

    def agent_name(self, agent: str) -> str:
        return agent


def test_what_is_new_is_decoded_before_backlogs() -> None:
    assert asyncio.run(_decoded())[: BACKLOGS_AT_ONCE + 1] == ["old 0", "old 1", "new"]


async def _decoded() -> list[str]:
    owners = _Owners()
    intake = Intake(
        cast("Ingest", _Ingest()), _Records(), owners, lambda: "store", lambda request: request.headers["agent"]
    )
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
    body = pack(Delivery(1_000, "1", (1,), frames=(Frame(1, 1, encode.frame(batch)),)))
    headers = {"content-type": CONTENT_TYPE, "content-length": str(len(body)), "agent": host}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request(
        {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "query_string": b"backlog=1" if backlog else b"",
            "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
            "client": ("127.0.0.1", 1),
        },
        receive,
    )
    return (await intake.receive(request)).status_code
