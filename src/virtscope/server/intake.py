"""The intake: what agents post, checked and handed to ingest; the answer waits until it is durable.

Nothing that comes in may cost more than its agent. An agent has one delivery under way at a time; what waits for the
store is bounded in bytes, old batches get a half of that at most, so that fresh ones go first when there is much to do;
and what cannot be read or goes beyond a quota is refused frame by frame. Who the agent is, its certificate has told.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from virtscope import __version__
from virtscope.errors import Malformed, TooNew, WireError
from virtscope.ranges import Ranges
from virtscope.sample import Batch, HostFacts, Lost, now_ms
from virtscope.server.ingest import EARLIEST_MS, FUTURE_MS, NOT_STORABLE, Ingest
from virtscope.server.problems import problem
from virtscope.server.quota import Quota
from virtscope.wire import (
    CONTENT_TYPE,
    LARGEST_CONTENT,
    LARGEST_DELIVERY,
    LARGEST_ENVELOPE,
    LARGEST_FRAME,
    MOST_FRAMES,
    MOST_RANGES,
    Delivery,
    Frame,
    Receipt,
    Refusal,
    decode,
    decompress,
    pack,
    receipt_ranges,
    unpack,
)

log = logging.getLogger(__name__)

MEMORY = 256 * 1024 * 1024
"""Bytes that deliveries may take from the first byte of a body until they are stored."""
BACKLOG_PART = 4
"""Backlogs may take this part of the memory: an agent has one delivery under way at a time, so what is new waits behind
its own backlog, and must not do so for long."""
BACKLOGS_AT_ONCE = 2
"""So many deliveries of backlogs may wait for the decoding thread: what is new comes before all others."""
EXPANSION = 16
"""How much larger a delivery is in memory than on the wire, about: what it is charged before anybody has read it."""
UNPACKED_EXPANSION = 3
"""How much larger it is than its frames once they are decompressed, about: small ones may hold much. Of what agents
usually send that is less than what they were charged: nothing is decoded in vain."""
LEFT_OUT_MS = 120_000
"""How long it is said of an agent that something was left out, after the last time."""
BODY_SECONDS = 20.0
"""For a body to come in."""
STORE_SECONDS = 25.0
"""For a delivery to become durable."""


class Stored(Protocol):
    """What tells how far an agent is stored: the records."""

    def stored(self, agent: str, epoch: int) -> Ranges:
        """Which sequences of an agent's epoch are durable, or known to be lost for ever."""


class Owners(Protocol):
    """What tells whose a host is: the fleet."""

    def owner(self, host: str) -> str | None:
        """An agent's id, empty for this process; None where nobody has told of it."""

    def hosts_of(self, agent: str) -> Sequence[HostFacts]:
        """The hosts that an agent watches."""

    def agent_name(self, agent: str) -> str:
        """An agent's name."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an agent's last delivery has told of it."""

    at: int
    """When it came, Unix ms."""
    address: str
    version: str
    clock_offset: float
    """The agent's clock less ours, s; the way of the delivery is in it."""
    waiting: int
    waiting_bytes: int
    oldest: int
    """When the oldest waiting batch was made, Unix ms of the agent's clock; 0: nothing waits."""
    dropped: int
    metrics: str = ""
    """Where the agent serves ``/metrics``, by its own word; empty: nowhere that others reach."""
    problem: str | None = None
    """Why the last delivery was not taken, where it was not; or what of the last ones was left out."""
    left_out: int = 0
    """When something was last left out, Unix ms."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came in since the start."""

    deliveries: int = 0
    frames: int = 0
    bytes: int = 0
    duplicates: int = 0
    refused: int = 0
    put_off: int = 0
    """Deliveries that were asked to come later."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a delivery's frames hold."""

    batches: list[Batch]
    """Those that may be stored."""
    refused: list[Refusal]
    size: int
    """Bytes of all frames once they were decompressed."""
    problem: str | None
    """What of it was not listened to."""


class _OfHost(Protocol):
    """What is told of a host."""

    @property
    def host(self) -> str | None: ...


_Told = TypeVar("_Told", bound=_OfHost)


class _Answered(Exception):
    """The answer is clear already."""

    def __init__(self, status: int, detail: str, hint: str = "", retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.response = problem(status, detail, hint)
        if retry_after is not None:
            self.response.headers["Retry-After"] = str(retry_after)


class Intake:
    """The route of deliveries. Its coroutines belong to one event loop."""

    def __init__(
        self,
        ingest: Ingest,
        records: Stored,
        owners: Owners,
        store: Callable[[], str],
        identify: Callable[[Request], str],
        memory: int = MEMORY,
    ) -> None:
        """Begin.

        Args:
            ingest: where batches go.
            records: how far agents are stored.
            owners: whose hosts are.
            store: which store this is.
            identify: the id of the agent that a request comes from, by its certificate; raises what answers it.
            memory: bytes that deliveries may take.
        """
        self._ingest = ingest
        self._records = records
        self._owners = owners
        self._store = store
        self._identify = identify
        self._memory = memory
        self._used = 0
        self._busy: set[str] = set()
        self._quota = Quota()
        self._backlog_turn = asyncio.Semaphore(BACKLOGS_AT_ONCE)
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._heard: dict[str, Heard] = {}
        self._taken = Taken()

    @property
    def taken(self) -> Taken:
        """What came in since the start."""
        return self._taken

    @property
    def used(self) -> int:
        """Bytes that deliveries take at the moment, about."""
        return self._used

    def heard(self, agent: str) -> Heard | None:
        """What an agent's last delivery has told of it; None where none came since the start."""
        return self._heard.get(agent)

    def forget(self, agent: str) -> None:
        """An agent may not deliver any more."""
        self._heard.pop(agent, None)
        self._quota.forget(agent)

    def close(self) -> None:
        """Let the thread go."""
        self._decoding.shutdown(wait=False, cancel_futures=True)

    async def receive(self, request: Request) -> Response:
        """Answer one delivery."""
        agent = self._identify(request)
        try:
            _require_known_version(request)
            with self._admitted(agent, request) as grow:
                body = await _body(request, grow)
                return await self._take(agent, body, request, grow)
        except _Answered as answered:
            known = self._heard.get(agent)
            if known is not None:
                self._heard[agent] = replace(known, problem=str(answered))
            return answered.response

    @contextmanager
    def _admitted(self, agent: str, request: Request) -> Iterator[Callable[[int], None]]:
        """Hold a place and the memory for a delivery; ``grow`` has it hold so many bytes at least."""
        if agent in self._busy:
            raise self._put_off(429, "another delivery of this agent is under way")
        limit = self._memory // BACKLOG_PART if _is_backlog(request) else self._memory
        held = 0

        def grow(size: int) -> None:
            nonlocal held
            more = max(size - held, 0)
            # Whatever the limit, one delivery is taken when there is no other: else it would never be.
            if self._used > held and self._used + more > limit:
                raise self._put_off(503, "the server has too much to do at the moment")
            held += more
            self._used += more

        self._busy.add(agent)
        try:
            grow(_declared(request) * EXPANSION)
            yield grow
        finally:
            self._busy.discard(agent)
            self._used -= held

    def _put_off(self, status: int, detail: str) -> _Answered:
        self._taken = replace(self._taken, put_off=self._taken.put_off + 1)
        return _Answered(status, detail, "It keeps everything and comes again.", retry_after=random.randint(1, 5))

    async def _take(self, agent: str, body: bytes, request: Request, grow: Callable[[int], None]) -> Response:
        loop = asyncio.get_running_loop()
        try:
            delivery = unpack(body, Delivery)
            if len(delivery.frames) > MOST_FRAMES or max(len(delivery.losses), len(delivery.epochs)) > MOST_RANGES:
                raise Malformed("the delivery has too many parts")
            self._note(agent, delivery, request)
            known = {epoch: self._records.stored(agent, epoch) for epoch in {one.epoch for one in delivery.frames}}
            new = [one for one in delivery.frames if one.sequence not in known[one.epoch]]
            async with self._backlog_turn if _is_backlog(request) else nullcontext():
                read = await loop.run_in_executor(self._decoding, self._read, agent, new, _lost(delivery))
            grow(read.size * UNPACKED_EXPANSION)
        except TooNew as error:
            raise _Answered(415, str(error), error.hint) from None
        except WireError as error:
            raise _Answered(400, str(error)) from None
        refused = read.refused + (await self._stored(read.batches) if read.batches else [])
        if (heard := self._heard.get(agent)) is not None:  # else it was revoked meanwhile
            self._heard[agent] = _with_problem(heard, read.problem)
            if read.problem and read.problem != heard.problem:
                log.warning("agent %s: %s", agent, read.problem)
        self._taken = replace(
            self._taken,
            deliveries=self._taken.deliveries + 1,
            frames=self._taken.frames + len(delivery.frames),
            duplicates=self._taken.duplicates + len(delivery.frames) - len(new),
            bytes=self._taken.bytes + len(body),
            refused=self._taken.refused + len(refused),
        )
        stored = {epoch: receipt_ranges(self._records.stored(agent, epoch)) for epoch in delivery.epochs}
        receipt = Receipt(now_ms(), self._store(), stored, tuple(refused), __version__)
        return Response(pack(receipt), media_type="application/msgpack", headers={"Cache-Control": "no-store"})

    def _read(self, agent: str, frames: Sequence[Frame], lost: tuple[Lost, ...]) -> _Read:
        """The batches that may be stored, and the frames that may not; in a thread of its own.

        Raises:
            _Answered: it has too much, or the agent tells of nothing but others' hosts.
        """
        batches: list[Batch] = []
        refused: list[Refusal] = []
        others: dict[str, str] = {}
        left, rows = LARGEST_CONTENT, 0
        for frame in frames:
            if rows > decode.MOST_ROWS:
                raise _Answered(
                    413, f"the delivery has more than {decode.MOST_ROWS:,} rows", "Send fewer frames in one."
                )
            try:
                body = _envelope(frame, left)
                left -= len(body)
                batch = decode.batch(agent, frame, body)
                rows += sum(len(table) for sample in batch.samples for table in sample.rows.values())
                reason = self._quota.refuses(batch)
                if not reason:
                    others |= (foreign := self._foreign(batch))
                    batch = _own(batch, foreign)
            except Malformed as error:
                reason = str(error)
            if reason:
                log.warning("a batch of agent %s is refused: %s", agent, reason)
                refused.append(Refusal(frame.epoch, frame.sequence, reason))
            else:
                batches.append(batch)
        if others and not any(batch.about for batch in batches) and not self._owners.hosts_of(agent):
            # All that it watches is another's: as when a host was enrolled anew. It keeps everything until that ends.
            raise _Answered(409, _watched(others), ONE_OF_TWO)
        reason = None
        if lost:  # those beyond a quota are told again
            told = Batch(agent, 0, 0, now_ms(), lost=lost)
            if (reason := self._quota.refuses(told)) is None:
                batches.append(told)
        problem = f"{_watched(others)}: what this agent says of it is left out. {ONE_OF_TWO}" if others else reason
        return _Read(batches, refused, LARGEST_CONTENT - left, problem)

    def _foreign(self, batch: Batch) -> dict[str, str]:
        """The hosts in a batch that are not its agent's, and whose they are; the agent is not asked that."""
        found = {}
        for host in batch.about:
            owner = self._owners.owner(host)
            if owner is None:
                owner = self._quota.claimant(host) or batch.agent
            if owner != batch.agent:
                found[host] = f"the agent {self._owners.agent_name(owner)}" if owner else "this server itself"
        return found

    async def _stored(self, batches: Sequence[Batch]) -> list[Refusal]:
        """Wait until batches are durable; those that never will be are refused.

        Raises:
            _Answered: the store takes nothing at the moment.
        """
        reason = await self._submitted(batches)
        if reason is None:
            return []
        if reason != NOT_STORABLE:
            raise self._put_off(503, reason)
        if len(batches) == 1:
            return [Refusal(batches[0].epoch, batches[0].sequence, reason)]
        return [refusal for batch in batches for refusal in await self._stored([batch])]

    async def _submitted(self, batches: Sequence[Batch]) -> str | None:
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[str | None] = loop.create_future()

        def settle(reason: str | None) -> None:
            if not durable.done():  # else nobody waits any more
                durable.set_result(reason)

        def done(reason: str | None) -> None:
            with suppress(RuntimeError):  # the servers have ended meanwhile: the agent asks the next one
                loop.call_soon_threadsafe(settle, reason)

        self._ingest.submit(batches, done)
        try:
            return await asyncio.wait_for(durable, STORE_SECONDS)
        except BaseException as error:
            # Nobody waits any more, and its memory is given back: it must not stay in the queue.
            self._ingest.withdraw(done)
            if isinstance(error, TimeoutError):
                raise self._put_off(503, "storing takes too long") from None
            raise

    def _note(self, agent: str, delivery: Delivery, request: Request) -> None:
        """Take note of what a delivery tells of its agent; what was wrong before is so until this one is taken."""
        now, before = now_ms(), self._heard.get(agent)
        self._heard[agent] = Heard(
            at=now,
            address=request.client.host if request.client else "",
            version=delivery.version[:64],
            clock_offset=(delivery.sent - now) / 1000,
            waiting=max(delivery.waiting - len(delivery.frames), 0),
            waiting_bytes=max(delivery.waiting_bytes - sum(len(frame.body) for frame in delivery.frames), 0),
            oldest=delivery.oldest,
            dropped=delivery.dropped,
            metrics=delivery.metrics[:256],
            problem=before.problem if before else None,
            left_out=before.left_out if before else 0,
        )


def _with_problem(heard: Heard, left_out: str | None) -> Heard:
    """What is known of an agent once its delivery is stored.

    Not every delivery tells of each host: what was left out of the last ones is worth saying still.
    """
    if left_out:
        return replace(heard, problem=left_out, left_out=heard.at)
    return heard if heard.at - heard.left_out < LEFT_OUT_MS else replace(heard, problem=None)


ONE_OF_TWO = "Let one of the two watch it: stop this agent, or revoke the other one."
"""What to do about a host that two watch."""


def _watched(others: Mapping[str, str]) -> str:
    """Whose the first of some hosts is, and how many there are."""
    host, whose = min(others.items())
    more = f" (and {len(others) - 1} more hosts by others)" if len(others) > 1 else ""
    return f"the host {host} is watched by {whose} already{more}"


def _own(batch: Batch, foreign: Container[str]) -> Batch:
    """A batch of its agent's own hosts: without what it says of others'."""

    def own(told: Iterable[_Told]) -> tuple[_Told, ...]:
        return tuple(one for one in told if one.host not in foreign)

    return replace(
        batch,
        samples=own(batch.samples),
        hosts=tuple(replace(one, agent=batch.agent) for one in batch.hosts if one.id not in foreign),
        domains=own(batch.domains),
        others=own(batch.others),
        gone=own(batch.gone),
        events=own(batch.events),
        links=tuple(replace(one, agent=batch.agent) for one in own(batch.links)),
        whole=own(batch.whole),
    )


def _lost(delivery: Delivery) -> tuple[Lost, ...]:
    return tuple(
        Lost(loss.epoch, loss.first, loss.last, _moment(loss.since), _moment(loss.until), loss.reason[:200])
        for loss in delivery.losses
        if 0 < loss.first <= loss.last < 2**62 and 0 <= loss.epoch < 2**62
    )


def _moment(at: int) -> int:
    """A time that a loss names; 0, which is unknown, where it can be none."""
    return at if EARLIEST_MS <= at <= now_ms() + FUTURE_MS else 0


def _envelope(frame: Frame, left: int) -> bytes:
    if not (0 < frame.sequence < 2**62 and 0 < frame.epoch < 2**62):
        raise Malformed("a frame without a name")
    if len(frame.body) > LARGEST_FRAME:
        raise Malformed(f"a frame has more than {LARGEST_FRAME:,} bytes")
    if left < LARGEST_ENVELOPE:
        raise _Answered(413, "the delivery holds too much", "Send fewer frames in one.")
    return decompress(frame.body)


def _require_known_version(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.replace(" ", "") != CONTENT_TYPE.replace(" ", ""):
        raise _Answered(
            415, f"this server reads {CONTENT_TYPE}, not {given[:100]!r}", "Upgrade the server before its agents."
        )


def _is_backlog(request: Request) -> bool:
    """Whether a delivery has only what waited for long: its agent says so, so that what is new comes first."""
    return request.query_params.get("backlog") == "1"


def _declared(request: Request) -> int:
    """How long the body is said to be; 0 where it is not said."""
    text = request.headers.get("content-length", "0")
    length = int(text) if text.isascii() and text.isdigit() else 0
    if length > LARGEST_DELIVERY:
        raise _Answered(413, f"a delivery has {LARGEST_DELIVERY:,} bytes at most")
    return length


async def _body(request: Request, grow: Callable[[int], None]) -> bytes:
    """The body, within its limits of size and time."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST_DELIVERY:
                    raise _Answered(413, f"a delivery has {LARGEST_DELIVERY:,} bytes at most")
                grow(size * EXPANSION)
                parts.append(part)
    except TimeoutError:
        raise _Answered(408, f"the body did not come within {BODY_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise _Answered(400, "the body was cut off") from None
    return b"".join(parts)
