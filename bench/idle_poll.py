"""An idle poll of a provider: requests and CPU with many subscribed apps, against the bare request."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from pydantic import SecretStr

from bench.build_pages import builds_page, make_bitrise_state
from bench.result import BenchmarkResult, scale_count
from bench.threaded_server import serve_body
from bot.providers_setup import ACTIONS
from domain.build import App
from domain.credentials import FixedToken
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, find_changes
from messages.started_run import RunMessageRenderer
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.polling.source import BitriseBuildSource
from providers.bitrise.provider import BITRISE
from providers.http.transport import HttpTransport
from services.polling.poll import Poll
from storage.connection import Connection
from storage.database_url import open_database
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from storage.timestamps import to_text

SIZES = (1, 100, 10_000)
TIMES = 400


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    state, _ = make_bitrise_state(50)
    body = builds_page(state)
    figures = []
    with serve_body(body) as (url, requested_paths):
        for number, full_size in enumerate(SIZES, start=1):
            size = scale_count(full_size, scale, minimum=number)
            times = scale_count(TIMES, scale, minimum=1)
            with tempfile.TemporaryDirectory() as folder:
                requests, measured, baseline = await _measure(
                    f"sqlite:///{Path(folder) / 'b.db'}", size, times, url, requested_paths, body
                )
            figures += [
                BenchmarkResult(
                    f"requests of an idle look, {size:,} apps",
                    f"{requests:.2f}",
                    "one request",
                    "at most 3",
                    requests <= 3,
                ),
                BenchmarkResult(
                    f"CPU of an idle look, {size:,} apps",
                    f"{measured * 1e6:,.0f} µs, {measured / baseline:.2f} times",
                    f"request {baseline * 1e6:,.0f} µs",
                    "under 1.5 times",
                    measured / baseline < 1.5,
                ),
            ]
    return figures


async def _measure(
    database_url: str, size: int, times: int, url: str, requested_paths: list[str], body: bytes
) -> tuple[float, float, float]:
    """Return the requests and the CPU seconds of a poll, and the CPU seconds of the bare request."""
    async with prepared_poll(database_url, size, url) as (poll, http):
        before = len(requested_paths)
        for _ in range(20):
            await poll()
        requests = (len(requested_paths) - before) / 20

        async def send_bare_request() -> None:
            response = await http.send("GET", f"{url}/builds", params={"limit": "50"})
            assert response.content == body

        pairs = [(await _cpu(poll), await _cpu(send_bare_request)) for _ in range(times)]
    return requests, median(ours for ours, _ in pairs), median(bare for _, bare in pairs)


@asynccontextmanager
async def prepared_poll(database_url: str, size: int, url: str) -> AsyncIterator[tuple[Poll, HttpTransport]]:
    """Yield a poll of as many apps, whose caches are warm, and its HTTP client."""
    database = await open_database(database_url)
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    now = datetime.now(UTC)
    for number in range(size):
        app = App(provider=BITRISE, slug=f"{number:016x}", title=f"App {number}")
        await storage.of("T1").subscriptions.add(
            channel="C", app=app, terms=NotificationRule(), by="U", at=now, baseline=Baseline(at=now)
        )
    # The state after the first poll of each app, which a bot with 10,000 apps reached long ago.
    await database.write(lambda db: _warm_up(db, now))
    async with HttpTransport() as http:
        bitrise = BitriseClient(
            http, credentials=FixedToken(SecretStr("t")), base_url=url, clock=lambda: datetime.now(UTC)
        )
        recorder = PollRecorder(
            database, compare=find_changes, match=match_changes, run_messages=RunMessageRenderer()
        )
        clock = partial(datetime.now, UTC)
        poll = Poll(BitriseBuildSource(bitrise, clock=clock), storage, recorder, token="t", clock=clock)
        for _ in range(5):
            await poll()
        yield poll, http
    await database.close()


def _warm_up(db: Connection, now: datetime) -> None:
    db.execute("UPDATE watched_apps SET joined = 1")
    db.execute("INSERT INTO looks (token, seen_until) VALUES ('t', ?)", [to_text(now)])


async def _cpu(call: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds of this thread for one call."""
    started_at = time.thread_time()
    await call()
    return time.thread_time() - started_at
