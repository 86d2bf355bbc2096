"""What people ask about agents, and tell the server to do with them: admins only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response

from virtscope.enrolment import fingerprint_text
from virtscope.errors import NotFound
from virtscope.server.access.who import Role, Who
from virtscope.server.answers import Problem
from virtscope.server.enrolment.agents import Agent, Agents
from virtscope.server.enrolment.remarks import AgentStatus, remarks
from virtscope.server.enrolment.targets import TargetGroup, target
from virtscope.server.enrolment.tokens import TTL, Invitation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent: who it is, its certificate, and how it does."""

    id: str
    name: str
    state: str
    """``enrolled``, ``expired`` or ``revoked``."""
    made: float
    token: str
    """The id of the token it was enrolled with."""
    certificate: str
    """The serial number of its newest certificate."""
    expires: float
    """When that certificate does."""
    revoked: float | None
    seen: float | None
    """When it was last let in."""
    address: str | None
    version: str | None
    status: AgentStatus | None
    """None where it has sent nothing yet."""
    remarks: tuple[str, ...]
    """What an operator should know of it, each with what to do."""


@dataclass(frozen=True, slots=True)
class AgentList:
    """Every agent, by name."""

    agents: list[AgentAnswer]


@dataclass(frozen=True, slots=True)
class AgentChange:
    """What is to change of an agent."""

    name: str


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token that is wanted."""

    name: str | None = None
    """What the host will be called; null leaves that to the host."""
    ttl: float = TTL
    """Seconds for which it is good."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An enrolment token, without its secret."""

    id: str
    name: str | None
    state: str
    """``open``, ``used``, ``withdrawn`` or ``expired``."""
    made: float
    made_by: str
    expires: float
    used: float | None
    agent: str | None
    """Who was enrolled with it."""


@dataclass(frozen=True, slots=True)
class TokenList:
    """Every enrolment token, newest first."""

    tokens: list[TokenAnswer]


@dataclass(frozen=True, slots=True)
class NewTokenAnswer:
    """A new enrolment token: the only answer that holds its secret."""

    id: str
    token: str = field(repr=False)
    expires: float
    server: str
    """Where agents reach the server."""
    fingerprint: str
    """Whom they are to trust there."""
    command: str = field(repr=False)
    """One line to paste on the host."""


def admin(request: Request) -> Who:
    """Who asks, if he is an admin.

    Raises:
        HTTPException: nobody is known (401), or not an admin (403).
    """
    who = request.scope.get("state", {}).get("who")
    if not isinstance(who, Who):
        raise HTTPException(401, "nobody has signed in")
    if who.role < Role.ADMIN:
        raise HTTPException(403, f"{who.name} is not an admin")
    return who


def seeing_all(request: Request) -> Who:
    """Who asks, if he may see every host.

    Raises:
        HTTPException: nobody is known (401), or he is limited to projects (403).
    """
    who = request.scope.get("state", {}).get("who")
    if not isinstance(who, Who):
        raise HTTPException(401, "nobody has signed in")
    if who.projects is not None:
        raise HTTPException(403, f"{who.name} is limited to projects")
    return who


Admin = Annotated[Who, Depends(admin)]
SeeingAll = Annotated[Who, Depends(seeing_all)]
Name = Annotated[str, Path(max_length=300, description="Id or name.")]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the routes answer from."""

    agents: Agents
    address: str
    """Where agents reach the server, as ``https://virtscope.example.org:8421``."""
    status: Callable[[str], AgentStatus | None]
    """How the agent of an id does; None where it has sent nothing yet."""
    dismissed: Callable[[str], None]
    """Hears which agent may come in no more."""


def enrolment(request: Request) -> Enrolment:
    """The server's enrolment.

    Raises:
        NotFound: it takes no agents.
    """
    found = getattr(request.app.state, "enrolment", None)
    if not isinstance(found, Enrolment):
        raise NotFound("this server takes no agents", "Start it with --agents-listen, as --agents-listen 0.0.0.0:8421.")
    return found


def listed(here: Enrolment) -> list[AgentAnswer]:
    """Every agent by name, and how it does."""
    now = time.time()
    return [_agent(agent, here.status(agent.id), now) for agent in here.agents.list()]


Here = Annotated[Enrolment, Depends(enrolment)]


def router() -> APIRouter:
    """The routes; what they answer from is ``app.state.enrolment``."""
    api = APIRouter(prefix="/api/v1", tags=["agents"])

    @api.post("/enrolment-tokens", status_code=201, **_answering(NewTokenAnswer, 404, status=201))
    def create_token(wish: TokenWish, who: Admin, here: Here) -> Response:
        """A new token, with which one host is enrolled."""
        made = here.agents.tokens.create(who.name, wish.name, wish.ttl)
        log.info("%r has made the enrolment token %s", who.name, made.invitation.id)
        text = made.token.text
        answer = NewTokenAnswer(
            made.invitation.id,
            text,
            made.invitation.expires,
            here.address,
            fingerprint_text(made.token.fingerprint),
            # The token comes over standard input: arguments can be seen by everybody on the host.
            f"echo {text} | virtscope enrol {here.address} -",
        )
        return _json(answer, 201)

    @api.get("/enrolment-tokens", **_answering(TokenList, 404))
    def list_tokens(_who: Admin, here: Here) -> Response:
        """Every token that was made, without its secret."""
        now = time.time()
        return _json(TokenList([_token(token, now) for token in here.agents.tokens.list()]))

    @api.delete("/enrolment-tokens/{id}", status_code=204, **_answering(None, 404, status=204))
    def withdraw_token(id: Name, who: Admin, here: Here) -> Response:  # noqa: A002  # the name is the API's
        """Make a token useless."""
        here.agents.tokens.withdraw(id)
        log.info("%r has withdrawn the enrolment token %s", who.name, id)
        return Response(status_code=204)

    @api.get("/agents", **_answering(AgentList, 404))
    def list_agents(_who: Admin, here: Here) -> Response:
        """Every agent, with its certificate and how it does."""
        return _json(AgentList(listed(here)))

    @api.get("/sd", **_answering(list[TargetGroup], 404))
    def discover(_who: SeeingAll, here: Here) -> Response:
        """Where Prometheus finds every agent's ``/metrics``: its HTTP service discovery."""
        found = (target(agent, here.status(agent.id)) for agent in here.agents.list() if agent.revoked is None)
        return _json([one for one in found if one is not None])

    @api.delete("/agents/{id}", status_code=204, **_answering(None, 404, 409, status=204))
    def revoke_agent(id: Name, who: Admin, here: Here) -> Response:  # noqa: A002
        """Let an agent in no more, from its next request on."""
        found = here.agents.find(id)
        here.agents.revoke(found.id)
        here.dismissed(found.id)
        log.warning("%r has revoked agent %s (%s)", who.name, found.name, found.id)
        return Response(status_code=204)

    @api.patch("/agents/{id}", **_answering(AgentAnswer, 404, 409))
    def rename_agent(id: Name, change: AgentChange, who: Admin, here: Here) -> Response:  # noqa: A002
        """Call an agent something else."""
        found = here.agents.find(id)
        here.agents.rename(found.id, change.name)
        log.info("%r calls agent %s (%s) %s", who.name, found.name, found.id, change.name)
        return _json(_agent(here.agents.find(found.id), here.status(found.id), time.time()))

    return api


def _agent(agent: Agent, status: AgentStatus | None, now: float) -> AgentAnswer:
    state = "revoked" if agent.revoked is not None else "enrolled" if now < agent.expires else "expired"
    return AgentAnswer(
        agent.id,
        agent.name,
        state,
        agent.made,
        agent.token,
        agent.serial,
        agent.expires,
        agent.revoked,
        agent.seen,
        agent.address,
        agent.version,
        status,
        remarks(agent, status, now),
    )


def _token(token: Invitation, now: float) -> TokenAnswer:
    return TokenAnswer(
        token.id, token.name, token.state(now), token.made, token.made_by, token.expires, token.used, token.agent
    )


def _answering(model: Any, *errors: int, status: int = 200) -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    problem = {"model": Problem, "content": {"application/problem+json": schema}}
    good: dict[str, Any] = {"model": model} if model else {}
    return {"responses": {status: good, **dict.fromkeys((401, 403, *errors, 422), problem)}, "response_class": Response}


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")
