"""A server that answers what a test tells it to, and remembers what it was asked; and a port for one."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """`answer` makes a response of a request; it may break the connection by returning None."""

    answer: Callable[[Asked], web.Response | None]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method, request.path, dict(request.query), dict(request.headers), await request.read()
        )
        self.asked.append(asked)
        response = self.answer(asked)
        if response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return response


@asynccontextmanager
async def listening(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Let `handle` answer whatever is asked for at the address that comes of it."""
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(answer: Callable[[Asked], web.Response | None]) -> AsyncIterator[Server]:
    server = Server(answer)
    async with listening(server.handle) as server.url:
        yield server


@asynccontextmanager
async def gateway(url: str, instead: Callable[[str], web.Response | None]) -> AsyncIterator[str]:
    """A Slack that answers something else where `instead` has it for the path, and as the one at `url` does if not."""
    async with aiohttp.ClientSession(url) as session:

        async def handle(request: web.Request) -> web.Response:
            if (other := instead(request.path)) is not None:
                return other
            headers = {
                name: request.headers[name]
                for name in ("Authorization", "Content-Type")
                if name in request.headers
            }
            async with session.request(
                request.method, request.rel_url, data=await request.read(), headers=headers
            ) as answer:
                kept = {name: answer.headers[name] for name in ("X-OAuth-Scopes",) if name in answer.headers}
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                    headers=kept,
                )

        async with listening(handle) as address:
            yield address


def one_after_another(*responses: web.Response | None) -> Callable[[Asked], web.Response | None]:
    """Answers in this order; the last one for ever."""
    left = list(responses)

    def answer(_: Asked) -> web.Response | None:
        given = left.pop(0) if len(left) > 1 else left[0]
        if given is None:
            return None
        return web.Response(
            status=given.status,
            body=given.body,
            headers={k: v for k, v in given.headers.items() if k != "Content-Length"},
        )

    return answer


def held_port() -> socket.socket:
    """A port that is nobody else's while this is open, for a bot whose address must be known before it serves.

    It is bound and not listened on, so that the system gives it to nobody, and the bot, which listens, can take it.
    """
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.bind(("127.0.0.1", 0))
    return line
