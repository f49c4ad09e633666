"""Reading of an HTTP request's body within limits of size and time."""

from __future__ import annotations

import asyncio

from aiohttp import web

# The time for the whole body to arrive after the head; Slack itself waits three seconds for the response.
BODY_SECONDS = 5.0


async def read_body(request: web.Request, most: int) -> bytes | None:
    """Return a request's body; None if it is longer than `most` bytes, whatever its head says.

    Raises TimeoutError if it does not arrive within BODY_SECONDS.
    """
    if (request.content_length or 0) > most:
        return None
    if request.content.is_eof():
        # It arrived with the head.
        whole = request.content.read_nowait(-1)
        return whole if len(whole) <= most else None
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    return None
        return bytes(body)
    finally:
        # If the connection breaks, the error's traceback keeps the body in memory until garbage collection.
        body.clear()
