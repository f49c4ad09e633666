"""The body of a request that the bot receives over HTTP, read within bounds."""

from __future__ import annotations

import asyncio

from aiohttp import web

# For a body to come whole once its head is there; Slack itself waits three seconds for the answer.
BODY_SECONDS = 5.0


async def read_body(request: web.Request, most: int) -> bytes | None:
    """Read a request's body; None where there is more of it than `most`, whatever its head says.

    Raises TimeoutError where it does not come whole within BODY_SECONDS.
    """
    if (request.content_length or 0) > most:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    return None
        return bytes(body)
    finally:
        # Where the connection breaks, the error's traceback keeps it until somebody collects the garbage.
        body.clear()
