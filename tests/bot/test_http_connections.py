"""Limits of the bot's HTTP connections: their number and their memory together, and which one is closed first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from unittest.mock import Mock

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.http_connections import Connection, Connections
from services.http_body import read_body

KNOWN = b"POST / HTTP/1.1\r\nHost: x\r\nX-Known: 1\r\nContent-Length: 2\r\n\r\nhi"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


class StubHttpServer:
    """A server that verifies requests by a header, and answers once `go_on` is set."""

    def __init__(self, max_connections: int, max_held: int) -> None:
        self._max_connections, self._max_held = max_connections, max_held
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.connections: Connections
        self.port = 0
        self._clients: list[Client] = []

    async def answer(self, request: web.BaseRequest) -> web.Response:
        assert isinstance(request, web.Request)
        try:
            if await read_body(request, 1_000_000) is None or "X-Known" not in request.headers:
                return web.Response(status=401)
            self.connections.verified(request)
            await self.go_on.wait()
            return web.Response(text="known")
        finally:
            self.connections.answered(request)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[StubHttpServer]:
        app = web.Application()
        app.router.add_post("/", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        self.connections = Connections(
            runner.server,
            max_connections=self._max_connections,
            max_held=self._max_held,
            lingering_time=0,
        )
        listener = await asyncio.get_running_loop().create_server(self.connections, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            for client in self._clients:
                await client.close()
            listener.close()
            await runner.cleanup()

    async def connect(self, *pieces: bytes) -> Client:
        before = len(self.connections)
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        await wait_until(lambda: len(self.connections) > before or before == self._max_connections)
        for piece in pieces:
            await client.send(piece)
        return client


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(30):
                return await self._reader.read() == b""
        except ConnectionResetError:
            return True

    async def read_response(self) -> bytes:
        async with asyncio.timeout(30):
            return await self._reader.readuntil(b"known")


async def test_a_new_connection_is_accepted_and_the_oldest_unverified_one_is_closed() -> None:
    async with StubHttpServer(max_connections=3, max_held=10_000).open() as server:
        first, second, verified = [await server.connect() for _ in range(3)]
        await verified.send(KNOWN)
        await verified.read_response()
        newest = [await server.connect() for _ in range(2)]
        assert await first.is_closed()
        assert await second.is_closed()
        for client in (verified, newest[1]):
            await client.send(KNOWN)
            assert (await client.read_response()).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_with_too_many_unanswered_requests_is_closed() -> None:
    async with StubHttpServer(max_connections=3, max_held=100_000).open() as server:
        server.go_on.clear()
        client, other = await server.connect(KNOWN), await server.connect(KNOWN)
        await wait_until(lambda: all(connection.busy for connection in server.connections._trusted))
        await client.send(KNOWN)
        await other.send(KNOWN * 2)
        assert await other.is_closed()
        server.go_on.set()
        for _ in range(2):
            assert (await client.read_response()).startswith(b"HTTP/1.1 200 ")
        assert server.connections.held == 0


async def test_a_connection_with_a_request_in_progress_is_never_closed_for_others() -> None:
    async with StubHttpServer(max_connections=2, max_held=10_000).open() as server:
        server.go_on.clear()
        busy = [await server.connect(KNOWN) for _ in range(2)]
        await wait_until(lambda: len(server.connections._trusted) == 2)
        assert await (await server.connect()).is_closed()
        server.go_on.set()
        for client in busy:
            assert (await client.read_response()).startswith(b"HTTP/1.1 200 ")


async def test_the_connection_with_the_oldest_unfinished_body_is_closed_and_all_others_are_answered() -> None:
    async with StubHttpServer(max_connections=100, max_held=50_000).open() as server:
        holders = []
        for _ in range(8):
            holders.append(await server.connect(HEAD, b"x" * 10_000))
            await wait_until(partial(has_received, server.connections, 10_000))
            verified = await server.connect(KNOWN)
            assert (await verified.read_response()).startswith(b"HTTP/1.1 200 ")
        for client in holders[:3]:
            assert await client.is_closed()
        assert server.connections.held <= 50_000


def has_received(connections: Connections, count: int) -> bool:
    """Return whether the newest connection has sent more than `count` bytes."""
    return next(reversed(connections._open)).held > count


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that has no event, by polling."""
    for _ in range(30_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "receive", "verify", "answer", "close"]), st.integers(0, 9)),
        max_size=60,
    )
)
def test_held_bytes_are_counted_and_bounded_in_any_order_of_events(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        connections = Connections(web.Server(Mock()), max_connections=4, max_held=1000)
        verified: list[Connection] = []
        for step, number in steps:
            if step == "open":
                verified.append(connections())
                connections.opened(verified[-1])
            if not verified:
                continue
            connection = verified[number % len(verified)]
            request, busy = (
                Mock(protocol=connection),
                [connection for connection in verified if connection.busy],
            )
            if step == "receive":
                connections.received(connection, 37 * number)
            elif step == "verify":
                connections.verified(request)
            elif step == "answer":
                connections.answered(request)
            elif step == "close":
                connections.closed(connection)
            all_connections = {*connections._open, *connections._trusted}
            assert len(all_connections) == len(connections) <= 4
            assert connections.held == sum(each.held for each in all_connections) <= 1000
            assert all(each in all_connections or each is connection for each in busy)

    asyncio.run(play())
