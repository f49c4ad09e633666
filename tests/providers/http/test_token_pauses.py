"""Pauses that a provider asks for, as several bots on one database keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.provider_errors import RateLimited
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiClient
from providers.http.pauses import READ_SECONDS, TokenPauses
from providers.http.transport import HttpTransport
from storage.database import Database, DatabaseUnavailable
from storage.pauses import Pauses
from storage.repositories import Repositories
from storage.timestamps import to_text
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories
from tests.support.stub_server import StubServer, stub_server


def make_client(
    http: HttpTransport,
    server: StubServer,
    storage: Repositories,
    *,
    holder: str = "t0p",
    clock: Callable[[], datetime] = lambda: NOON,
) -> ApiClient:
    return ApiClient(
        http,
        provider=BITRISE,
        scheme="token",
        base_url=server.url,
        credentials=FixedToken(SecretStr(holder)),
        clock=clock,
        deadline=timedelta(0),
        pauses=TokenPauses(storage.pauses),
    )


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as opened:
        yield opened


@pytest.fixture
async def limited() -> AsyncIterator[StubServer]:
    """Run a server that asks for a pause of five minutes, of each token."""
    limit = {"Retry-After": "300"}
    async with stub_server(lambda _: web.Response(status=429, headers=limit)) as server:
        yield server


async def test_a_pause_holds_for_all_bots_with_the_token(
    http: HttpTransport, limited: StubServer, postgres: PostgresServer
) -> None:
    async with open_repositories(postgres) as (first, second):
        with pytest.raises(RateLimited):
            await make_client(http, limited, first).read("/x")
        client = make_client(http, limited, second)
        with pytest.raises(RateLimited) as caught:
            await client.read("/x")
        assert caught.value.until is not None
        assert timedelta(minutes=4) < caught.value.until - NOON <= timedelta(minutes=5)
        assert len(limited.requests) == 1
        with pytest.raises(RateLimited):
            await make_client(http, limited, second, holder="another").read("/x")
        assert len(limited.requests) == 2
        rows = await first.database.read(lambda db: db.execute("SELECT token, until FROM pauses").fetchall())
        assert len(rows) == 2
        assert "t0p" not in str(rows)
        # Those that are over are deleted with the next one.
        await first.database.write(lambda db: db.execute("UPDATE pauses SET until = ?", [to_text(NOON)]))
        await first.pauses.record("x", 3600.0)
        rows = await first.database.read(lambda db: db.execute("SELECT token FROM pauses").fetchall())
        assert rows == [("x",)]


async def test_a_pause_is_as_long_for_a_bot_whose_clock_is_slow(
    http: HttpTransport, limited: StubServer, postgres: PostgresServer
) -> None:
    """The clocks of all machines may be set back by an hour at any moment."""
    now = NOON
    async with open_repositories(postgres) as (first, second):
        client = make_client(http, limited, first, clock=lambda: now)
        with pytest.raises(RateLimited):
            await client.read("/x")
        now -= timedelta(hours=1)
        for paused in (client, make_client(http, limited, second, clock=lambda: now)):
            with pytest.raises(RateLimited) as caught:
                await paused.read("/x")
            assert caught.value.until is not None
            assert timedelta(minutes=4) < caught.value.until - now <= timedelta(minutes=5)
    assert len(limited.requests) == 1


class CountedPauses(Pauses):
    """Pauses in the database that count how often they are asked for."""

    asked = 0

    async def seconds_left(self, fingerprint: str) -> float:
        self.asked += 1
        return await super().seconds_left(fingerprint)


async def test_the_database_is_asked_once_a_second_at_most(
    postgres: PostgresServer, database: Database
) -> None:
    now, token = 100.0, SecretStr("t0p")
    async with open_repositories(postgres, 1) as [storage]:
        stored = CountedPauses(storage.database)
        pauses = TokenPauses(stored, timer=lambda: now)
        await asyncio.gather(*(pauses.seconds_left(token) for _ in range(5)))
        assert stored.asked == 1
        now += READ_SECONDS
        await pauses.seconds_left(token)
        assert stored.asked == 2
    # Nobody else uses a file.
    alone = CountedPauses(database)
    pauses = TokenPauses(alone, timer=lambda: now)
    await pauses.record(token, 60.0)
    assert (await pauses.seconds_left(token), alone.asked) == (60.0, 0)


async def test_pauses_hold_in_this_bot_while_the_database_is_away(postgres: PostgresServer) -> None:
    class Away(Pauses):
        async def seconds_left(self, fingerprint: str) -> float:
            raise DatabaseUnavailable(fingerprint)

        async def record(self, fingerprint: str, seconds: float) -> None:
            raise DatabaseUnavailable(fingerprint, seconds)

    async with open_repositories(postgres, 1) as [storage]:
        pauses = TokenPauses(Away(storage.database), timer=lambda: 100.0)
        await pauses.record(SecretStr("t0p"), 60.0)
        assert await pauses.seconds_left(SecretStr("t0p")) == 60.0
