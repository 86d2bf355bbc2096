"""HTTP that bounds in time and size what an application never sees of a request: its head, and the frames of chunks.

uvicorn reads a head without end into memory, and waits for one for ever; whoever reaches a port could do that to it.
"""

from __future__ import annotations

import asyncio
import logging

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)

HEAD_SECONDS = 20.0
"""For the head of a request to arrive; before the first, since the connection was made."""
LARGEST_HEAD = 65_536
"""Bytes of one request that are not its body."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these bounds; bodies have the application's."""

    _head_timer: asyncio.TimerHandle | None = None
    _overhead = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection begins."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._head_has_come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Heads, trailers and the frames of chunks count."""
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > LARGEST_HEAD and not self.transport.is_closing():
            log.warning("%s sends a request without end and is cut off", self.client[0] if self.client else "somebody")
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._head_has_come()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body is there."""
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._overhead = 0
        super().on_message_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_has_come(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
