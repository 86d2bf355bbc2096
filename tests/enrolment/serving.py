"""An agents' port as it is in use: a real server, real TLS, on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tests.running import until
from virtscope.agent.enrolment.enrol import enrol
from virtscope.agent.enrolment.identity import Identity
from virtscope.server.access.registry import Registry
from virtscope.server.enrolment.agents import LIFETIME, Agents
from virtscope.server.enrolment.application import agents_application, peer
from virtscope.server.enrolment.authority import Authority
from virtscope.server.enrolment.body import body
from virtscope.server.enrolment.peer import AgentsServer, agents_server
from virtscope.server.enrolment.server_certificate import IssuedCertificate, ServerCertificate

NAMES = ("localhost", "127.0.0.1")


@dataclass
class Clock:
    """The time, and some seconds more."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Port:
    """What runs."""

    url: str
    agents: Agents
    authority: Authority
    server: AgentsServer
    clock: Clock
    asked: list[str] = field(default_factory=list)
    """Which agents came as far as the route behind ``peer``."""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("https://").partition(":")
        return host, int(port)

    def token(self, name: str | None = None, ttl: float = 1_800) -> str:
        return self.agents.tokens.create("somebody", name, ttl).token.text

    def enrol(self, folder: Path, name: str = "kvm7") -> Identity:
        return enrol(self.url, self.token(), name, folder)


@contextmanager
def serving(
    data: Path,
    *,
    authority: Authority | None = None,
    certificate: ServerCertificate | None = None,
    names: Sequence[str] = NAMES,
    lifetime: float = LIFETIME,
    clock: Clock | None = None,
) -> Iterator[Port]:
    """An agents' port on a data folder, for as long as the block lasts."""
    now = clock or Clock()
    registry = Registry(data)
    held = authority or Authority.own(data / "pki", now)
    shown = certificate or IssuedCertificate(data / "pki", held, names)
    agents = Agents(registry, held, shown.anchor, lifetime, now)
    asked: list[str] = []

    async def whoever(request: Request) -> JSONResponse:
        who = peer(request)
        content = await body(request, most=1_000_000, seconds=2)
        asked.append(who.id)
        return JSONResponse({"agent": who.id, "name": who.name, "bytes": len(content)})

    routes: list[BaseRoute] = [Route("/api/v1/whoever", whoever, methods=["GET", "POST"])]
    server = agents_server(agents_application(agents, routes), held, shown)
    with listening(server) as port:
        yield Port(f"https://localhost:{port}", agents, held, server, now, asked)
    registry.close()


@contextmanager
def listening(server: uvicorn.Server) -> Iterator[int]:
    """A server's port, for as long as the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started, "the port")
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def unverified() -> ssl.SSLContext:
    """TLS to whoever is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
