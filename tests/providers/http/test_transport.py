"""HTTP connections: responses are limited in size and time, and connections are shared."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.fair_limiter import Requester
from domain.provider_errors import NotFound, ProviderDown, ResponseLost, TooBusy, TooLarge
from providers.bitrise.provider import BITRISE
from providers.http import downloads, transport
from providers.http.api_client import ApiClient
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from tests.support.stub_server import in_sequence, serve, stub_server


@asynccontextmanager
async def endless_server(
    *, status: int = 200, piece: bytes = b"x" * 65536, headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, list[int]]]:
    """Start a server whose responses never end; yield its URL, and the number of bytes sent in each."""
    sent: list[int] = []
    closed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        sent.append(0)
        try:
            while not closed.is_set():
                await response.write(piece)
                sent[-1] += len(piece)
                if not piece.strip(b"\n"):
                    await closed.wait()
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    async with serve(answer) as url:
        try:
            yield url, sent
        finally:
            closed.set()


def api(http: HttpTransport, url: str) -> ApiClient:
    return ApiClient(
        http,
        provider=BITRISE,
        scheme="token",
        base_url=url,
        credentials=FixedToken(SecretStr("t0p")),
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
    )


async def test_an_endless_response_is_an_error() -> None:
    async with HttpTransport() as http, endless_server() as (url, sent):
        with pytest.raises(TooLarge, match="more than 16 MiB in one response"):
            await api(http, url).read("/x")
    [sent_bytes] = sent
    assert sent_bytes < 2 * transport.LARGEST_ANSWER


async def test_an_endless_error_response_is_still_that_error() -> None:
    async with (
        HttpTransport() as http,
        endless_server(status=404, piece=b"no such thing " * 1000) as (url, sent),
    ):
        with pytest.raises(NotFound, match="no such thing"):
            await api(http, url).read("/x")
    assert sum(sent) < transport.LARGEST_ANSWER


async def test_a_change_whose_response_is_too_large_may_have_happened() -> None:
    async with HttpTransport() as http, endless_server() as (url, sent):
        with pytest.raises(ResponseLost):
            await api(http, url).change("POST", "/x", {})
    assert len(sent) == 1


async def test_the_size_limit_counts_decompressed_bytes() -> None:
    packed = gzip.compress(b"0" * (transport.LARGEST_ANSWER + 1))
    assert len(packed) < 20_000
    bomb = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    small = web.Response(body=gzip.compress(b'{"data": 1}'), headers={"Content-Encoding": "gzip"})
    deflated = web.Response(body=zlib.compress(b'{"data": 2}'), headers={"Content-Encoding": "deflate"})
    async with HttpTransport() as http, stub_server(in_sequence(bomb, small, deflated)) as server:
        with pytest.raises(TooLarge):
            await api(http, server.url).read("/x")
        assert (await api(http, server.url).read("/x")).body == b'{"data": 1}'
        assert (await api(http, server.url).read("/x")).body == b'{"data": 2}'
    assert server.requests[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,identity", "br", "ZSTD"])
async def test_a_response_compressed_twice_or_in_another_way_is_rejected(encoding: str) -> None:
    twice = gzip.compress(gzip.compress(b"0" * 1000))
    bomb = web.Response(body=twice, headers={"Content-Encoding": encoding})
    async with HttpTransport() as http, stub_server(in_sequence(bomb)) as server:
        with pytest.raises(TooLarge):
            await api(http, server.url).read("/x")
        with pytest.raises(TooLarge):
            await Downloads(http, api_url=server.url, hosts=()).tail(f"{server.url}/log", 10)


async def test_a_response_that_trickles_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.05)
    async with HttpTransport() as http, endless_server(piece=b"\n") as (url, _):
        with pytest.raises(ProviderDown):
            await api(http, url).read("/x", max_tries=1)


async def test_an_endless_log_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LARGEST_FILE", 2 * 1024 * 1024)
    async with HttpTransport() as http, endless_server() as (url, sent):
        with pytest.raises(TooLarge, match="more than 2 MiB in one file"):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 1000)
        with pytest.raises(TooLarge):
            async with Downloads(http, api_url=url, hosts=()).open(f"{url}/log") as chunks:
                assert [len(chunk) async for chunk in chunks] == []
    assert max(sent) < 16 * 1024 * 1024


async def test_a_log_that_trickles_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FILE_SECONDS", 0.05)
    async with HttpTransport() as http, endless_server(piece=b"\n") as (url, _):
        with pytest.raises(ProviderDown, match="didn't respond"):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 1000)


class BlockingServer:
    """A server that holds all responses until `release`; `paths` are the paths requested so far, in order."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.release = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        await self.release.wait()
        return web.Response(body=b"{}")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with serve(self.answer) as url:
            try:
                yield url
            finally:
                self.release.set()

    async def wait_for_requests(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.paths) < count:  # noqa: ASYNC110 - no event reports it
                await asyncio.sleep(0.005)


async def test_connections_are_shared_between_workspaces_and_people_and_others_go_first() -> None:
    server = BlockingServer()
    async with server.open() as url, HttpTransport() as http:
        anna, ben = Requester("T1", "anna"), Requester("T1", "ben")
        requests = [
            asyncio.create_task(http.send("GET", f"{url}/{who.person}", requester=who))
            for who in [anna] * 30 + [ben] * 30 + [Requester("T1", "carla")] * 30
        ]
        await server.wait_for_requests(10)
        # Only requests of another workspace and of the bot itself are sent at once.
        for who in (Requester("T2", "anna"), Requester()):
            requests.append(
                asyncio.create_task(http.send("GET", f"{url}/{who.team or 'bot'}", requester=who))
            )
            await server.wait_for_requests(len(server.paths) + 1)
        assert server.paths == ["/anna"] * 5 + ["/ben"] * 5 + ["/T2", "/bot"]
        server.release.set()
        await asyncio.gather(*requests)


async def test_slow_requests_have_their_own_connections() -> None:
    server = BlockingServer()
    async with server.open() as url, HttpTransport() as http:
        anna = Requester("T1", "anna")
        requests = [
            asyncio.create_task(http.send("POST", f"{url}/run", requester=anna, seconds=60)) for _ in range(5)
        ]
        await server.wait_for_requests(3)
        downloads = Downloads(http, api_url=url, hosts=(), requester=Requester("T1", "ben"))
        requests.append(asyncio.create_task(downloads.tail(f"{url}/log", 10)))  # type: ignore[arg-type]
        await server.wait_for_requests(4)
        requests.append(asyncio.create_task(http.send("GET", f"{url}/quick", requester=anna)))
        await server.wait_for_requests(5)
        assert server.paths == ["/run"] * 3 + ["/log", "/quick"]
        server.release.set()
        await asyncio.gather(*requests)


async def test_a_request_without_a_free_connection_fails_as_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "QUICK", replace(transport.QUICK, total=1, seconds=0.01))
    monkeypatch.setattr(transport, "SLOW", replace(transport.SLOW, total=1, seconds=0.01))
    server = BlockingServer()
    async with server.open() as url, HttpTransport() as http:
        requests = [
            asyncio.create_task(http.send("GET", f"{url}/first")),
            asyncio.create_task(http.send("POST", f"{url}/first", seconds=60)),
        ]
        await server.wait_for_requests(2)
        busy = "Too many of your requests to Bitrise are still running"
        with pytest.raises(TooBusy, match=busy):
            await api(http, url).change("DELETE", "/it", None)
        with pytest.raises(TooBusy, match=busy):
            await api(http, url).read("/it")
        with pytest.raises(TooBusy):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 10)
        assert server.paths == ["/first"] * 2
        server.release.set()
        await asyncio.gather(*requests)
