"""The web application: API, health and page, as one value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from virtscope import __version__
from virtscope.server import analysis_routes, api, keeping, open_data, page, problems, remote_read
from virtscope.server.access import guard, oidc_routes, routes
from virtscope.server.access.access import Access
from virtscope.server.alerting import api as alerts
from virtscope.server.alerting.api import Alerting
from virtscope.server.enrolment import api as agents
from virtscope.server.enrolment.api import Enrolment
from virtscope.server.services import Services


def application(
    services: Services, access: Access, enrolment: Enrolment | None = None, alerting: Alerting | None = None
) -> FastAPI:
    """The application that answers from these services, to those whom the access lets in.

    Args:
        services: what the routes answer from.
        access: who may come in.
        enrolment: the agents, where the server takes any.
        alerting: the rules, and who is told.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        services.live.open()
        yield
        services.live.close()

    app = _bare(life)
    app.state.services = services
    app.state.enrolment = enrolment
    app.state.alerting = alerting
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=3)
    problems.install(app)
    page.install(app)
    guard.install(app, access)
    return app


def description() -> dict[str, Any]:
    """The API as an OpenAPI document, without anything that runs."""
    return _bare(None).openapi()


def _bare(life: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    app = FastAPI(
        title="virtscope",
        version=__version__,
        summary="A fleet of KVM/libvirt hosts: every domain, disk and interface.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=life,
        # Whatever is asked, its body may be too large, and the disk full.
        responses=routes.problems_of(413, 503),
    )
    for routes_of in (
        *(api.health, api.router, analysis_routes.router, keeping.router, open_data.router, remote_read.router),
        *(agents.router, alerts.router, routes.router, oidc_routes.router),
    ):
        app.include_router(routes_of())
    return app
