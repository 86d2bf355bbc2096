"""Routes for whoever keeps the store: backups, and whether all of it can be read."""

from __future__ import annotations

import logging
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Response
from fastapi.responses import StreamingResponse

from virtscope.errors import NotAllowed
from virtscope.server import answers
from virtscope.server.scoped import Seen
from virtscope.server.services import Keeper, Services

log = logging.getLogger(__name__)


def router() -> APIRouter:
    """The routes; they are an admin's."""
    api = APIRouter(prefix="/api/v1")

    @api.get("/backup", tags=["store"], response_class=StreamingResponse, include_in_schema=False)
    def backup(services: Seen) -> StreamingResponse:
        """All of the data folder as it is now, as a tar."""
        log.info("a backup is being made")
        headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}  # it is compressed already
        return StreamingResponse(_keeper(services).backup(), media_type="application/x-tar", headers=headers)

    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    problem = {"model": answers.Problem, "content": {"application/problem+json": schema}}

    @api.post(
        "/store/check",
        tags=["store"],
        responses={200: {"model": answers.StoreCheck}, 403: problem, 422: problem},
        response_class=Response,
    )
    def check(services: Seen, repair: Annotated[bool, Body(embed=True)] = False) -> Response:
        """Read every file of the archive; ``repair`` puts away what is damaged, and makes again what can be."""
        keeper = _keeper(services)
        found = keeper.check()
        flaws = [
            answers.StoreFlaw(
                flaw.path,
                flaw.scope.value,
                flaw.level.value,
                flaw.start / 1000,
                flaw.reason,
                keeper.mend(flaw) if repair else None,
            )
            for flaw in found.flaws
        ]
        content = msgspec.json.encode(answers.StoreCheck(found.files, found.bytes, flaws))
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return api


def _keeper(services: Services) -> Keeper:
    if services.keeper is None:
        raise NotAllowed("the store as a whole is for those who see all of it", "Ask an admin without projects.")
    return services.keeper
