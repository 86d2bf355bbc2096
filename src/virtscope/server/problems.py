"""Errors as ``application/problem+json`` (RFC 9457): what happened, and a hint what to do."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from virtscope.errors import (
    AgentRefused,
    Ambiguous,
    BadInput,
    EngineError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ServerError,
    StoreError,
    Taken,
    TooLarge,
    TooOften,
    VirtscopeError,
)
from virtscope.server.answers import Problem

log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[VirtscopeError], int], ...] = (
    (TooLarge, 413),
    (Taken, 409),
    (BadInput, 422),
    (NotFound, 404),
    (Ambiguous, 409),
    (AgentRefused, 403),
    (StoreError, 503),
    (EngineError, 503),
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (TooOften, 429),
    (ServerError, 502),
)


def install(app: FastAPI) -> None:
    """Make the application answer every error so."""

    @app.exception_handler(VirtscopeError)
    def ours(_request: Request, error: VirtscopeError) -> Response:
        status = status_of(error)
        answer = problem(status, str(error), error.hint)
        if isinstance(error, TooOften):
            answer.headers["Retry-After"] = str(math.ceil(error.seconds))
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "request"
        return problem(422, f"{where}: {first['msg']}", "/api/v1/openapi.json describes every parameter.")

    @app.exception_handler(HTTPException)
    def refused(_request: Request, error: HTTPException) -> Response:
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "the server failed to answer", "Its log says more; please report it.")


def status_of(error: VirtscopeError) -> int:
    """The status with which an error is answered."""
    if isinstance(error, AgentRefused) and error.unknown:
        return 401
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, detail: str, hint: str = "") -> Response:
    """One problem as a response."""
    body = Problem("about:blank", HTTPStatus(status).phrase, status, detail, hint)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")
