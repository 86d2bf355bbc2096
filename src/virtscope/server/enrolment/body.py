"""The body of a request, within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from virtscope.errors import BadInput

T = TypeVar("T")

_DISCARDED = 16 * 1_048_576
"""Bytes of a body too large that are read and thrown away: who is still sending when the connection closes does not
see the answer."""

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
    if not (declared.isascii() and declared.isdigit() and len(declared) < 20):
        raise HTTPException(400, "the length of the request is no number", headers=_CLOSE)
    too_large = int(declared) > most
    read = bytearray()
    length = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                length += len(part)
                too_large |= length > most
                if too_large and length > most + _DISCARDED:
                    break
                if not too_large:
                    read += part
    except TimeoutError:
        raise HTTPException(408, f"the request did not arrive within {seconds:g} seconds", headers=_CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the request ended too early", headers=_CLOSE) from None
    if too_large:
        raise HTTPException(413, f"the request is larger than {most:,} bytes", headers=_CLOSE)
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
