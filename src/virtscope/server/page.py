"""The web page: built files, served as they are; every other path is the page's own affair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

from virtscope.server.problems import problem

FOLDER = Path(__file__).parent / "page"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_NOT_BUILT = """<!doctype html><html lang="en"><title>virtscope</title>
<h1>The page is not built</h1><p>Run <code>./dev build</code> in the checkout, then load this again.
The <a href="/api/v1/openapi.json">API</a> works meanwhile.</p></html>"""


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the page. To be called after all other routes: it answers what they leave."""
    if (folder / "assets").is_dir():
        app.mount("/assets", _Assets(directory=folder / "assets"), name="assets")
    files = {path.name: path for path in folder.glob("*") if path.is_file()}

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        """A file of the page, or the page itself, which finds its way by the path."""
        if path in files and path != "index.html":
            return FileResponse(files[path], headers=HEADERS)
        if path.startswith("api/") or not _accepts_html(request):
            return problem(404, f"there is no /{path}", "/api/v1/openapi.json lists what there is.")
        if "index.html" not in files:
            return HTMLResponse(_NOT_BUILT, status_code=503, headers=HEADERS)
        return FileResponse(files["index.html"], headers=HEADERS)


class _Assets(StaticFiles):
    """Files that no browser takes for something else than they are."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        answer = super().file_response(*arguments, **more)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def _accepts_html(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted
