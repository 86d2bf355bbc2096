"""The live stream: server-sent events that tell every open page when there is something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec

from virtscope.server.answers import EventAnswer

BACKLOG = 256
"""Messages that may wait for a slow reader; one that is further behind is let go, and connects again."""
KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent when there was nothing else for so long, so that proxies keep the connection open."""


class Live:
    """Everybody who listens. ``tell`` is for any thread; the rest belongs to the server's event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
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
        messages = [_message("event", event) for event in events] + [_message("tick", {"at": at, "commit": commit})]
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send, b"".join(messages))

    async def stream(self) -> AsyncIterator[bytes]:
        """The messages for one listener, until either side ends it."""
        listener: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG)
        if self._closed:
            return
        self._listeners.add(listener)
        try:
            yield b"retry: 2000\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(listener.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(listener)

    def _send(self, message: bytes) -> None:
        for listener in list(self._listeners):
            try:
                listener.put_nowait(message)
            except asyncio.QueueFull:
                self._end(listener)

    def _end(self, listener: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(listener)
        while not listener.empty():
            listener.get_nowait()
        listener.put_nowait(None)


def _message(kind: str, data: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
