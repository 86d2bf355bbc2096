"""The routes about analyses: which there are, and what they find now."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from virtscope.analysis import registry
from virtscope.analysis.settings import pairs
from virtscope.errors import BadInput, TooOften
from virtscope.sample import now_ms
from virtscope.server import analysis_answers as shapes
from virtscope.server.analysing import Asked, run
from virtscope.server.answers import Problem
from virtscope.server.scoped import Seen

T = TypeVar("T")
Name = Annotated[str, Query(max_length=300)]
AT_ONCE = 2
"""How many analyses people may have under way at one time."""
LOOK_SECONDS = 0.5
"""How often it is looked whether somebody still waits for the answer."""


def router() -> APIRouter:
    """The routes under ``/api/v1``. Each takes the services as whoever asks may see them."""
    api = APIRouter(prefix="/api/v1")
    under_way = threading.BoundedSemaphore(AT_ONCE)

    def answering(model: Any, *errors: int) -> dict[str, Any]:
        problem = {
            "model": Problem,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        described: dict[int | str, Any] = {200: {"model": model}, **dict.fromkeys((*errors, 422), problem)}
        return {"responses": described, "response_class": Response, "tags": ["analysis"]}

    @api.get("/analyses", **answering(shapes.AnalysisList))
    def analyses() -> Response:
        """Every analysis, with its method and what may be set of it."""
        return _json(shapes.AnalysisList([shapes.described(analysis) for analysis in registry.every()]))

    @api.get("/analyses/{name}", **answering(shapes.AnalysisAnswer, 404, 409, 429))
    async def analyse(
        services: Seen,
        request: Request,
        name: str,
        host: Name = "",
        project: Name = "",
        window: Name = "",
        set: Annotated[list[Name], Query(max_length=50)] = [],  # noqa: A002, B006  # the name is the API's
        all: bool = False,  # noqa: A002
    ) -> Response:
        """Run an analysis now: of one host, of one project, with settings as ``key=value``.

        Where nothing is to be done is left out, unless ``all`` is set. It ends when nobody waits for it any more.
        """
        asked = Asked(name, _given(set, window), host, project)

        def work(cancelled: Callable[[], bool]) -> Response:
            if not under_way.acquire(blocking=False):
                raise TooOften("other analyses are under way", "Ask again in a moment.", 5.0)
            try:
                found = run(services, asked, now_ms(), cancelled)
            finally:
                under_way.release()
            return _json(shapes.result(found, {one.id: one.name for one in services.fleet.hosts()}, everything=all))

        return await _while_waited_for(request, work)

    return api


def _given(settings: list[str], window: str) -> dict[str, str]:
    given = pairs(settings)
    if window and "window" in given:
        raise BadInput("window is given twice", "Give it as window, or among the settings.")
    return given | ({"window": window} if window else {})


async def _while_waited_for(request: Request, work: Callable[[Callable[[], bool]], T]) -> T:
    """Work in a thread, told to end when whoever asked has gone."""
    gone = threading.Event()
    working = asyncio.ensure_future(run_in_threadpool(work, gone.is_set))
    while not working.done():
        await asyncio.wait([working], timeout=LOOK_SECONDS)
        if not working.done() and await request.is_disconnected():
            gone.set()
    return working.result()


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), 200, {"Cache-Control": "no-store"}, "application/json")
