"""``virtscope server`` and ``virtscope up``: their settings, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from virtscope.agent.settings import Watching
from virtscope.agent.uri import host_name
from virtscope.errors import BadInput
from virtscope.prometheus.engine import Access
from virtscope.settings import analyses, log, metrics, oidc, watching
from virtscope.settings.declaration import Setting
from virtscope.settings.folders import state_folder, user_state
from virtscope.settings.kinds import Address, Listed, Listening, Network, Place, SecretFile, Size, Switch, Text, Whole
from virtscope.settings.program import Complaint, Program, Resolved
from virtscope.store.levels import Retention

_PAGE, _AGENTS, _STORE, _CERTIFICATES, _PEOPLE = "Page and API", "Agents", "Data", "Certificates", "People"
_ALERTS = "Alerts"

LISTEN = Setting(
    "listen",
    Listening(anywhere="127.0.0.1"),
    Address("127.0.0.1", 8420),
    "Where the page and the API are served: plain on loopback, https everywhere else.",
    _PAGE,
)
NAMES: Setting[tuple[str, ...]] = Setting(
    "names",
    Listed(Text("HOST")),
    (),
    "The names and addresses that people and agents reach it by; the certificate is made out to them.",
    _PAGE,
    note="this machine's name and what it listens on",
)
TRUSTED_PROXIES: Setting[tuple[str, ...]] = Setting(
    "trusted-proxies",
    Listed(Network()),
    (),
    "Proxies that speak TLS before the page: whom they forward for is who asks. The page has the first of the names.",
    _PAGE,
    note="none",
)
AGENTS_LISTEN: Setting[Address | None] = Setting(
    "agents-listen", Listening(), Address("0.0.0.0", 8421), "Where agents deliver; empty is nowhere.", _AGENTS
)
INGEST_MEMORY = Setting(
    "ingest-memory",
    Size(16 << 20, 1 << 40),
    256 << 20,
    "The most memory for what agents have delivered and is not stored yet; beyond it they are told to wait.",
    _AGENTS,
)
CERTIFICATE_DAYS = Setting(
    "certificate-days",
    Whole(1, 397),
    30,
    "Days for which an agent's certificate is good; it renews it by itself long before.",
    _AGENTS,
)
DATA = Setting(
    "data",
    Place("DIR"),
    Path("/var/lib/virtscope"),
    "Where samples, users and keys are kept.",
    _STORE,
    note="/var/lib/virtscope for root and the service, ~/.local/state/virtscope for others",
)
KEEP_DAYS = Setting("keep-days", Whole(1, 3650), 14, "Days for which every sample is kept.", _STORE)
KEEP_ROLLUP_DAYS = Setting(
    "keep-rollup-days", Whole(1, 3650), 90, "Days for which steps of 5 minutes are kept: keep-days at least.", _STORE
)
KEEP_FREE = Setting(
    "keep-free",
    Size(0, 1 << 50),
    64 << 20,
    "What stays free on the disk of the data folder: below, nothing is stored, and agents are told to wait.",
    _STORE,
)
KEEP_HOURLY_DAYS = Setting(
    "keep-hourly-days",
    Whole(1, 3650),
    400,
    "Days for which steps of an hour, percentiles and events are kept: keep-rollup-days at least.",
    _STORE,
)
TLS_CERT: Setting[Path | None] = Setting(
    "tls-cert",
    Place(),
    None,
    "The server's certificate with its chain (PEM), for people and agents.",
    _CERTIFICATES,
    note="one that the server's own authority makes",
)
TLS_KEY: Setting[Path | None] = Setting("tls-key", SecretFile(), None, "The key of tls-cert (PEM).", _CERTIFICATES)
CA_CERT: Setting[Path | None] = Setting(
    "ca-cert",
    Place(),
    None,
    "The authority that makes the agents' certificates (PEM).",
    _CERTIFICATES,
    note="one that the server makes at its first start",
)
CA_KEY: Setting[Path | None] = Setting("ca-key", SecretFile(), None, "The key of ca-cert (PEM).", _CERTIFICATES)
LOGIN: Setting[bool | None] = Setting(
    "login",
    Switch(),
    None,
    "Whether people must sign in. It can be off only where the page listens on loopback.",
    _PEOPLE,
    note="on, unless the page listens on loopback without a proxy",
    off="no-login",
)
NOTIFY_NETWORKS: Setting[tuple[str, ...]] = Setting(
    "notify-networks",
    Listed(Network()),
    (),
    "Networks that receivers of alerts may be in though they are not public, as 10.0.0.0/8.",
    _ALERTS,
    note="none",
)
DEMO = Setting("demo", Switch(), False, "Say on the page that the hosts are a lab.", _PAGE)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, as files (PEM)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What one ``virtscope server`` or ``virtscope up`` does."""

    watching: Watching
    """What it watches by itself."""
    listen: Address
    agents_listen: Address | None
    names: tuple[str, ...]
    """Empty is this machine's name and what it listens on."""
    proxies: tuple[str, ...]
    """Networks of those that speak TLS before the page."""
    data: Path
    retention: Retention
    keep_free: int
    """Bytes."""
    tls: KeyPair | None
    """None is a certificate of the authority's own making."""
    authority: KeyPair | None
    """None is one of the server's own making."""
    certificate_days: int
    login: bool
    oidc: oidc.OidcSettings | None
    ingest_bytes: int
    notify_networks: tuple[str, ...]
    log_format: str
    log_level: str
    analyze_every: float
    """Seconds between two runs of an analysis; 0 is never."""
    analyses: Mapping[str, Mapping[str, str]]
    """Settings of analyses, by their names."""
    metrics: Access | None
    """Where the past is read from; None: from the data folder."""
    metrics_interval: float
    """Seconds between two samples there."""
    demo: bool = False

    @classmethod
    def of(cls, resolved: Resolved) -> ServerSettings:
        """The settings out of their resolved values."""
        listen, login = resolved[LISTEN] or Address("127.0.0.1", 0), resolved[LOGIN]
        return cls(
            watching=watching.read(resolved, _watched_otherwise(resolved.program.name)),
            listen=listen,
            agents_listen=resolved[AGENTS_LISTEN],
            names=tuple(host_name(name) for name in resolved[NAMES]),
            proxies=resolved[TRUSTED_PROXIES],
            data=resolved[DATA],
            retention=Retention(
                resolved[KEEP_DAYS],
                resolved[KEEP_ROLLUP_DAYS],
                resolved[KEEP_HOURLY_DAYS],
                record_days=resolved[KEEP_HOURLY_DAYS],
            ),
            keep_free=resolved[KEEP_FREE],
            tls=_pair(resolved[TLS_CERT], resolved[TLS_KEY]),
            authority=_pair(resolved[CA_CERT], resolved[CA_KEY]),
            certificate_days=resolved[CERTIFICATE_DAYS],
            login=not listen.is_loopback or bool(resolved[TRUSTED_PROXIES]) if login is None else login,
            oidc=oidc.read(resolved),
            ingest_bytes=resolved[INGEST_MEMORY],
            notify_networks=resolved[NOTIFY_NETWORKS],
            log_format=resolved[log.LOG_FORMAT],
            log_level=resolved[log.LOG_LEVEL],
            analyze_every=resolved[analyses.ANALYZE_EVERY],
            analyses=analyses.read(resolved),
            metrics=metrics.METRICS.read(resolved),
            metrics_interval=resolved[metrics.INTERVAL],
            demo=DEMO.name in resolved.values and resolved[DEMO],
        )


def _watched_otherwise(program: str) -> str:
    """What is watched where nothing is named: a server by itself watches nothing, agents do."""
    return watching.THIS_MACHINE if program == "up" else ""


def _pair(certificate: Path | None, key: Path | None) -> KeyPair | None:
    return KeyPair(certificate, key) if certificate and key else None


def _listens(resolved: Resolved) -> Iterator[Complaint]:
    listen, agents = resolved[LISTEN], resolved[AGENTS_LISTEN]
    if listen is None:
        yield Complaint(LISTEN, "listen is empty: write 127.0.0.1:8420 for this machine alone")
        return
    if resolved[LOGIN] is False and not listen.is_loopback:
        reason = f"login cannot be off while the page listens on {listen}, where others reach it"
        yield Complaint(LOGIN, f"{reason}: listen on 127.0.0.1, or leave it on")
    if proxies := resolved[TRUSTED_PROXIES]:
        if resolved[LOGIN] is False:
            yield Complaint(
                LOGIN, f"login cannot be off behind the proxy {proxies[0]}, which others reach: leave it on"
            )
        if not resolved[NAMES]:
            yield Complaint(TRUSTED_PROXIES, "trusted-proxies needs names: the name by which people reach the proxy")
    if agents is not None and agents == listen and agents.port:
        yield Complaint(AGENTS_LISTEN, f"agents-listen and listen are both {listen}: give agents a port of their own")


def _are_named(resolved: Resolved) -> Iterator[Complaint]:
    for name in resolved[NAMES]:
        try:
            host_name(name)
        except BadInput as error:
            yield Complaint(NAMES, f"names has {error}. {error.hint}")


def _are_pairs(resolved: Resolved) -> Iterator[Complaint]:
    for certificate, key in ((TLS_CERT, TLS_KEY), (CA_CERT, CA_KEY)):
        for one, other in ((certificate, key), (key, certificate)):
            if resolved[one] is not None and resolved[other] is None:
                yield Complaint(one, f"{one.name} is {resolved[one]}, and {other.name} is missing: both, or neither")


_SHARED = (
    *(LISTEN, NAMES, TRUSTED_PROXIES, AGENTS_LISTEN, INGEST_MEMORY, CERTIFICATE_DAYS, DATA),
    *(KEEP_DAYS, KEEP_ROLLUP_DAYS, KEEP_HOURLY_DAYS, KEEP_FREE),
    *(TLS_CERT, TLS_KEY, CA_CERT, CA_KEY, LOGIN, *oidc.SETTINGS, NOTIFY_NETWORKS),
    *analyses.SETTINGS,
    *metrics.SETTINGS,
)
SERVER = Program(
    "server",
    (*_SHARED, *watching.SETTINGS, *log.SETTINGS),
    (
        _listens,
        _are_named,
        _are_pairs,
        oidc.check,
        analyses.check,
        metrics.check,
        partial(watching.check, otherwise=_watched_otherwise("server")),
    ),
    "/etc/virtscope/server.toml",
).with_default(watching.CONNECT, (), note="none: agents watch")
UP = (
    Program("up", (*watching.SETTINGS, *_SHARED, DEMO, *log.SETTINGS), (*SERVER.checks[:-1], watching.check))
    .with_default(watching.INTERVAL, 5.0)
    .with_default(AGENTS_LISTEN, None)
    .with_default(DATA, DATA.default, note="~/.local/state/virtscope")
)


def server_here(environment: Mapping[str, str], *, root: bool) -> Program:
    """``virtscope server`` with the defaults of whoever runs it."""
    return SERVER.with_default(DATA, state_folder(DATA.default, environment, root=root))


def up_here(environment: Mapping[str, str], *, root: bool) -> Program:  # noqa: ARG001  # root's, too, is its own
    """``virtscope up`` with the defaults of whoever runs it."""
    return UP.with_default(DATA, user_state(environment) / DATA.default.name)
