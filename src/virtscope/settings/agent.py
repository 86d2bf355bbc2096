"""``virtscope agent``: its settings, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from virtscope.agent.settings import Watching
from virtscope.exposition.names import Dialect
from virtscope.prometheus.engine import Access
from virtscope.settings import log, watching
from virtscope.settings.declaration import Setting
from virtscope.settings.engine_access import EngineAccess
from virtscope.settings.folders import state_folder
from virtscope.settings.kinds import Address, Choice, Duration, Listening, Place, Size, Url
from virtscope.settings.program import Program, Resolved

_PROMETHEUS, _SERVER = "Prometheus", "Server"

SERVER_URL = Setting(
    "server",
    Url(),
    "",
    "The server that gets everything; the host is enrolled there.",
    _SERVER,
    note="the one that the host is enrolled with, if any",
)
STATE = Setting(
    "state",
    Place("DIR"),
    Path("/var/lib/virtscope-agent"),
    "Where the agent's identity and what it has not sent yet are kept.",
    _SERVER,
    note="/var/lib/virtscope-agent for root and the service, ~/.local/state/virtscope-agent for others",
)
SPOOL_SIZE = Setting(
    "spool-size",
    Size(8 << 20, 1 << 40),
    256 << 20,
    "The most that is kept on disk for a server that does not answer, and as much again for remote write; then the "
    "oldest goes, and is counted.",
    _SERVER,
)
SPOOL_SYNC = Setting(
    "spool-sync",
    Duration(0.0, 3600.0),
    5.0,
    "The time between two syncs of what is kept to the disk: so much a power failure may cost. 0 syncs every sample.",
    _SERVER,
)
REPLAY = Setting(
    "replay",
    Duration(0.0, 7 * 86_400.0),
    900.0,
    "How long what the server has is kept still, to be sent again when the server has lost it.",
    _SERVER,
)
METRICS = Setting(
    "metrics",
    Listening(),
    Address("127.0.0.1", 9177),
    "Where /metrics is served for Prometheus; empty is nowhere.",
    _PROMETHEUS,
)
WEB_CONFIG: Setting[Path | None] = Setting(
    "web-config",
    Place(),
    None,
    "TLS, client certificates and users of /metrics: a web.config.yml as exporters have it.",
    _PROMETHEUS,
)
DIALECT = Setting(
    "dialect",
    Choice(tuple(known.value for known in Dialect)),
    Dialect.INOVEX.value,
    "Whose names are spoken, at /metrics and in remote write, where exporters differ.",
    _PROMETHEUS,
)
REMOTE_WRITE = EngineAccess.named(
    "remote-write",
    "A receiver of Prometheus's remote write 1.0, with its whole path: figures go there, through a spool of their own.",
    _PROMETHEUS,
    note="nowhere",
)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What one ``virtscope agent`` does."""

    watching: Watching
    server: str
    """An https URL; empty where there is only /metrics."""
    state: Path
    """The folder of the identity and the spool."""
    spool_bytes: int
    sync_seconds: float
    """Between two syncs of the spool; 0 is every sample."""
    replay_seconds: float
    """How long acknowledged samples are kept."""
    metrics: Address | None
    """Where /metrics is served, if anywhere."""
    web_config: Path | None
    remote_write: Access | None
    """Where figures are written, if anywhere."""
    dialect: Dialect
    log_format: str
    log_level: str

    @classmethod
    def of(cls, resolved: Resolved) -> AgentSettings:
        """The settings out of their resolved values."""
        return cls(
            watching=watching.read(resolved),
            server=resolved[SERVER_URL],
            state=resolved[STATE],
            spool_bytes=resolved[SPOOL_SIZE],
            sync_seconds=resolved[SPOOL_SYNC],
            replay_seconds=resolved[REPLAY],
            metrics=resolved[METRICS],
            web_config=resolved[WEB_CONFIG],
            remote_write=REMOTE_WRITE.read(resolved),
            dialect=Dialect(resolved[DIALECT]),
            log_format=resolved[log.LOG_FORMAT],
            log_level=resolved[log.LOG_LEVEL],
        )


AGENT = Program(
    "agent",
    (
        *watching.SETTINGS,
        SERVER_URL,
        STATE,
        SPOOL_SIZE,
        SPOOL_SYNC,
        REPLAY,
        METRICS,
        WEB_CONFIG,
        DIALECT,
        *REMOTE_WRITE.settings,
        *log.SETTINGS,
    ),
    (watching.check, REMOTE_WRITE.check),
    "/etc/virtscope/agent.toml",
)


def here(environment: Mapping[str, str], *, root: bool) -> Program:
    """The program with the defaults of whoever runs it."""
    return AGENT.with_default(STATE, state_folder(STATE.default, environment, root=root))
