"""The way to the provider and back: the browser keeps the sealed flow in a cookie meanwhile."""

from __future__ import annotations

import logging
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from virtscope.errors import NotAllowed, NotFound, ServerError, VirtscopeError
from virtscope.server.access import origin
from virtscope.server.access.access import Access
from virtscope.server.access.guard import address
from virtscope.server.access.oidc import FLOW_SECONDS, Provider
from virtscope.server.access.routes import Door, begin_session, problems_of

log = logging.getLogger(__name__)
CALLBACK = "/api/v1/oidc/callback"


def router() -> APIRouter:
    """The two routes under ``/api/v1/oidc``."""
    api = APIRouter(prefix="/api/v1/oidc", tags=["people"])
    answering = problems_of(403, 404)

    @api.get("/start", response_class=Response, status_code=303, responses=answering)
    async def start(
        request: Request,
        access: Door,
        next: Annotated[str, Query(max_length=2_000)] = "/",  # noqa: A002
    ) -> Response:
        """Begin to sign in with the provider: leads there. ``next`` is the path of the page to come back to."""
        provider, onward = _provider(access), origin.local_path(next)
        try:
            there, sealed = await provider.start(_callback(request, access), onward)
        except VirtscopeError as error:
            return _failed(access, error, request, onward)
        answer = RedirectResponse(there, 303, {"Cache-Control": "no-store"})
        # Lax, for the provider leads back here from its own site.
        answer.set_cookie(
            _cookie(access), sealed, FLOW_SECONDS, secure=access.settings.https, httponly=True, samesite="lax"
        )
        return answer

    @api.get("/callback", response_class=Response, status_code=303, responses=answering)
    async def callback(request: Request, access: Door) -> Response:
        """Where the provider leads back to: begins a session, or tells the page why not."""
        provider, onward = _provider(access), "/"
        try:
            flow = provider.opened(request.cookies.get(_cookie(access), ""))
            onward = flow.next
            identity = await provider.finish(flow, _callback(request, access), dict(request.query_params))
            user = await run_in_threadpool(access.users.vouched, identity)
        except VirtscopeError as error:
            return _failed(access, error, request, onward)
        log.info("%r signed in by %s from %s", user.name, user.issuer, address(request.scope))
        answer = RedirectResponse(onward, 303, {"Cache-Control": "no-store"})
        answer.delete_cookie(_cookie(access), secure=access.settings.https, httponly=True, samesite="lax")
        return await run_in_threadpool(begin_session, request, access, user, answer)

    return api


def _provider(access: Access) -> Provider:
    if access.provider is None:
        raise NotFound("no provider to sign in with is set", "Sign in with a password.")
    return access.provider


def _failed(access: Access, error: VirtscopeError, request: Request, onward: str) -> Response:
    """Back to the page, which says what happened in its own words: nothing foreign goes into an address."""
    log.warning("a sign-in by the provider failed, from %s: %s", address(request.scope), error)
    why = "refused" if isinstance(error, NotAllowed) else "provider" if isinstance(error, ServerError) else "settings"
    parts = urlsplit(onward)
    query = "&".join(part for part in (parts.query, urlencode({"signin": why})) if part)
    answer = RedirectResponse(f"{parts.path}?{query}", 303, {"Cache-Control": "no-store"})
    answer.delete_cookie(_cookie(access), secure=access.settings.https, httponly=True, samesite="lax")
    return answer


def _callback(request: Request, access: Access) -> str:
    """This server's address of the callback; the guard has checked the Host header."""
    return f"{'https' if access.settings.https else 'http'}://{request.headers['host']}{CALLBACK}"


def _cookie(access: Access) -> str:
    return f"{access.cookie}-oidc"
