"""The wire: whatever a server sends, no more is read than is wanted, and for no longer."""

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

from bot.fair_limiter import Requester
from bot.http import (
    AnswerLost,
    Api,
    Downloads,
    FixedToken,
    Http,
    NotFound,
    ProviderDown,
    TooBusy,
    TooLarge,
    downloads,
    transport,
)
from bot.provider import Provider
from tests.servers import listening, one_after_another, serving


@asynccontextmanager
async def endless(
    *, status: int = 200, piece: bytes = b"x" * 65536, headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, list[int]]]:
    """A server whose answers never end; its address, and how many bytes of each it could send."""
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

    async with listening(answer) as url:
        try:
            yield url, sent
        finally:
            closed.set()


def api(http: Http, url: str) -> Api:
    return Api(
        http,
        provider=Provider.BITRISE,
        scheme="token",
        base_url=url,
        credentials=FixedToken(SecretStr("t0p")),
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
    )


async def test_an_answer_without_an_end_is_an_error_and_not_read_for_ever() -> None:
    async with Http() as http, endless() as (url, sent):
        with pytest.raises(TooLarge, match="more than 16 MiB in one answer"):
            await api(http, url).read("/x")
    [came] = sent
    assert came < 2 * transport.LARGEST_ANSWER


async def test_a_refusal_without_an_end_is_still_that_refusal() -> None:
    async with Http() as http, endless(status=404, piece=b"no such thing " * 1000) as (url, sent):
        with pytest.raises(NotFound, match="no such thing"):
            await api(http, url).read("/x")
    assert sum(sent) < transport.LARGEST_ANSWER


async def test_a_change_whose_answer_is_too_large_may_have_happened() -> None:
    async with Http() as http, endless() as (url, sent):
        with pytest.raises(AnswerLost):
            await api(http, url).change("POST", "/x", {})
    assert len(sent) == 1


async def test_what_comes_out_of_a_packed_answer_counts_not_what_comes_in() -> None:
    packed = gzip.compress(b"0" * (transport.LARGEST_ANSWER + 1))
    assert len(packed) < 20_000
    bomb = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    small = web.Response(body=gzip.compress(b'{"data": 1}'), headers={"Content-Encoding": "gzip"})
    deflated = web.Response(body=zlib.compress(b'{"data": 2}'), headers={"Content-Encoding": "deflate"})
    async with Http() as http, serving(one_after_another(bomb, small, deflated)) as server:
        with pytest.raises(TooLarge):
            await api(http, server.url).read("/x")
        assert (await api(http, server.url).read("/x")).body == b'{"data": 1}'
        assert (await api(http, server.url).read("/x")).body == b'{"data": 2}'
    assert server.asked[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("packing", ["gzip, gzip", "gzip,identity", "br", "ZSTD"])
async def test_what_is_packed_more_than_once_or_otherwise_is_not_unpacked(packing: str) -> None:
    twice = gzip.compress(gzip.compress(b"0" * 1000))
    bomb = web.Response(body=twice, headers={"Content-Encoding": packing})
    async with Http() as http, serving(one_after_another(bomb)) as server:
        with pytest.raises(TooLarge):
            await api(http, server.url).read("/x")
        with pytest.raises(TooLarge):
            await Downloads(http, api_url=server.url, hosts=()).tail(f"{server.url}/log", 10)


async def test_an_answer_that_only_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.05)
    async with Http() as http, endless(piece=b"\n") as (url, _):
        with pytest.raises(ProviderDown):
            await api(http, url).read("/x", most_tries=1)


async def test_a_log_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LARGEST_FILE", 2 * 1024 * 1024)
    async with Http() as http, endless() as (url, sent):
        with pytest.raises(TooLarge, match="more than 2 MiB in one file"):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 1000)
        with pytest.raises(TooLarge):
            async with Downloads(http, api_url=url, hosts=()).open(f"{url}/log") as chunks:
                assert [len(chunk) async for chunk in chunks] == []
    assert max(sent) < 16 * 1024 * 1024


async def test_a_log_that_only_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FILE_SECONDS", 0.05)
    async with Http() as http, endless(piece=b"\n") as (url, _):
        with pytest.raises(ProviderDown, match="gave no answer"):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 1000)


class Held:
    """A server that answers once it is let; what it was asked so far, in its order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        await self.let_go.wait()
        return web.Response(body=b"{}")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with listening(self.answer) as url:
            try:
                yield url
            finally:
                self.let_go.set()

    async def came(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.asked) < count:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.005)


async def test_a_workspace_has_half_of_the_connections_a_person_half_of_those_and_others_go_first() -> None:
    held = Held()
    async with held.open() as url, Http() as http:
        anna, ben = Requester("T1", "anna"), Requester("T1", "ben")
        asking = [
            asyncio.create_task(http.send("GET", f"{url}/{who.person}", requester=who))
            for who in [anna] * 30 + [ben] * 30 + [Requester("T1", "carla")] * 30
        ]
        await held.came(10)
        # Another workspace and the bot itself begin at once, and they alone.
        for who in (Requester("T2", "anna"), Requester()):
            asking.append(asyncio.create_task(http.send("GET", f"{url}/{who.team or 'bot'}", requester=who)))
            await held.came(len(held.asked) + 1)
        assert held.asked == ["/anna"] * 5 + ["/ben"] * 5 + ["/T2", "/bot"]
        held.let_go.set()
        await asyncio.gather(*asking)


async def test_what_takes_long_has_connections_of_its_own() -> None:
    held = Held()
    async with held.open() as url, Http() as http:
        anna = Requester("T1", "anna")
        asking = [
            asyncio.create_task(http.send("POST", f"{url}/run", requester=anna, seconds=60)) for _ in range(5)
        ]
        await held.came(3)
        downloads = Downloads(http, api_url=url, hosts=(), requester=Requester("T1", "ben"))
        asking.append(asyncio.create_task(downloads.tail(f"{url}/log", 10)))  # type: ignore[arg-type]
        await held.came(4)
        asking.append(asyncio.create_task(http.send("GET", f"{url}/quick", requester=anna)))
        await held.came(5)
        assert held.asked == ["/run"] * 3 + ["/log", "/quick"]
        held.let_go.set()
        await asyncio.gather(*asking)


async def test_whoever_gets_no_connection_is_told_that_nothing_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "QUICK", replace(transport.QUICK, total=1, seconds=0.01))
    monkeypatch.setattr(transport, "SLOW", replace(transport.SLOW, total=1, seconds=0.01))
    held = Held()
    async with held.open() as url, Http() as http:
        asking = [
            asyncio.create_task(http.send("GET", f"{url}/first")),
            asyncio.create_task(http.send("POST", f"{url}/first", seconds=60)),
        ]
        await held.came(2)
        busy = "Too many of your requests to Bitrise are still under way"
        with pytest.raises(TooBusy, match=busy):
            await api(http, url).change("DELETE", "/it", None)
        with pytest.raises(TooBusy, match=busy):
            await api(http, url).read("/it")
        with pytest.raises(TooBusy):
            await Downloads(http, api_url=url, hosts=()).tail(f"{url}/log", 10)
        assert held.asked == ["/first"] * 2
        held.let_go.set()
        await asyncio.gather(*asking)
