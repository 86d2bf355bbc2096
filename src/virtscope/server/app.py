"""The web application: API, health and page, as one value."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from virtscope import __version__
from virtscope.server import api, page, problems
from virtscope.server.api import Services


def application(services: Services) -> FastAPI:
    """The application that answers from these services."""
    app = _bare(services)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=3)
    problems.install(app)
    page.install(app)
    return app


def description() -> dict[str, Any]:
    """The API as an OpenAPI document, without anything that runs."""
    return _bare(cast("Services", SimpleNamespace(present=None))).openapi()


def _bare(services: Services) -> FastAPI:

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        services.live.open()
        yield
        services.live.close()

    app = FastAPI(
        title="virtscope",
        version=__version__,
        summary="A fleet of KVM/libvirt hosts: every domain, disk and interface.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=life,
    )
    app.include_router(api.health(services))
    app.include_router(api.router(services))
    return app
