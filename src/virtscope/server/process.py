"""A server's process: store, collectors of its own, agents' deliveries, people; begun and ended in order."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeAlias

import duckdb
import uvicorn
from starlette.requests import Request
from starlette.routing import Route

from virtscope.agent import batches, following
from virtscope.agent.settings import Watching
from virtscope.alerts.observe import World
from virtscope.exposition import own
from virtscope.exposition.board import Board
from virtscope.exposition.own import Told
from virtscope.notify import ServiceManager
from virtscope.prometheus.engine import Engine
from virtscope.prometheus.engine_store import EngineStore
from virtscope.prometheus.history import History
from virtscope.prometheus.naming import Naming
from virtscope.pulse import Pulse
from virtscope.sample import Batch, now_ms
from virtscope.server import listening
from virtscope.server.access import origin
from virtscope.server.access.access import Access
from virtscope.server.access.registry import Registry
from virtscope.server.access.settings import AccessSettings, OidcSettings
from virtscope.server.access.who import Role
from virtscope.server.alerting.api import Alerting
from virtscope.server.alerting.book import Book
from virtscope.server.alerting.courier import Courier
from virtscope.server.alerting.watch import Watch, world_of
from virtscope.server.analysis_answers import KeptFinding, kept
from virtscope.server.app import application
from virtscope.server.enrolment.agents import Agents
from virtscope.server.enrolment.api import Enrolment, listed
from virtscope.server.enrolment.application import agents_application, peer
from virtscope.server.enrolment.authority import Authority
from virtscope.server.enrolment.peer import agents_server
from virtscope.server.enrolment.remarks import AgentStatus
from virtscope.server.enrolment.server_certificate import (
    GivenCertificate,
    IssuedCertificate,
    ServerCertificate,
    listening_names,
    own_addresses,
)
from virtscope.server.fleet import Fleet
from virtscope.server.front import Front, PageServer
from virtscope.server.ingest import Committed, Ingest
from virtscope.server.intake import Intake
from virtscope.server.live import Live
from virtscope.server.present import Present
from virtscope.server.schedule import Schedule
from virtscope.server.services import Services
from virtscope.settings.server import ServerSettings
from virtscope.store import Reader
from virtscope.store.archive import Archive
from virtscope.store.damage import is_damage, quarantined
from virtscope.store.database import Database
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.findings import Findings
from virtscope.store.records import Records
from virtscope.store.sql import Sql
from virtscope.store.upkeep import Upkeep
from virtscope.wire import PATH

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
SWITCH_SECONDS = 0.0005
"""How long a thread of Python keeps others waiting that want to run (5 ms unless told): a delivery is taken in by some
threads in turn, and each turn would wait so long behind an analysis."""
Follow: TypeAlias = Callable[[Watching, batches.Sink, following.Told | None, Pulse | None], following.Following]
"""Watches what is to be watched: see ``following.follow``."""
Ready: TypeAlias = Callable[[str, str | None, str | None], None]
"""Hears where the page is, where agents deliver (None: nowhere), and the secret that makes the first admin where there
is none and one is needed."""


def run(settings: ServerSettings, ready: Ready, follow: Follow = following.follow) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); ``ready`` hears where, and ``follow`` is what watches.

    Raises:
        BadInput: an address cannot be listened on.
        StoreError: the data folder or a certificate cannot be used.
    """
    ended = threading.Event()
    sys.setswitchinterval(SWITCH_SECONDS)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    with ExitStack() as closing:
        page = closing.enter_context(listening.tcp(settings.listen, "listen"))
        agents = (
            closing.enter_context(listening.tcp(settings.agents_listen, "agents-listen"))
            if settings.agents_listen
            else None
        )
        database, records, store = closing.enter_context(_opened(settings))
        registry = Registry(settings.data)
        closing.callback(registry.close)
        server = _Server(settings, registry, database, records, store, follow)
        closing.callback(server.close)
        server.serve(page, agents, closing.enter_context(listening.owners(settings.data)), ended, ready)


@contextmanager
def _opened(settings: ServerSettings) -> Iterator[tuple[Database, Records, DuckdbStore]]:
    """The store. Damage that shows only when its tables are read is treated as that which shows when it is opened."""
    database = Database(settings.data, settings.keep_free)
    try:
        try:
            records, store = _read(database)
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            with suppress(duckdb.Error):
                database.close()
            database.put_away(str(error).splitlines()[0])
            database = Database(settings.data, settings.keep_free)
            records, store = _read(database)
        yield database, records, store
    finally:
        database.close()


def _read(database: Database) -> tuple[Records, DuckdbStore]:
    database.read_through()
    records = Records(database)
    return records, DuckdbStore(database, records)


class _Server:
    """Everything that answers and stores."""

    def __init__(
        self,
        settings: ServerSettings,
        registry: Registry,
        database: Database,
        records: Records,
        store: DuckdbStore,
        follow: Follow,
    ) -> None:
        self._settings = settings
        self._follow = follow
        self._database = database
        self._records = records
        self._registry = registry
        self._pulse, self._manager = Pulse(), ServiceManager.here()
        self._fleet = Fleet([uri.text for uri in settings.watching.uris], records.known(), store.last_seen())
        self._present = Present(store, self._fleet)
        self._live = Live()
        self._board = Board()
        archive = Archive(database, settings.retention)
        self._ingest = Ingest(store, self._committed, self._maintain, self._pulse)
        self._upkeep = Upkeep(archive.run, self._pulse)
        findings = Findings(database)
        self._services = Services(
            findings=findings,
            store=self._past(store),
            records=records,
            fleet=self._fleet,
            present=self._present,
            ingest=self._ingest,
            live=self._live,
            started=time.time(),
            demo=settings.demo,
            interval=settings.watching.pace.interval,
            keep_days=settings.retention.raw_days,
            board=self._board,
            ailment=lambda: self._upkeep.ailment,
            history=History(database, records),
            sql=Sql(database, store, records),
            keeper=archive,
            held=archive.held,
            damage=lambda: quarantined(settings.data),
            own=self._own,
        )
        self._schedule = Schedule(self._services, findings, settings.analyze_every, settings.analyses)
        self._intake: Intake | None = None
        self._alerting: Alerting | None = None
        self._access: Access | None = None

    def serve(
        self,
        page: socket.socket,
        agents: socket.socket | None,
        owners: socket.socket,
        ended: threading.Event,
        ready: Ready,
    ) -> None:
        """Answer on these sockets until told to end."""
        settings, is_https = self._settings, not self._settings.listen.is_loopback
        certificate = None
        servers: list[tuple[uvicorn.Server, socket.socket]] = []
        enrolment = None
        if agents is not None or is_https:
            authority, certificate = self._certificates()
            if agents is not None:
                enrolment, server = self._agents(agents, authority, certificate)
                servers.append((server, agents))
        self._access = access = Access(self._registry, settings.data, self._access_settings(page, https=is_https))
        scheme = "https" if is_https else "http"
        where = listening.url(page, scheme)
        address = (
            f"https://{settings.names[0]}/" if settings.proxies else listening.url(page, scheme, *settings.names[:1])
        )
        self._alerting = self._alerts(address, enrolment)
        app = application(self._services, access, enrolment, self._alerting)
        servers += [
            (
                PageServer(app, self._live, self._pulse, certificate if is_https else None, proxies=settings.proxies),
                page,
            ),
            (PageServer(app, self._live, self._pulse, None, first=False), owners),
        ]
        audience = _Audience(self._ingest, self._board, self._fleet)
        following = self._follow(settings.watching, audience, audience, self._pulse)
        unwatch = self._manager.watch(self._pulse.late)
        front = Front(servers, ended.set)
        try:
            ready(
                where, enrolment.address if enrolment else None, access.bootstrap.secret if access.bootstrap else None
            )
            self._manager.ready(f"the page is at {where}")
            ended.wait()
        finally:
            self._manager.stopping()
            unwatch()
            front.stop()
            following.stop()

    def close(self) -> None:
        """Store what is queued, and let everything go."""
        self._schedule.stop()
        if self._alerting is not None:
            self._alerting.watch.stop()
            self._alerting.courier.stop()
        self._upkeep.stop()
        self._ingest.stop()
        if self._intake is not None:
            self._intake.close()
        if self._access is not None:
            self._access.close()

    def _alerts(self, address: str, enrolment: Enrolment | None) -> Alerting:
        """Ask the rules, and tell people, from now on."""

        def world() -> World:
            return world_of(
                self._present.now(), (lambda: listed(enrolment)) if enrolment else tuple, self._open_findings
            )

        book, networks = Book(self._registry), self._settings.notify_networks
        # The courier begins at once; the watch waits before its first round.
        watch = Watch(book, world, address, lambda: courier.wake(), self._pulse)  # noqa: PLW0108  # it comes next
        courier = Courier(book, lambda: watch.alerts, address, networks, self._pulse)
        return Alerting(book, watch, courier, world)

    def _open_findings(self) -> list[KeptFinding]:
        """What scheduled analyses have found, and nobody has dismissed."""
        hosts = {host.id: host.name for host in self._fleet.hosts()}
        return [kept(one, hosts) for one in self._services.findings.all(now_ms()) if one.dismissal is None]

    def _past(self, store: DuckdbStore) -> Reader:
        """Where history is read: in the data folder, or from an engine that has it."""
        settings, fleet = self._settings, self._fleet
        if settings.metrics is None:
            return store

        def naming() -> Naming:
            return Naming({host.id: host.name for host in fleet.hosts()}, fleet.domains)

        return EngineStore(Engine(settings.metrics), naming, settings.metrics_interval)

    def _maintain(self, now: int) -> None:
        """Now and then, in the writing thread: who has fallen silent."""
        if turns := self._fleet.turns():
            for kind, agent in sorted({(event.kind, event.detail) for event in turns}):
                log.warning("%s: %s", kind, agent)
            self._ingest.put(Batch("", 0, 0, now, events=turns))

    def _committed(self, commit: Committed) -> None:
        self._fleet.apply(commit.batches)
        for batch in commit.batches:
            if self._fleet.is_agent(batch.agent):  # what collectors of this process tell is there before it is stored
                self._board.put(batch)
        self._present.committed(commit.number, commit.at)
        events = self._present.now().events(event for batch in commit.batches for event in batch.events)
        self._live.tell(commit.at / 1000, commit.number, events)

    def _certificates(self) -> tuple[Authority, ServerCertificate]:
        settings = self._settings
        folder = settings.data / "pki"
        authority = (
            Authority.given(settings.authority.certificate, settings.authority.key)
            if settings.authority
            else Authority.own(folder)
        )
        if settings.tls:
            return authority, GivenCertificate(settings.tls.certificate, settings.tls.key)
        hosts = [settings.listen.host, *([settings.agents_listen.host] if settings.agents_listen else [])]
        names = dict.fromkeys(name for host in hosts for name in listening_names(host, settings.names))
        return authority, IssuedCertificate(folder, authority, tuple(names))

    def _agents(
        self, listener: socket.socket, authority: Authority, certificate: ServerCertificate
    ) -> tuple[Enrolment, uvicorn.Server]:
        settings = self._settings
        agents = Agents(self._registry, authority, certificate.anchor, settings.certificate_days * DAY_SECONDS)
        for agent in agents.list():
            if agent.revoked is None:
                self._fleet.admit(agent.id, agent.name)

        def identify(request: Request) -> str:
            agent = peer(request)
            self._fleet.admit(agent.id, agent.name)
            return agent.id

        def dismissed(agent: str) -> None:
            self._fleet.dismiss(agent)
            self._board.dismiss(agent)
            intake.forget(agent)

        intake = self._intake = Intake(
            self._ingest, self._records, self._fleet, lambda: self._database.id, identify, settings.ingest_bytes
        )
        app = agents_application(agents, [Route(PATH, intake.receive, methods=["POST"])])
        port = listener.getsockname()[1]
        name = _reached_by(settings, listener.getsockname()[0])
        address = f"https://[{name}]:{port}" if ":" in name else f"https://{name}:{port}"
        return Enrolment(agents, address, self._status, dismissed), agents_server(app, authority, certificate)

    def _status(self, agent: str) -> AgentStatus | None:
        heard = self._intake.heard(agent) if self._intake else None
        hosts = self._fleet.hosts_of(agent)
        seen = [at for host in hosts if (at := self._fleet.last_seen(host.id)) is not None]
        if heard is None:
            return None
        return AgentStatus(
            last_heard=heard.at / 1000,
            lag_seconds=max(now_ms() - max(seen), 0) / 1000 if seen else None,
            backlog_batches=heard.waiting,
            backlog_bytes=heard.waiting_bytes,
            clock_offset_seconds=heard.clock_offset,
            version=heard.version,
            dropped_batches=heard.dropped,
            hosts=tuple(host.id for host in hosts),
            interval_seconds=self._fleet.interval_of(agent),
            problem=heard.problem,
            metrics=heard.metrics or None,
        )

    def _own(self) -> Told:
        count, hot = self._ingest.count, self._settings.data / "hot.duckdb"
        files = [path for path in (hot, hot.with_name("hot.duckdb.wal")) if path.exists()]
        told: dict[str, float | Mapping[str, float] | None] = {
            **own.process(),
            "virtscope_ingest_commits_total": count.commits,
            "virtscope_ingest_batches_total": count.batches,
            "virtscope_ingest_seconds_total": count.seconds,
            "virtscope_ingest_dropped_batches_total": count.dropped,
            "virtscope_ingest_failing": int(self._ingest.problem is not None),
            "virtscope_store_hot_bytes": sum(path.stat().st_size for path in files),
            "virtscope_store_archived_bytes": {held.level: held.bytes for held in self._services.held()[1:]},
            "virtscope_store_free_bytes": shutil.disk_usage(self._settings.data).free,
            "virtscope_store_quarantined": int(quarantined(self._settings.data) is not None),
        }
        return told | self._own_of_agents() if self._intake else told

    def _own_of_agents(self) -> dict[str, float | Mapping[str, float] | None]:
        assert self._intake is not None
        taken = self._intake.taken
        known = {name: found for agent, name in self._fleet.agents().items() if (found := self._status(agent))}

        def each(value: Callable[[AgentStatus], float | None]) -> dict[str, float]:
            return {name: number for name, found in known.items() if (number := value(found)) is not None}

        return {
            "virtscope_intake_deliveries_total": taken.deliveries,
            "virtscope_intake_frames_total": taken.frames,
            "virtscope_intake_bytes_total": taken.bytes,
            "virtscope_intake_duplicates_total": taken.duplicates,
            "virtscope_intake_refused_total": taken.refused,
            "virtscope_intake_put_off_total": taken.put_off,
            "virtscope_intake_memory_bytes": self._intake.used,
            "virtscope_intake_memory_limit_bytes": self._settings.ingest_bytes,
            "virtscope_agents": len(self._fleet.agents()),
            "virtscope_agent_last_heard_timestamp_seconds": each(lambda one: one.last_heard),
            "virtscope_agent_lag_seconds": each(lambda one: one.lag_seconds),
            "virtscope_agent_backlog_batches": each(lambda one: one.backlog_batches),
            "virtscope_agent_backlog_bytes": each(lambda one: one.backlog_bytes),
            "virtscope_agent_clock_offset_seconds": each(lambda one: one.clock_offset_seconds),
            "virtscope_agent_dropped_batches_total": each(lambda one: one.dropped_batches),
        }

    def _access_settings(self, page: socket.socket, *, https: bool) -> AccessSettings:
        settings = self._settings
        listens = [settings.listen.host, str(page.getsockname()[0])]
        here = [socket.gethostname()] if https else []
        oidc = None
        if settings.oidc is not None:
            oidc = OidcSettings(
                issuer=settings.oidc.issuer,
                client_id=settings.oidc.client_id,
                client_secret_file=settings.oidc.client_secret_file,
                claim=settings.oidc.claim,
                roles={group: Role[role.upper()] for group, role in settings.oidc.roles.items()},
                projects={group: tuple(sorted(of)) for group, of in settings.oidc.projects.items()},
                default_role=Role[settings.oidc.default_role.upper()] if settings.oidc.default_role else None,
            )
        names = origin.names_of(listens, [*settings.names, *here])
        return AccessSettings(login=settings.login, hosts=names, https=https or bool(settings.proxies), oidc=oidc)


def _reached_by(settings: ServerSettings, host: str) -> str:
    """The name that agents are told: the operator's, or an address that this machine has for others."""
    if settings.names:
        return settings.names[0]
    if host not in ("0.0.0.0", "::"):
        return host
    return next(name for name in (*own_addresses(), socket.gethostname()) if name)


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
