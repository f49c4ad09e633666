"""Connections to the bot's server: how many there may be, what they may hold together, and who makes room."""

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


class Serving:
    """A server that knows a request by a header, and answers it when it is told to."""

    def __init__(self, most: int, most_held: int) -> None:
        self._most, self._most_held = most, most_held
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.connections: Connections
        self.port = 0
        self._callers: list[Caller] = []

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
    async def open(self) -> AsyncIterator[Serving]:
        app = web.Application()
        app.router.add_post("/", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        self.connections = Connections(
            runner.server, max_connections=self._most, max_held=self._most_held, lingering_time=0
        )
        listener = await asyncio.get_running_loop().create_server(self.connections, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            for context in self._callers:
                await context.close()
            listener.close()
            await runner.cleanup()

    async def connect(self, *pieces: bytes) -> Caller:
        before = len(self.connections)
        context = Caller(*await asyncio.open_connection("127.0.0.1", self.port))
        self._callers.append(context)
        await until(lambda: len(self.connections) > before or before == self._most)
        for piece in pieces:
            await context.say(piece)
        return context


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, words: bytes) -> None:
        self._writer.write(words)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def is_hung_up_on(self) -> bool:
        try:
            async with asyncio.timeout(30):
                return await self._reader.read() == b""
        except ConnectionResetError:
            return True

    async def hears(self) -> bytes:
        async with asyncio.timeout(30):
            return await self._reader.readuntil(b"known")


async def test_whoever_comes_is_let_in_and_the_longest_unknown_makes_room() -> None:
    async with Serving(most=3, most_held=10_000).open() as serving:
        first, second, known = [await serving.connect() for _ in range(3)]
        await known.say(KNOWN)
        await known.hears()
        newest = [await serving.connect() for _ in range(2)]
        assert await first.is_hung_up_on()
        assert await second.is_hung_up_on()
        for one in (known, newest[1]):
            await one.say(KNOWN)
            assert (await one.hears()).startswith(b"HTTP/1.1 200 ")


async def test_who_sends_request_after_request_without_an_answer_is_hung_up_on() -> None:
    async with Serving(most=3, most_held=100_000).open() as serving:
        serving.go_on.clear()
        one, other = await serving.connect(KNOWN), await serving.connect(KNOWN)
        await until(lambda: all(connection.busy for connection in serving.connections._trusted))
        await one.say(KNOWN)
        await other.say(KNOWN * 2)
        assert await other.is_hung_up_on()
        serving.go_on.set()
        for _ in range(2):
            assert (await one.hears()).startswith(b"HTTP/1.1 200 ")
        assert serving.connections.held == 0


async def test_a_request_that_is_being_answered_never_makes_room() -> None:
    async with Serving(most=2, most_held=10_000).open() as serving:
        serving.go_on.clear()
        busy = [await serving.connect(KNOWN) for _ in range(2)]
        await until(lambda: len(serving.connections._trusted) == 2)
        assert await (await serving.connect()).is_hung_up_on()
        serving.go_on.set()
        for one in busy:
            assert (await one.hears()).startswith(b"HTTP/1.1 200 ")


async def test_whoever_holds_something_for_longest_makes_room_and_all_others_are_answered() -> None:
    async with Serving(most=100, most_held=50_000).open() as serving:
        holding = []
        for _ in range(8):
            holding.append(await serving.connect(HEAD, b"x" * 10_000))
            await until(partial(has_come, serving.connections, 10_000))
            known = await serving.connect(KNOWN)
            assert (await known.hears()).startswith(b"HTTP/1.1 200 ")
        for one in holding[:3]:
            assert await one.is_hung_up_on()
        assert serving.connections.held <= 50_000


def has_come(connections: Connections, count: int) -> bool:
    """Whether the newest connection has sent that much."""
    return next(reversed(connections._open)).held > count


async def until(so: Callable[[], bool]) -> None:
    """Wait for what the server tells nobody."""
    for _ in range(30_000):
        if so():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "receive", "verify", "answer", "close"]), st.integers(0, 9)),
        max_size=60,
    )
)
def test_what_is_held_is_counted_right_and_bounded_whatever_happens(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        connections = Connections(web.Server(Mock()), max_connections=4, max_held=1000)
        known: list[Connection] = []
        for step, number in steps:
            if step == "open":
                known.append(connections())
                connections.opened(known[-1])
            if not known:
                continue
            one = known[number % len(known)]
            request, busy = Mock(protocol=one), [each for each in known if each.busy]
            if step == "receive":
                connections.received(one, 37 * number)
            elif step == "verify":
                connections.verified(request)
            elif step == "answer":
                connections.answered(request)
            elif step == "close":
                connections.closed(one)
            there = {*connections._open, *connections._trusted}
            assert len(there) == len(connections) <= 4
            assert connections.held == sum(each.held for each in there) <= 1000
            assert all(each in there or each is one for each in busy)

    asyncio.run(play())
