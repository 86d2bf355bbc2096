"""The live stream: server-sent events that tell every open page when there is something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from virtscope.server.answers import EventAnswer

BACKLOG = 256
"""Messages that may wait for a slow reader; one that is further behind is let go, and connects again."""
KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent when there was nothing else for so long, so that proxies keep the connection open."""


Only: TypeAlias = Callable[[Iterable[EventAnswer]], list[EventAnswer]]
"""Which of some events a listener may hear of."""


@dataclass(frozen=True, eq=False, slots=True)
class _Listener:
    queue: asyncio.Queue[bytes | None]
    only: Only | None


class Live:
    """Everybody who listens. ``tell`` is for any thread; the rest belongs to the server's event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[_Listener] = set()
        self._closed = False

    def open(self) -> None:
        """Begin, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End every stream: the server waits for its streams before it stops."""
        self._closed = True
        for listener in list(self._listeners):
            self._end(listener)

    def tell(self, at: float, commit: int, events: Iterable[EventAnswer]) -> None:
        """Tell everybody of a commit and its events."""
        if self._loop is not None and not self._loop.is_closed():
            tick = _message("tick", {"at": at, "commit": commit})
            self._loop.call_soon_threadsafe(self._send, list(events), tick)

    async def stream(self, only: Only | None = None) -> AsyncIterator[bytes]:
        """The messages for one listener, until either side ends it; of events those that ``only`` lets through."""
        listener = _Listener(asyncio.Queue(BACKLOG), only)
        if self._closed:
            return
        self._listeners.add(listener)
        try:
            yield b"retry: 2000\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(listener.queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(listener)

    def _send(self, events: list[EventAnswer], tick: bytes) -> None:
        everything = _messages(events) + tick
        for listener in list(self._listeners):
            message = everything if listener.only is None else _messages(listener.only(events)) + tick
            try:
                listener.queue.put_nowait(message)
            except asyncio.QueueFull:
                self._end(listener)

    def _end(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        while not listener.queue.empty():
            listener.queue.get_nowait()
        listener.queue.put_nowait(None)


def _messages(events: Iterable[EventAnswer]) -> bytes:
    return b"".join(_message("event", event) for event in events)


def _message(kind: str, data: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
