"""The way to the server: one HTTPS request at a time, with a deadline for each of its parts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
import urllib3

from virtscope import __version__
from virtscope.wire import CONTENT_TYPE, PATH

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""Between two bytes of the answer: a commit may take a few seconds."""
LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """Of HTTP; 0 where there was no answer at all."""
    body: bytes
    detail: str = ""
    """What is wrong, in words."""
    retry_after: float | None = None
    """Seconds that the server asks us to wait."""


class Transport(Protocol):
    """Carries deliveries."""

    def post(self, body: bytes, *, backlog: bool) -> Answer:
        """Post one delivery, of old batches or of new ones; what goes wrong on the way is an answer, too."""


class Https:
    """A connection that is kept open, and made anew when the certificate is."""

    def __init__(self, server: str, context: Callable[[], ssl.SSLContext]) -> None:
        """Take the server's address, as ``https://server:8421``; ``context`` has the certificate of the moment."""
        self._address = server.rstrip("/") + PATH
        self._context = context
        self._made: ssl.SSLContext | None = None
        self._pool = urllib3.PoolManager()

    def post(self, body: bytes, *, backlog: bool) -> Answer:
        """Post one delivery; what goes wrong on the way is an answer, too."""
        address = f"{self._address}?backlog=1" if backlog else self._address
        try:
            answer = self._connections().request(
                "POST",
                address,
                body=body,
                headers={"Content-Type": CONTENT_TYPE, "User-Agent": f"virtscope-agent/{__version__}"},
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            data = answer.read(LARGEST_ANSWER)
            answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Answer(0, b"", _reason(error))
        detail = "" if answer.status == 200 else _detail(data) or f"status {answer.status}"
        return Answer(answer.status, data, detail, retry_after(answer.headers.get("Retry-After")))

    def _connections(self) -> urllib3.PoolManager:
        context = self._context()
        if context is not self._made:
            self._pool.clear()
            self._pool = urllib3.PoolManager(maxsize=1, ssl_context=context)
            self._made = context
        return self._pool


class _Problem(msgspec.Struct):
    detail: str = ""
    hint: str = ""


def _detail(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.MsgspecError:
        return ""
    return f"{problem.detail}. {problem.hint}" if problem.hint else problem.detail


def retry_after(text: str | None) -> float | None:
    """The seconds that a ``Retry-After`` asks for; a date is not understood."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    return str(inner if isinstance(inner, Exception) else error)
