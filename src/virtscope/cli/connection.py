"""How a server is reached: by http on this machine, by https, or by the socket in its data folder."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from virtscope.cli import contexts
from virtscope.errors import BadInput, ServerError

HERE = "http://127.0.0.1:8420"
UNIX = "unix:"
SERVICE_FOLDER = Path("/var/lib/virtscope")
"""Where a server that is a service of the system keeps its data."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATIENCE_SECONDS = 30.0
"""How long an answer is waited for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A server's address, and what asks it."""

    address: str
    """As people write it: ``https://…``, ``http://127.0.0.1:8420`` or ``unix:/path/to/server.sock``."""
    base: str
    """What URLs begin with."""
    pool: urllib3.PoolManager | urllib3.HTTPConnectionPool
    keeps_secrets: bool
    """Whether nobody on the way can read along."""


def default_data_folder() -> Path:
    """Where samples are kept unless told otherwise: the user's state folder (XDG)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local/state") / "virtscope"


def default_address() -> str:
    """The context's server; else this machine's: by its own socket where one listens that we may open, or by its port.

    Raises:
        BadInput: the context names hypervisors, which this is nothing for.
    """
    if used := contexts.in_use():
        name, context = used
        if not context.server:
            raise BadInput(
                f"context {name!r} names hypervisors, and this takes a server",
                "Name one with --server URL, or another context with --context NAME.",
            )
        return context.server
    for folder in (default_data_folder(), SERVICE_FOLDER):
        path = folder / "server.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                continue
        return f"{UNIX}{path}"
    return HERE


def connection(address: str, ca: str | None = None, patience: float = PATIENCE_SECONDS) -> Connection:
    """How to reach a server; an answer is waited for so many seconds.

    Raises:
        BadInput: that is no address of a server, or the certificates cannot be read.
    """
    address, timeout = address.rstrip("/"), urllib3.Timeout(connect=3, read=patience)
    if address.startswith(f"{UNIX}/"):
        pool: urllib3.PoolManager | urllib3.HTTPConnectionPool = _SocketPool(address.removeprefix(UNIX), timeout)
        return Connection(address, "http://localhost", pool, keeps_secrets=True)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadInput(f"{address!r} is no server's address", f"Example: --server {HERE}")
    try:
        context = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
    except OSError as error:
        raise BadInput(f"cannot read certificates from {ca}: {error.strerror or error}", "A file of PEM.") from None
    pool = urllib3.PoolManager(timeout=timeout, retries=False, ssl_context=context)
    return Connection(address, address, pool, keeps_secrets=parts.scheme == "https" or parts.hostname in _LOOPBACK)


def refuse_open(reached: Connection) -> None:
    """Refuse to send a secret where others can read it.

    Raises:
        ServerError: they could.
    """
    if not reached.keeps_secrets:
        raise ServerError(
            f"{reached.address} is not encrypted: whoever is on the way could read the secret", "Use its https address."
        )


class _SocketConnection(HTTPConnection):
    """A connection by a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(30)
        try:
            made.connect(self._path)
        except OSError as error:
            made.close()
            raise urllib3.exceptions.NewConnectionError(self, f"{error.strerror}") from None
        return made


class _SocketPool(urllib3.HTTPConnectionPool):
    """Connections to one socket."""

    def __init__(self, path: str, timeout: urllib3.Timeout) -> None:
        super().__init__("localhost", timeout=timeout, retries=False)
        self._path = path

    def _new_conn(self) -> _SocketConnection:
        return _SocketConnection(self._path)
