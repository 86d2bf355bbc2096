"""``virtscope up``: server and collectors in one process."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from virtscope.agent import collector
from virtscope.agent.settings import Watching
from virtscope.errors import BadInput
from virtscope.exposition.board import Board
from virtscope.notify import ServiceManager
from virtscope.pulse import Pulse
from virtscope.sample import Batch
from virtscope.server.api import Services
from virtscope.server.app import application
from virtscope.server.fleet import Fleet
from virtscope.server.ingest import Committed, Ingest
from virtscope.server.live import Live
from virtscope.server.present import Present
from virtscope.store.archive import Archive, Retention
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.records import Records

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
"""How long the event loop may be busy with one thing before it is hung."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one ``virtscope up`` does."""

    watching: Watching
    listen: tuple[str, int]
    """Address and port; port 0 is any that is free."""
    data: Path
    keep_days: int
    demo: bool


def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); ``ready`` hears the page's address.

    Raises:
        BadInput: the address cannot be listened on.
        StoreError: the data folder cannot be used.
    """
    listener = _listen(*settings.listen)
    database = Database(settings.data)
    try:
        _serve(settings, database, listener, ready)
    finally:
        listener.close()
        database.close()


def _serve(settings: Settings, database: Database, listener: socket.socket, ready: Callable[[str], None]) -> None:
    records = Records(database)
    store = DuckdbStore(database, records)
    archive = Archive(database, Retention(raw_days=settings.keep_days))
    fleet = Fleet([uri.text for uri in settings.watching.uris], records.known(), store.last_seen())
    present = Present(store, fleet)
    live = Live()
    board = Board()

    def committed(commit: Committed) -> None:
        fleet.apply(commit.batches)
        present.committed(commit.number, commit.at)
        events = present.events(event for batch in commit.batches for event in batch.events)
        live.tell(commit.at / 1000, commit.number, events)

    pulse, manager = Pulse(), ServiceManager.here()
    ingest = Ingest(store, committed, archive.run, pulse)
    app = application(
        Services(
            store=store,
            records=records,
            fleet=fleet,
            present=present,
            ingest=ingest,
            live=live,
            started=time.time(),
            demo=settings.demo,
            interval=settings.watching.pace.interval,
            keep_days=settings.keep_days,
            board=board,
        )
    )
    config = uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    server = _Server(config, live, pulse)
    audience = _Audience(ingest, board, fleet)
    following = collector.follow(settings.watching, audience, audience, pulse)
    unwatch = manager.watch(pulse.late)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ready(_address(listener))
        manager.ready(f"the page is at {_address(listener)}")
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        log.debug("told to stop")
    finally:
        manager.stopping()
        unwatch()
        following.stop()
        ingest.stop()


class _Audience:
    """Everybody who hears what collectors tell: the store, the fleet, and the board that Prometheus reads."""

    def __init__(self, ingest: Ingest, board: Board, fleet: Fleet) -> None:
        self._ingest = ingest
        self._board = board
        self._fleet = fleet

    def put(self, batch: Batch) -> None:
        """Take over one batch; the fleet hears of it when it is stored."""
        self._board.put(batch)
        self._ingest.put(batch)

    def watch(self, uri: str) -> None:
        """A hypervisor is watched from now on."""
        self._board.watch(uri)
        self._fleet.watch(uri)

    def leave(self, uri: str) -> None:
        """A hypervisor is not watched any more."""
        self._board.leave(uri)
        self._fleet.leave(uri)


class _Server(uvicorn.Server):
    """Ends the live streams first: uvicorn waits for what is open before it stops. Promises to answer meanwhile."""

    def __init__(self, config: uvicorn.Config, live: Live, pulse: Pulse) -> None:
        super().__init__(config)
        self._live = live
        self._pulse = pulse

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, as long as the event loop goes round."""
        self._pulse.expect("page", ANSWER_SECONDS)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.close()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except socket.gaierror:
        raise BadInput(f"cannot listen on {host}:{port}: no such address", "Example: --listen 127.0.0.1:8420") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(
                f"cannot listen on {host}:{port}: the port is in use",
                "Another virtscope may run already. Choose another port: --listen 127.0.0.1:8421",
            ) from None
        raise BadInput(
            f"cannot listen on {host}:{port}: {error.strerror}", "Example: --listen 127.0.0.1:8420"
        ) from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
