"""The application of the agents' port: enrolling, renewing, and whatever else agents may ask for."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from virtscope.enrolment import PATH, EnrolRequest, RenewRequest
from virtscope.errors import AgentRefused, BadInput, TooOften, VirtscopeError
from virtscope.server.enrolment.agents import AgentIdentity, Agents
from virtscope.server.enrolment.attempts import Attempts
from virtscope.server.enrolment.body import message
from virtscope.server.problems import problem, status_of

log = logging.getLogger(__name__)

_AGENT = "virtscope-agent/"


def agents_application(agents: Agents, routes: Sequence[BaseRoute] = (), attempts: Attempts | None = None) -> Starlette:
    """The application, which answers these further routes as well; each of them asks ``peer`` who is there.

    Args:
        agents: who they are.
        routes: what else there is to ask for.
        attempts: how often an address may fail to enrol.
    """
    failures = attempts or Attempts()

    async def authority(_request: Request) -> Response:
        # Nothing secret, and nothing to be believed: whoever reads it compares the fingerprint.
        return Response(agents.anchor.pem, media_type="application/x-pem-file")

    async def enrol(request: Request) -> Response:
        address = address_of(request)
        failures.check(address)
        try:
            asked = await message(request, EnrolRequest)
            issued = await run_in_threadpool(agents.enrol, asked.token, asked.request, asked.name)
        except (AgentRefused, BadInput) as error:
            failures.failed(address)
            log.warning("%s could not enrol: %s", address, error)
            raise
        log.info("%s is enrolled as agent %s (%s)", address, issued.name, issued.agent)
        return _json(issued)

    async def renew(request: Request) -> Response:
        identity = peer(request)
        asked = await message(request, RenewRequest)
        issued = await run_in_threadpool(agents.renew, identity, asked.request)
        log.info("agent %s has a new certificate", identity.name)
        return _json(issued)

    async def me(request: Request) -> Response:
        return _json(agents.myself(peer(request)))

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        yield
        agents.flush()

    app = Starlette(
        routes=[
            Route(f"{PATH}/authority", authority),
            Route(f"{PATH}/enrol", enrol, methods=["POST"]),
            Route(f"{PATH}/renew", renew, methods=["POST"]),
            Route(f"{PATH}/me", me),
            *routes,
        ],
        exception_handlers={VirtscopeError: _ours, HTTPException: _refused, Exception: _unexpected},
        lifespan=life,
    )
    app.state.agents = agents
    return app


def peer(request: Request) -> AgentIdentity:
    """Which agent asks, by the certificate of its connection and nothing else.

    Raises:
        AgentRefused: none, or one that may not (any more); answered with 401 or 403, and logged with the address.
    """
    agents: Agents = request.app.state.agents
    address = address_of(request)
    _, _, version = request.headers.get("user-agent", "").partition(_AGENT)
    try:
        return agents.identify(request.scope["state"].get("peer_certificate"), address, _harmless(version))
    except AgentRefused as error:
        log.warning("%s is not let in: %s", address, error)
        raise


def address_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else "nowhere"


def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, VirtscopeError):
        raise TypeError(type(error))
    status = 400 if type(error) is BadInput else status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s failed: %s", request.method, request.url.path, error)
    answer = problem(status, str(error), error.hint)
    if isinstance(error, TooOften):
        answer.headers["Retry-After"] = str(math.ceil(error.seconds))
    return answer


def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(type(error))
    answer = problem(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "the server failed to answer", "Its log says more; please report it.")


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _harmless(version: str) -> str:
    return "".join(character for character in version[:40] if character.isascii() and character.isprintable())
