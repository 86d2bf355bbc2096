"""The routes about people: signing in and out, users, API tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from virtscope.errors import BadInput, NotSignedIn
from virtscope.server.access import answers as shapes
from virtscope.server.access.access import Access
from virtscope.server.access.api_tokens import ApiToken
from virtscope.server.access.guard import address, session_of
from virtscope.server.access.users import User
from virtscope.server.access.who import Role, Who
from virtscope.server.answers import Problem

log = logging.getLogger(__name__)


async def _access(request: Request) -> Access:
    return cast("Access", request.app.state.access)


async def _asking(request: Request) -> Who:
    who = request.state.who
    if not isinstance(who, Who):
        raise NotSignedIn("nobody is signed in", "Sign in first.")
    return who


Door = Annotated[Access, Depends(_access)]
Asking = Annotated[Who, Depends(_asking)]


def router() -> APIRouter:  # noqa: C901  # a list of routes, one after another
    """The routes under ``/api/v1``. Which role each takes is in ``policy.py``, and the guard has seen to it already."""
    api = APIRouter(prefix="/api/v1")

    def answering(model: Any, *errors: int, status: int = 200) -> dict[str, Any]:
        good = {"model": model} if model is not None else {"description": "Done"}
        described: dict[int | str, Any] = {status: good, **problems_of(*errors, 422)}
        return {"responses": described, "response_class": Response, "status_code": status, "tags": ["people"]}

    @api.get("/session", **answering(shapes.SessionAnswer))
    def session(request: Request, access: Door) -> Response:
        """Who asks, and how one signs in here. Answers everybody."""
        return _json(_session(access, request.state.who))

    @api.post("/session", **answering(shapes.SessionAnswer, 401, 403, 413, 429))
    async def sign_in(request: Request, access: Door, given: shapes.Credentials) -> Response:
        """Sign in with name and password: the answer brings the session's cookie."""
        user = await access.sign_in(given.name, given.password, address(request.scope))
        return await run_in_threadpool(_signed_in, request, access, user)

    @api.delete("/session", **answering(None, 403, status=204))
    def sign_out(request: Request, access: Door) -> Response:
        """Sign out: the session ends, here and in the browser."""
        shown = session_of(request.headers.get("cookie", ""), access.cookie)
        if shown:
            access.sessions.end(shown)
        answer = Response(status_code=204, headers={"Cache-Control": "no-store", "Clear-Site-Data": '"cache"'})
        answer.delete_cookie(access.cookie, secure=access.settings.https, httponly=True, samesite="strict")
        return answer

    @api.put("/session/password", **answering(shapes.SessionAnswer, 401, 403, 413, 429))
    async def own_password(request: Request, access: Door, who: Asking, given: shapes.NewPassword) -> Response:
        """Change one's own password. Everybody who is signed in by this name no longer is; he who asks is anew."""
        user = await access.sign_in(who.name, given.current, address(request.scope))
        await run_in_threadpool(access.users.set_password, user.name, await access.hashed(given.new))
        return await run_in_threadpool(_signed_in, request, access, user)

    @api.post("/bootstrap", **answering(shapes.SessionAnswer, 403, 409, 413, 429))
    async def bootstrap(request: Request, access: Door, given: shapes.FirstAdmin) -> Response:
        """Become the first admin, with the secret that the server printed; it works once."""
        user = await access.begin(given.secret, given.name, given.password, address(request.scope))
        return await run_in_threadpool(_signed_in, request, access, user)

    @api.get("/users", **answering(shapes.UserList, 401, 403))
    def users(access: Door) -> Response:
        """Everybody who may sign in."""
        return _json(shapes.UserList([_user(user) for user in access.users.all()]))

    @api.post("/users", **answering(shapes.UserAnswer, 401, 403, 409, 413, 429, status=201))
    async def add_user(access: Door, who: Asking, given: shapes.NewUser) -> Response:
        """Add somebody."""
        hashed = await access.hashed(given.password)
        made = await run_in_threadpool(
            access.users.add, given.name, _role(given.role), _projects(given.projects), hashed
        )
        log.info("%r has added the user %r (%s)", who.name, made.name, made.role.word)
        return _json(_user(made), 201)

    @api.patch("/users/{name}", **answering(shapes.UserAnswer, 401, 403, 404, 413, 429))
    async def change_user(name: str, access: Door, who: Asking, given: shapes.ChangedUser) -> Response:
        """Change somebody's role, projects or password; he has to sign in again."""
        if given.everything and given.projects is not None:
            raise BadInput("somebody is limited to projects, or sees everything", "Give one of the two.")
        hashed = None if given.password is None else await access.hashed(given.password)
        changed = await run_in_threadpool(_change, access, name, given, hashed)
        log.info("%r has changed the user %r (%s)", who.name, changed.name, changed.role.word)
        return _json(_user(changed))

    @api.delete("/users/{name}", **answering(None, 401, 403, 404, status=204))
    def remove_user(name: str, access: Door, who: Asking) -> Response:
        """Remove somebody, with his sessions and API tokens."""
        access.users.remove(name)
        log.info("%r has removed the user %r", who.name, name)
        return Response(status_code=204)

    @api.get("/tokens", **answering(shapes.TokenList, 401, 403))
    def tokens(access: Door, who: Asking) -> Response:
        """API tokens: one's own; for an admin everybody's."""
        return _json(shapes.TokenList([shapes.TokenAnswer(**_token(one)) for one in access.tokens.visible_to(who)]))

    @api.post("/tokens", **answering(shapes.MadeToken, 401, 403, 409, 413, status=201))
    def make_token(access: Door, who: Asking, given: shapes.NewToken) -> Response:
        """Make an API token, with no more rights than one has. Its text is in this answer and nowhere else."""
        projects = _projects(given.projects) if given.projects is not None else who.projects
        text, made = access.tokens.create(who, given.name, _role(given.role), projects, given.expires)
        log.info("%r has made the API token %d, %r (%s)", who.name, made.id, made.name, made.role.word)
        return _json(shapes.MadeToken(**_token(made), token=text), 201)

    @api.delete("/tokens/{id}", **answering(None, 401, 403, 404, status=204))
    def revoke_token(id: int, access: Door, who: Asking) -> Response:  # noqa: A002
        """Revoke an API token."""
        access.tokens.revoke(who, id)
        log.info("%r has revoked the API token %d", who.name, id)
        return Response(status_code=204)

    return api


def problems_of(*errors: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of answers with these statuses."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"model": Problem, "content": {"application/problem+json": schema}} for status in errors}


def begin_session(request: Request, access: Access, user: User, answer: Response) -> Response:
    """Let somebody in: a new session, whatever session was there before, and its cookie with this answer."""
    before = session_of(request.headers.get("cookie", ""), access.cookie)
    if before:
        access.sessions.end(before)
    access.users.signed_in(user.name)
    answer.set_cookie(
        access.cookie,
        access.sessions.begin(user.name),
        max_age=int(access.settings.session_seconds),
        secure=access.settings.https,
        httponly=True,
        samesite="strict",
    )
    return answer


def _change(access: Access, name: str, given: shapes.ChangedUser, hashed: str | None) -> User:
    user = access.users.named(name)
    if given.role is not None or given.projects is not None or given.everything:
        role = _role(given.role) if given.role else user.role
        projects = None if given.everything or role is Role.ADMIN else user.projects
        access.users.set_rights(name, role, projects if given.projects is None else _projects(given.projects))
    if hashed is not None:
        access.users.set_password(name, hashed)
    return access.users.named(name)


def _signed_in(request: Request, access: Access, user: User) -> Response:
    who = Who(user.name, user.role, user.projects)
    return begin_session(request, access, user, _json(_session(access, who)))


def _session(access: Access, who: Who | None) -> shapes.SessionAnswer:
    return shapes.SessionAnswer(
        user=who.name if who else None,
        role=_word(who.role) if who else None,
        projects=_list(who.projects) if who else None,
        login=access.settings.login,
        password=who is not None and access.users.password_of(who.name) is not None,
        bootstrap=access.bootstrap is not None and access.bootstrap.secret is not None,
        oidc=access.settings.oidc.label if access.settings.oidc else None,
    )


def _user(user: User) -> shapes.UserAnswer:
    return shapes.UserAnswer(
        user.name,
        _word(user.role),
        _list(user.projects),
        user.issuer,
        user.subject,
        user.email,
        user.created,
        user.signed_in,
    )


def _token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "user": token.user,
        "role": _word(token.role),
        "projects": _list(token.projects),
        "created": token.created,
        "expires": token.expires,
        "used": token.used,
    }


def _role(word: str) -> Role:
    return Role[word.upper()]


def _word(role: Role) -> shapes.RoleName:
    return cast("shapes.RoleName", role.word)


def _projects(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name for name in names if name)


def _list(projects: frozenset[str] | None) -> list[str] | None:
    return None if projects is None else sorted(projects)


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")
