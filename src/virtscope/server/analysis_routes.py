"""The routes about analyses: which there are, what they find now, and what they have found when run by themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

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
from virtscope.store.findings import Dismissal

T = TypeVar("T")
Name = Annotated[str, Query(max_length=300)]
AT_ONCE = 2
"""How many analyses people may have under way at one time."""
DAY_MS = 86_400_000
LOOK_SECONDS = 0.5
"""How often it is looked whether somebody still waits for the answer."""


def router() -> APIRouter:  # noqa: C901  # a list of routes, one after another
    """The routes under ``/api/v1``. Each takes the services as whoever asks may see them."""
    api = APIRouter(prefix="/api/v1")
    under_way = threading.BoundedSemaphore(AT_ONCE)

    def answering(model: Any, *errors: int, status: int = 200) -> dict[str, Any]:
        problem = {
            "model": Problem,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        good = {"model": model} if model is not None else {"description": "Done"}
        described: dict[int | str, Any] = {status: good, **dict.fromkeys((*errors, 422), problem)}
        return {"responses": described, "response_class": Response, "status_code": status, "tags": ["analysis"]}

    @api.get("/analyses", **answering(shapes.AnalysisList))
    def analyses() -> Response:
        """Every analysis, with its method and what may be set of it."""
        return _json(shapes.AnalysisList([shapes.described(analysis) for analysis in registry.every()]))

    @api.get("/analyses/{name}", **answering(shapes.AnalysisAnswer, 404, 409, 429, 503))
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

    @api.get("/findings", **answering(shapes.FindingList, 404, 409))
    def findings(
        services: Seen,
        analysis: Name = "",
        state: Literal["open", "new", "still", "gone"] = "open",
        severity: shapes.SeverityName = "ok",
        host: Name = "",
        domain: Name = "",
        dismissed: bool = False,
        days: Annotated[float, Query(ge=0, le=400, allow_inf_nan=False)] = 30,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> Response:
        """What scheduled runs have found: new, still there, or gone within so many days. The most severe first."""
        at = now_ms()
        of_host = services.fleet.host(host).id if host else None
        of_domain = services.fleet.domain(domain)[0].id if domain else None
        severities = shapes.at_least(severity)
        states = ("new", "still") if state == "open" else (state,)
        hosts = {one.id: one.name for one in services.fleet.hosts()}
        found = [
            shapes.kept(one, hosts)
            for one in services.findings.all(at, gone_since=at - round(days * DAY_MS) if state == "gone" else None)
            if (not analysis or one.finding.analysis == analysis)
            and one.finding.severity.value in severities
            and (of_host is None or of_host in (one.finding.subject.host, one.finding.subject.id))
            and (of_domain is None or one.finding.subject.id == of_domain)
            and (one.dismissal is not None) == dismissed
        ]
        shown = shapes.by_severity(one for one in found if one.state in states)
        runs = [shapes.ran(run) for _, run in sorted(services.findings.runs().items())]
        return _json(shapes.FindingList(runs, len(shown), shown[:limit]))

    @api.post("/findings/{id}/dismissal", **answering(None, 401, 403, 404, status=204))
    def dismiss(services: Seen, request: Request, id: str, given: shapes.NewDismissal) -> Response:  # noqa: A002
        """Not want to hear of a finding any more, for a reason and until a time; operators may."""
        at, until = now_ms(), None if given.until is None else round(given.until * 1000)
        if until is not None and until <= at:
            raise BadInput("the end of a dismissal must lie ahead", "Times are Unix seconds.")
        if not given.reason.strip():
            raise BadInput("a dismissal needs a reason", "Whoever looks next wants to know it.")
        services.findings.dismiss(id, Dismissal(at, until, request.state.who.name, given.reason.strip()))
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    @api.delete("/findings/{id}/dismissal", **answering(None, 401, 403, 404, status=204))
    def restore(services: Seen, id: str) -> Response:  # noqa: A002
        """Want to hear of a finding again; operators may."""
        services.findings.restore(id)
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

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
