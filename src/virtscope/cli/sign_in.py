"""``virtscope login`` and ``logout``: a password is shown once, and an API token is kept instead of it."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import replace
from http.cookies import SimpleCookie

from virtscope.cli import credentials
from virtscope.cli.connection import UNIX, connection, default_address, refuse_open
from virtscope.cli.credentials import Credential
from virtscope.cli.source import Server
from virtscope.errors import BadInput, NotAllowed, NotFound, NotSignedIn

TOKEN_DAYS = 90
"""For how long a sign-in lasts."""


def with_password(server: str, name: str, password: str, ca: str | None) -> str:
    """Sign in, and keep a token made for this purpose; a sentence that says so.

    Raises:
        NotSignedIn: the name or the password is wrong.
        ServerError: the server cannot be reached, or not without others reading along.
    """
    address = _address(server)
    refuse_open(connection(address, ca))
    asked = Server(address, Credential(ca=ca))
    told, headers = asked.ask("POST", "session", {"name": name, "password": password})
    cookies = SimpleCookie(headers.get("set-cookie", ""))
    session = {
        "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items()),
        # Whoever shows a cookie has to say from which site.
        "Origin": address,
    }
    wanted = {
        "name": f"virtscope login on {socket.gethostname()[:40]} ({secrets.token_hex(3)})",
        "role": told["role"],
        "expires": time.time() + TOKEN_DAYS * 86_400,
    }
    try:
        made = asked.send("POST", "tokens", wanted, **session)
    finally:
        asked.send("DELETE", "session", **session)
    credentials.keep(address, Credential(made["token"], made["id"], ca))
    return f"{told['user']} ({told['role']}) is signed in to {address} for {TOKEN_DAYS} days"


def with_token(server: str, token: str, ca: str | None) -> str:
    """Keep a token that was made before, if the server takes it; a sentence that says so.

    Raises:
        NotSignedIn: it does not.
        ServerError: the server cannot be reached, or not without others reading along.
    """
    address = _address(server)
    told = Server(address, Credential(token, ca=ca)).get("session")
    if not told["user"]:
        raise NotSignedIn(f"{address} does not take this token", "It may have expired, or be another server's.")
    credentials.keep(address, Credential(token, None, ca))
    return f"{told['user']} ({told['role']}) is signed in to {address}"


def trust(server: str, ca: str) -> None:
    """From now on verify a server with these certificates."""
    credentials.keep(server, replace(credentials.of(server), ca=ca))


def out(server: str) -> str:
    """Forget what is kept for a server, and revoke it there where ``login`` made it; a sentence that says so."""
    address = (server or default_address()).rstrip("/")
    kept = credentials.of(address)
    if kept.token is None:
        return f"nobody is signed in to {address}"
    try:
        if kept.id is not None:
            Server(address, kept).send("DELETE", f"tokens/{kept.id}")
    except (NotAllowed, NotFound):
        pass  # it is worth nothing already
    finally:
        credentials.keep(address, None)
    return f"signed out of {address}"


def _address(server: str) -> str:
    address = (server or default_address()).rstrip("/")
    if address.startswith(UNIX):
        raise BadInput(f"{address} asks nobody to sign in", "Name the server's https address: --server https://…")
    return address
