"""The body of a request, within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from virtscope.errors import BadInput

T = TypeVar("T")

# An answer before the body has arrived: the connection is of no further use.
_CLOSE = {"Connection": "close"}


async def body(request: Request, most: int = 16_384, seconds: float = 10) -> bytes:
    """The whole body.

    Args:
        request: whose.
        most: bytes it may have.
        seconds: it may take to arrive.

    Raises:
        HTTPException: it is larger (413) or slower (408), or says that its length is no number (400).
    """
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise HTTPException(400, "the length of the request is no number", headers=_CLOSE)
    if len(declared) > 18 or int(declared) > most:
        raise HTTPException(413, f"the request is larger than {most:,} bytes", headers=_CLOSE)
    read = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                read += part
                if len(read) > most:
                    raise HTTPException(413, f"the request is larger than {most:,} bytes", headers=_CLOSE)
    except TimeoutError:
        raise HTTPException(408, f"the request did not arrive within {seconds:g} seconds", headers=_CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the request ended too early", headers=_CLOSE) from None
    return bytes(read)


async def message(request: Request, kind: type[T]) -> T:
    """The body as one message (JSON).

    Raises:
        BadInput: it is not a message of that kind.
        HTTPException: it is too large or too slow.
    """
    content = await body(request)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # The reason names fields and kinds, never what was sent.
        raise BadInput(f"the request is not what it should be: {error}", "It should be a JSON object.") from None
