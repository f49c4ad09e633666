"""A load balancer as operators put in front of several bots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

# How long a bot may take to answer, such as one that is paused.
ANSWER_SECONDS = 30.0


def _ignore(_body: bytes, _port: int, _status: int) -> None:
    """Ignore who has answered a request."""


class Balancer:
    """Passes Slack's requests to the bots in turn; one that does not listen any more is left out.

    `ports` returns the ports of the bots on this machine. `answered` gets the body of each request, the port
    of the bot that it was passed to (0 if there was none) and the answer's status.
    """

    def __init__(
        self, ports: Callable[[], Sequence[int]], *, answered: Callable[[bytes, int, int], None] = _ignore
    ) -> None:
        self._ports = ports
        self._answered = answered
        self.url = ""
        self._next = 0
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start listening."""
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=timeout)
        )
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop."""
        await self._stack.aclose()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        port, response = await self._find_answer(request, body)
        self._answered(body, port, response.status)
        return response

    async def _find_answer(self, request: web.Request, body: bytes) -> tuple[int, web.Response]:
        headers = {name: value for name, value in request.headers.items() if name.title() != "Host"}
        ports = list(self._ports())
        self._next += 1
        for position in range(len(ports)):
            port = ports[(self._next + position) % len(ports)]
            url = f"http://127.0.0.1:{port}{request.path_qs}"
            try:
                async with self._session.request(request.method, url, data=body, headers=headers) as response:
                    answer = await response.read()
            except aiohttp.ClientConnectorError:
                continue
            except aiohttp.ClientError:
                return port, web.Response(status=502)
            except TimeoutError:
                return port, web.Response(status=504)
            return port, web.Response(status=response.status, body=answer, content_type=response.content_type)
        return 0, web.Response(status=503)
