"""The route that a Prometheus reads our history from."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from virtscope.errors import NotAllowed, TooLarge
from virtscope.prometheus.messages import LARGEST_REQUEST, read_request, read_response
from virtscope.server.scoped import Seen


def router() -> APIRouter:
    """The route; it is not described, for it speaks Prometheus's remote read 1.0 and nothing else."""
    api = APIRouter(prefix="/api/v1")

    @api.post("/read", include_in_schema=False)
    async def read(services: Seen, request: Request) -> Response:
        """Series and their samples, as protobuf in snappy."""
        history = services.history
        if history is None:
            raise NotAllowed("remote read is for those who see everything", "/api/v1/series has what is yours.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_REQUEST:
                raise TooLarge("the request is too large", "Ask for less at a time.")

        def answer() -> bytes:
            return read_response(history.read(query) for query in read_request(bytes(body)))

        headers = {"Content-Encoding": "snappy", "Cache-Control": "no-store"}
        return Response(await run_in_threadpool(answer), headers=headers, media_type="application/x-protobuf")

    return api
