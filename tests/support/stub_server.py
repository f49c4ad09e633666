"""A server that responds as a test says and records its requests; and a reserved port for a server."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web


@dataclass
class ReceivedRequest:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class StubServer:
    """A server whose `answer` returns the response to a request, or None to break the connection."""

    answer: Callable[[ReceivedRequest], web.Response | None]
    url: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = ReceivedRequest(
            request.method, request.path, dict(request.query), dict(request.headers), await request.read()
        )
        self.requests.append(received)
        response = self.answer(received)
        if response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return response


@asynccontextmanager
async def serve(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Run a server whose requests are all handled by `handle`; yields its address."""
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
async def stub_server(
    answer: Callable[[ReceivedRequest], web.Response | None],
) -> AsyncIterator[StubServer]:
    server = StubServer(answer)
    async with serve(server.handle) as server.url:
        yield server


@asynccontextmanager
async def proxy_server(url: str, override: Callable[[str], web.Response | None]) -> AsyncIterator[str]:
    """Run a proxy of the Slack at `url` that sends the response of `override` for a path, if it returns one."""
    async with aiohttp.ClientSession(url) as session:

        async def handle(request: web.Request) -> web.Response:
            if (replacement := override(request.path)) is not None:
                return replacement
            headers = {
                name: request.headers[name]
                for name in ("Authorization", "Content-Type")
                if name in request.headers
            }
            async with session.request(
                request.method, request.rel_url, data=await request.read(), headers=headers
            ) as answer:
                passed_headers = {
                    name: answer.headers[name] for name in ("X-OAuth-Scopes",) if name in answer.headers
                }
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                    headers=passed_headers,
                )

        async with serve(handle) as address:
            yield address


def in_sequence(*responses: web.Response | None) -> Callable[[ReceivedRequest], web.Response | None]:
    """Return an `answer` that sends these responses in order, the last one repeatedly."""
    remaining = list(responses)

    def answer(_: ReceivedRequest) -> web.Response | None:
        response = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if response is None:
            return None
        return web.Response(
            status=response.status,
            body=response.body,
            headers={k: v for k, v in response.headers.items() if k != "Content-Length"},
        )

    return answer


def reserve_port() -> socket.socket:
    """Reserve a port while the socket is open, for a bot whose address must be known before it serves.

    It is bound but not listened on, so the system assigns it to nobody else, and the bot, which listens, can use it.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
