"""The front: every socket's HTTP server, in one event loop and a thread of its own.

uvicorn takes the signals of whichever thread it runs in when that is the main one; here it is not, so that the process
itself decides what ends, and in which order.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from virtscope.pulse import Pulse
from virtscope.server.bounded import BoundedProtocol
from virtscope.server.enrolment.server_certificate import ServerCertificate, show, show_newest
from virtscope.server.live import Live

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
"""How long the event loop may be busy with one thing before it is hung."""
_REFRESH_TICKS = 600
"""Tenths of a second between two looks at the page's certificate."""
CLOSE_SECONDS = 5
"""For requests that are under way when it ends."""


class PageServer(uvicorn.Server):
    """Serves people. Ends the live streams first: uvicorn waits for what is open before it stops."""

    def __init__(
        self,
        app: ASGIApp,
        live: Live,
        pulse: Pulse,
        certificate: ServerCertificate | None,
        *,
        proxies: Sequence[str] = (),
        first: bool = True,
    ) -> None:
        """Prepare.

        Args:
            app: the application.
            live: the streams.
            pulse: hears that the event loop goes round.
            certificate: for https; None is plain http.
            proxies: networks of those who may say for whom they ask.
            first: whether the application begins and ends with this server, where several serve it.
        """
        context = page_context(certificate) if certificate else None
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                server_header=False,
                lifespan="on" if first else "off",
                timeout_graceful_shutdown=CLOSE_SECONDS,
                ssl_context_factory=(lambda _config, _default: context) if context else None,
            )
        )
        self._live = live
        self._pulse = pulse
        self._certificate = certificate
        self._context = context

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, as long as the event loop goes round."""
        self._pulse.expect("page", ANSWER_SECONDS)
        if self._context and self._certificate and counter % _REFRESH_TICKS == _REFRESH_TICKS - 1:
            show_newest(self._context, self._certificate)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then the server."""
        self._live.close()
        await super().shutdown(sockets)


class Front:
    """Servers that run together, and end together."""

    def __init__(self, servers: Sequence[tuple[uvicorn.Server, socket.socket]], ended: Callable[[], None]) -> None:
        """Start; ``ended`` is told, in the thread, when they have all ended."""
        self._servers = servers
        self._ended = ended
        self._thread = threading.Thread(target=self._run, name="front", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End what is under way within a few seconds, and the servers."""
        for server, _ in self._servers:
            server.should_exit = True
        self._thread.join(2 * CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("BUG: the servers have ended")
        finally:
            self._ended()

    async def _serve(self) -> None:
        await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in self._servers))


def page_context(certificate: ServerCertificate) -> ssl.SSLContext:
    """How the page speaks https.

    Raises:
        StoreError: the certificate cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    show(context, certificate)
    return context
