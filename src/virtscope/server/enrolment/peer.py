"""The agents' port: TLS always, the other end's certificate for every request, and nobody who keeps it waiting.

uvicorn does not tell an application the certificate of the other end; its protocol, extended a little, does:
``scope["state"]["peer_certificate"]`` holds it (DER), or None.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from virtscope.server.bounded import BoundedProtocol
from virtscope.server.enrolment.authority import Authority
from virtscope.server.enrolment.server_certificate import ServerCertificate, show, show_newest

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
GOODBYE_SECONDS = 1.0
"""For the other end to confirm that a connection ends; agents keep theirs open and may not be listening."""
KEEP_ALIVE_SECONDS = 75
MOST_CONNECTIONS = 8_192
_REFRESH_TICKS = 600
"""Tenths of a second between two looks at the server's certificate."""
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME. Whether an agent's certificate has expired is looked up with everything else
about it, and answered in words; a handshake that breaks off would tell nobody why."""


def tls_context(authority: Authority, certificate: ServerCertificate) -> ssl.SSLContext:
    """How the port speaks TLS: 1.2 or newer, and a certificate of the other end, where it has one, of our authority.

    Raises:
        StoreError: the certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME) | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=authority.anchor.pem)
    # A ticket would carry the other end's certificate past the handshake.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.sslobject_class = _Handshake
    show(context, certificate)
    return context


def agents_server(app: ASGIApp, authority: Authority, certificate: ServerCertificate) -> AgentsServer:
    """The server of the agents' port; it is run as uvicorn's are, with sockets that listen.

    Raises:
        StoreError: the certificate cannot be used.
    """
    context = tls_context(authority, certificate)
    config = uvicorn.Config(
        app,
        http=PeerProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
        limit_concurrency=MOST_CONNECTIONS,
        ssl_context_factory=lambda _config, _default: context,
    )
    return AgentsServer(config, context, certificate)


class AgentsServer(uvicorn.Server):
    """Does not wait for handshakes, and takes a renewed certificate without a restart."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext, certificate: ServerCertificate) -> None:
        super().__init__(config)
        self._context = context
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets; uvicorn itself would leave the other end a minute for its handshake."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            self.servers.append(
                await loop.create_server(
                    self._protocol,
                    sock=listener,
                    ssl=self._context,
                    backlog=self.config.backlog,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=GOODBYE_SECONDS,
                )
            )

    async def on_tick(self, counter: int) -> bool:
        """Look at the certificate now and then."""
        if counter % _REFRESH_TICKS == 0:
            self.refresh_certificate()
        return await super().on_tick(counter)

    def refresh_certificate(self) -> None:
        """Show new connections the certificate as it is now."""
        show_newest(self._context, self._certificate)

    def _protocol(self) -> asyncio.Protocol:
        return PeerProtocol(self.config, self.server_state, self.lifespan.state)


class PeerProtocol(BoundedProtocol):
    """HTTP within bounds that knows the other end's certificate."""

    _certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The handshake is over."""
        super().connection_made(transport)
        tls = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
        self._certificate = tls.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["state"]["peer_certificate"] = self._certificate


class _Handshake(ssl.SSLObject):
    """Tells the log when a certificate is not of our authority: no request comes that could be refused."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            log.warning("a connection is refused: its certificate is not this server's (%s)", error.verify_message)
            raise
