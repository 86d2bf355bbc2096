"""Routes for everybody's own questions: SQL over views of the store, and exports of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import StreamingResponse

from virtscope.catalogue import Scope, quantities_of
from virtscope.errors import NotAllowed
from virtscope.server import answers, parameters
from virtscope.server.api import MOST_DEVICES, Moment, Names, ScopeName
from virtscope.server.scoped import Seen
from virtscope.server.services import Services
from virtscope.store.sql import MOST_ROWS, SECONDS, Sql

_TYPES = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv", "jsonl": "application/x-ndjson"}
_CHUNK = 1 << 20


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/api/v1")
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    problem = {"model": answers.Problem, "content": {"application/problem+json": schema}}

    @api.post(
        "/sql",
        tags=["history"],
        responses={200: {"model": answers.SqlAnswer}, **dict.fromkeys((403, 413, 422, 429, 503), problem)},
        response_class=Response,
    )
    def sql(
        services: Seen,
        query: Annotated[str, Body(min_length=1, max_length=20_000)],
        start: Annotated[float, Body(allow_inf_nan=False, ge=-1e10, le=1e10)] = -3_600,
        end: Annotated[float | None, Body(allow_inf_nan=False, ge=-1e10, le=1e10)] = None,
        step: Annotated[float | None, Body(allow_inf_nan=False, ge=1, le=86_400)] = None,
        limit: Annotated[int, Body(ge=1, le=MOST_ROWS)] = 1_000,
        seconds: Annotated[float, Body(ge=1, le=SECONDS, allow_inf_nan=False)] = SECONDS,
    ) -> Response:
        """Run one SELECT over views of a range of time; see the page on SQL for their columns."""
        found = _sql(services).query(query, parameters.span(start, end, step, services.interval), limit, seconds)
        answer = answers.SqlAnswer(found.columns, found.types, found.rows, found.is_cut)
        return Response(msgspec.json.encode(answer), headers=_FRESH, media_type="application/json")

    @api.get("/export", tags=["history"], response_class=StreamingResponse, include_in_schema=False)
    def export(
        services: Seen,
        scope: ScopeName,
        quantity: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006  # FastAPI copies the default
        object: Names = [],  # noqa: A002, B006
        start: Moment = -3600,
        end: Moment | None = None,
        step: Annotated[float, Query(allow_inf_nan=False, ge=1, le=86_400)] | None = None,
        form: Annotated[Literal["parquet", "csv", "jsonl"], Query(alias="format")] = "csv",
    ) -> StreamingResponse:
        """Quantities (none means all) of objects (none means all) over a range, as a file."""
        of = Scope(scope)
        chosen = parameters.quantities(of, quantity) if quantity else list(quantities_of(of))
        wanted = parameters.objects(of, object, services.fleet)
        over = parameters.span(start, end, step, services.interval)
        sql, everything = _sql(services), len(services.present.now().latest(of))
        count = min(everything, len(object) * MOST_DEVICES) if object else everything
        parameters.limit(over, len(chosen), count, parameters.LARGEST_EXPORT)
        with ExitStack() as stack:
            path = stack.enter_context(sql.exported(chosen, wanted.owners, over, form, wanted.devices))
            held = stack.pop_all()
        return StreamingResponse(_content(path, held), headers=_FRESH, media_type=_TYPES[form])

    return api


_FRESH = {"Cache-Control": "no-store"}


def _content(path: Path, held: ExitStack) -> Iterator[bytes]:
    with held, path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            yield chunk


def _sql(services: Services) -> Sql:
    if services.sql is None:
        raise NotAllowed("SQL and exports are for those who see everything", "/api/v1/series has what is yours.")
    return services.sql
