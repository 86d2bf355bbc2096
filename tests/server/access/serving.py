"""A server that asks who one is, over a fleet of two projects, and a client that is as careless as a browser is not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import trustme
import urllib3
import uvicorn

from tests.running import until
from tests.server.access import projects
from tests.synthetic import opened
from virtscope.alerts.evaluate import Alert, Change, Subject
from virtscope.alerts.observe import World
from virtscope.alerts.rule import Rule, Severity
from virtscope.alerts.silence import Silence
from virtscope.exposition.board import Board
from virtscope.prometheus.history import History
from virtscope.sample import Batch, now_ms
from virtscope.server import listening
from virtscope.server.access.access import Access
from virtscope.server.access.registry import Registry
from virtscope.server.access.settings import AccessSettings
from virtscope.server.alerting.api import Alerting
from virtscope.server.alerting.book import Book
from virtscope.server.alerting.courier import Courier
from virtscope.server.alerting.watch import Watch, world_of
from virtscope.server.app import application
from virtscope.server.fleet import Fleet
from virtscope.server.ingest import Ingest
from virtscope.server.live import Live
from virtscope.server.present import Present
from virtscope.server.services import Services
from virtscope.settings.kinds import Address
from virtscope.store.findings import Findings
from virtscope.store.sql import Sql

ADMIN, PASSWORD = "ana", "correct horse battery"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Asks the server, and keeps its cookies."""

    address: str
    ca: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, ca_certs=self.ca)

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """The answer to a request, whatever it is. Like a browser's page, it names its site."""
        return self._ask(method, path, body, headers, whole=True)

    def stream(self, path: str) -> urllib3.BaseHTTPResponse:
        """An answer that goes on and on."""
        return self._ask("GET", path, None, {}, whole=False)

    def _ask(
        self, method: str, path: str, body: object, headers: Mapping[str, str], *, whole: bool
    ) -> urllib3.BaseHTTPResponse:
        sent = {"Origin": self.address, "Sec-Fetch-Site": "same-origin"} | self.headers
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self._pool.request(
            method,
            path if "://" in path else f"{self.address}{path}",
            body=data,
            headers={name: value for name, value in sent.items() if value},
            redirect=False,
            preload_content=whole,
        )
        for line in answer.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer

    def sign_in(self, name: str = ADMIN, password: str = PASSWORD) -> urllib3.BaseHTTPResponse:
        """Sign in with a password."""
        return self("POST", "/api/v1/session", {"name": name, "password": password})

    def clear(self) -> None:
        """Close its connections."""
        self._pool.clear()


@dataclass
class Served:
    """The running server."""

    address: str
    access: Access
    services: Services
    folder: Path
    ca: str | None
    socket: str
    clients: list[Client] = field(default_factory=list)

    def client(self, token: str = "") -> Client:
        """A new client, with nothing but a token."""
        made = Client(self.address, self.ca, {"Authorization": f"Bearer {token}"} if token else {})
        self.clients.append(made)
        return made

    def admin(self) -> Client:
        """Somebody signed in as the first admin, who is made where he is not there yet."""
        made = self.client()
        secret = self.access.bootstrap.secret if self.access.bootstrap else None
        if secret:
            first = {"secret": secret, "name": ADMIN, "password": PASSWORD}
            assert made("POST", "/api/v1/bootstrap", first).status == 200
        else:
            assert made.sign_in().status == 200
        return made

    def user(self, name: str, role: str = "viewer", projects: list[str] | None = None) -> Client:
        """Somebody new, signed in."""
        new = {"name": name, "password": PASSWORD, "role": role, "projects": projects}
        answer = self.admin()("POST", "/api/v1/users", new)
        assert answer.status == 201, answer.data
        made = self.client()
        assert made.sign_in(name).status == 200
        return made


@contextmanager
def serving(
    folder: Path,
    settings: Callable[[str], AccessSettings] | None = None,
    *,
    tls: bool = False,
    clock: Callable[[], float] = time.time,
    uris: Sequence[str] = projects.URIS,
    told: Sequence[Batch] = (),
    interval: float = 5.0,
    alerts: Callable[[Book], None] | None = None,
) -> Iterator[Served]:
    """A server in a thread, on a port and on a socket of its own; over two projects, unless the agents told else.

    ``alerts`` writes what is known of alerts before the rules are asked for the first time.
    """
    listener = listening.tcp(Address("127.0.0.1", 0), "listen")
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    own.bind(str(folder / "server.sock"))
    own.listen()
    address = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    registry = Registry(folder)
    access = Access(registry, folder, settings(address) if settings else AccessSettings(https=tls), clock)
    with opened(folder / "samples") as store, _certificate(folder, tls) as (ca, options):
        batches = told or projects.batches()
        store.store.append(batches)
        fleet = Fleet(uris, store.records.known(), store.store.last_seen())
        present = Present(store.store, fleet)
        present.committed(1, batches[-1].at)
        board = Board()
        for batch in batches:
            board.put(batch)
        ingest = Ingest(store.store, lambda _commit: None, lambda _now: None)
        services = Services(
            store=store.store,
            records=store.records,
            findings=Findings(store.database),
            fleet=fleet,
            present=present,
            ingest=ingest,
            history=History(store.database, store.records),
            sql=Sql(store.database, store.store, store.records),
            keeper=store.archive,
            held=store.archive.held,
            live=Live(),
            started=time.time(),
            demo=False,
            interval=interval,
            keep_days=14,
            board=board,
        )
        alerting = _alerting(registry, present, alerts or _of_two_projects)
        app = application(services, access, alerting=alerting)
        by_port = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False, **options))
        by_socket = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False, lifespan="off"))

        async def serve() -> None:
            await asyncio.gather(by_port.serve([listener]), by_socket.serve([own]))

        thread = threading.Thread(target=asyncio.run, args=[serve()])
        thread.start()
        served = Served(address, access, services, folder, ca, str(folder / "server.sock"))
        try:
            until(lambda: by_port.started and by_socket.started, "the server")
            yield served
        finally:
            services.live.close()
            for client in served.clients:
                client.clear()
            by_port.should_exit = by_socket.should_exit = True
            thread.join()
            alerting.watch.stop()
            alerting.courier.stop()
            ingest.stop()
            access.close()
            registry.close()
            listener.close()
            own.close()


def _alerting(registry: Registry, present: Present, fill: Callable[[Book], None]) -> Alerting:
    def world() -> World:
        return world_of(present.now(), tuple, tuple)

    book = Book(registry)
    fill(book)
    courier = Courier(book, tuple, "http://localhost/", ())
    watch = Watch(book, world, "http://localhost/", courier.wake, pause=3_600.0)
    return Alerting(book, watch, courier, world)


def _of_two_projects(book: Book) -> None:
    """Alerts on every domain, under a rule and beside a silence that name the other project."""
    rule = Rule("every", "domains", "not name:nobody", where="not name:canary-nobody", severity=Severity.CRITICAL)
    book.put_rules([rule], ADMIN)
    book.silence(Silence(0, f"project:{projects.OTHER_PROJECT}", 0, 2**62, "canary", ADMIN))
    found = (
        Alert(rule.name, Subject("domains", domain, name, "h1", "kvm1", domain, project), since=1, fired=1)
        for domain, name, project in (
            (projects.MINE, "web", projects.MY_PROJECT),
            (projects.OTHER, "canary-db", projects.OTHER_PROJECT),
        )
    )
    changes = [Change(alert, now_ms()) for alert in found]
    happened = [(change, rule.severity, "canary-db uses 3 cores") for change in changes]
    book.record([change.alert for change in changes], (), happened, ())


@contextmanager
def _certificate(folder: Path, tls: bool) -> Iterator[tuple[str | None, dict[str, Any]]]:
    if not tls:
        yield None, {}
        return
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    yield str(folder / "ca.pem"), {"ssl_certfile": str(folder / "server.pem")}
