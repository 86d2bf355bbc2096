"""The guard before the application: who asks, by which name, from where, and whether he may."""

from __future__ import annotations

import asyncio
import logging
from http.cookies import CookieError, SimpleCookie

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from virtscope.server.access import origin, policy
from virtscope.server.access.access import Access
from virtscope.server.access.who import EVERYBODY, OWNER, Who
from virtscope.server.problems import problem

log = logging.getLogger(__name__)

LARGEST_BODY = 65_536
"""Bytes of a request's body: people send no more than a form …"""
LARGER_BODIES = dict.fromkeys(("/api/v1/alert-rules", "/api/v1/alert-rules/trial"), 1_048_576)
"""… but for a file of rules, all that a server has."""
BODY_SECONDS = 20.0
"""For a body to come in."""
LIVE_PATH = "/api/v1/live"


class Guard:
    """Pure ASGI. It puts the ``Who`` into ``scope["state"]["who"]``, where somebody has shown who he is."""

    def __init__(self, app: ASGIApp, access: Access, elsewhere: tuple[str, ...] = ()) -> None:
        """Guard an application; ``elsewhere`` are beginnings of paths that decide themselves who may come in."""
        self._app = app
        self._access = access
        self._elsewhere = elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"].startswith(self._elsewhere)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        # Nothing here speaks WebSocket: one is closed by not being answered.

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        refused = None if _is_owners(scope) else self._refused(scope, headers)
        if refused is None:
            who = await self._who(scope, headers)
            refused = self._forbidden(scope, who)
        if refused is not None:
            await refused(scope, receive, send)
            return
        scope.setdefault("state", {})["who"] = who
        if scope["path"] == LIVE_PATH:
            send = self._while_known(scope, headers, who, send)
        try:
            await self._app(scope, _bounded(receive, _largest(scope)), send)
        except _NoLongerKnown:
            log.info("a live stream of %r has ended: what he had shown is no longer valid", who.name if who else "")

    def _refused(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        """The answer to what comes by a name that is not ours, or from another site."""
        host = headers.get("host", "")
        if not origin.is_ours(host, self._access.settings.hosts):
            log.warning("refused a request for %r from %s: that is no name of this server", host, address(scope))
            return problem(
                421 if host else 400,
                f"{host!r} is no name of this server" if host else "the request names no host",
                "Ask by a name or address that it listens on, or add this one to its settings.",
            )
        scheme = "https" if self._access.settings.https else "http"
        if not origin.is_welcome(scope["method"], scope["path"], scheme, headers):
            log.warning("refused %s %s from another site, for %s", scope["method"], scope["path"], address(scope))
            return problem(403, "the request comes from another site", "Use the server's own page, or an API token.")
        if int(headers.get("content-length", "0") or 0) > (most := _largest(scope)):
            return problem(413, f"a body of more than {most:,} bytes", "Send less.")
        return None

    def _forbidden(self, scope: Scope, who: Who | None) -> Response | None:
        """The answer to whoever may not do this."""
        if who is EVERYBODY and policy.is_of_people(scope["method"], scope["path"]):
            return problem(
                403,
                "nobody signs in to this server: people and backups are for whoever may open its own socket",
                f"As the user that it runs as, add: --server unix:{self._access.socket}",
            )
        role = policy.needed(scope["method"], scope["path"])
        if role is None or (who is not None and who.role >= role):
            return None
        if who is None:
            answer = problem(
                401, "the server does not know who asks", "Sign in, or send 'Authorization: Bearer TOKEN'."
            )
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        log.warning("refused %s %s for %r: that takes an %s", scope["method"], scope["path"], who.name, role.word)
        return problem(403, f"this takes the role {role.word}, yours is {who.role.word}", "Ask an admin.")

    async def _who(self, scope: Scope, headers: dict[str, str]) -> Who | None:
        if _is_owners(scope):
            return OWNER
        if not self._access.settings.login:
            return EVERYBODY
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind:
            if kind.lower() != "bearer":
                return None
            found = await self._access.looked_up(self._access.tokens.find, token.strip())
            if found is None:
                log.warning("an API token that is not valid was shown from %s", address(scope))
            return found
        session = session_of(headers.get("cookie", ""), self._access.cookie)
        if not session:
            return None
        scope.setdefault("state", {})["session"] = session
        return await self._access.looked_up(self._access.sessions.find, session)

    def _while_known(self, scope: Scope, headers: dict[str, str], who: Who | None, send: Send) -> Send:
        """Send a stream's parts for as long as whoever listens may: a session can end, a role can change."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.body" and await self._who(scope, headers) != who:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _NoLongerKnown
            await send(message)

        return guarded


def install(app: FastAPI, access: Access, elsewhere: tuple[str, ...] = ()) -> None:
    """Guard an application. To be called after all other middleware is added: this is to be the outermost.

    Args:
        app: the application.
        access: who may come in.
        elsewhere: beginnings of paths that are not guarded, because they ask for another proof, as agents' do.
    """
    app.state.access = access
    app.add_middleware(Guard, access=access, elsewhere=elsewhere)


class _NoLongerKnown(Exception):
    """Ends a stream."""


def address(scope: Scope) -> str:
    """Whence a request comes."""
    client = scope.get("client")
    return str(client[0]) if client else "the server's own socket"


def session_of(cookies: str, name: str) -> str | None:
    """The token of a session among the cookies of a request."""
    try:
        found = SimpleCookie(cookies).get(name)
    except CookieError:
        return None
    return found.value if found else None


def _is_owners(scope: Scope) -> bool:
    """Whether a request came by a Unix socket, which the file system guards."""
    path, port = scope.get("server") or ("", 0)
    return scope.get("client") is None and port is None and str(path).startswith("/")


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by name. One that is there twice is all of its values: nothing that could be taken for one."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        joint = "; " if name == "cookie" else ", "
        text = value.decode("latin-1")
        found[name] = f"{found[name]}{joint}{text}" if name in found else text
    return found


def _largest(scope: Scope) -> int:
    """How many bytes the body of a request may have."""
    return LARGER_BODIES.get(scope["path"], LARGEST_BODY)


def _bounded(receive: Receive, most: int) -> Receive:
    """A body that comes without its length is measured as it comes, and has to come in time."""
    seen, until = 0, asyncio.get_running_loop().time() + BODY_SECONDS
    whole = False

    async def bounded() -> Message:
        nonlocal seen, whole
        try:
            async with asyncio.timeout_at(None if whole else until):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the body did not come within {BODY_SECONDS:.0f} s") from None
        seen += len(message.get("body", b""))
        whole = whole or not message.get("more_body", False)
        if seen > most:
            raise HTTPException(413, f"a body of more than {most:,} bytes")
        return message

    return bounded
