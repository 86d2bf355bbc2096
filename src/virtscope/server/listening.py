"""The sockets that a server listens on, taken before anything else begins: what is wrong with one is said at once."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from virtscope.errors import BadInput
from virtscope.settings.kinds import Address

OWNERS_SOCKET = "server.sock"
"""In the data folder: whoever can open it is the server's owner."""


def tcp(address: Address, setting: str) -> socket.socket:
    """A socket that listens on an address; ``setting`` is what it comes from.

    Raises:
        BadInput: nobody can listen there.
    """
    host, port = address.host, address.port
    try:
        named = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")
        family, kind, protocol, _, found = socket.getaddrinfo(named, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not host and named == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(found)
        listener.listen(1024)
    except socket.gaierror:
        raise BadInput(f"cannot listen on {address}: no such address", f"Example: --{setting} 127.0.0.1:8420") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(
                f"cannot listen on {address}: the port is in use",
                f"Another virtscope may run already. Choose another port: --{setting} 127.0.0.1:{port + 1}",
            ) from None
        reason = error.strerror or str(error)
        raise BadInput(f"cannot listen on {address}: {reason}", f"Example: --{setting} 127.0.0.1:8420") from None
    return listener


def owners(folder: Path) -> socket.socket:
    """The server's own socket in its data folder, for its owner alone; the folder is this server's already.

    Raises:
        BadInput: it cannot be made there.
    """
    path = folder / OWNERS_SOCKET
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        # A path of any length: the name that is bound is short, whatever the folder's is.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{descriptor}/{OWNERS_SOCKET}" if len(str(path)) > 100 else str(path))
        finally:
            os.close(descriptor)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise BadInput(
            f"cannot listen on {path}: {error.strerror}", "The data folder must be on a file system that has sockets."
        ) from None
    finally:
        os.umask(before)
    return listener


def url(listener: socket.socket, scheme: str, name: str = "") -> str:
    """Where a socket that listens is reached from this machine, or from anywhere by the name of it."""
    host, port = listener.getsockname()[:2]
    shown = name or {"0.0.0.0": "127.0.0.1", "::": "localhost"}.get(host, host)
    return f"{scheme}://[{shown}]:{port}/" if ":" in shown else f"{scheme}://{shown}:{port}/"
