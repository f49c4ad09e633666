"""Dispatcher throughput: 200 channels with a backlog, against Slack's rate limits."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.result import BenchmarkResult, scale_count
from bot.providers_setup import ACTIONS, SPECS
from domain.build import App, Build, BuildState
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, find_changes
from messages.started_run import RunMessageRenderer
from providers.bitrise.provider import BITRISE
from sandbox.slack.server import BOT_TOKEN
from services.jobs.engine import LocalEngine
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import BURST, RateLimits
from services.slack.web_client import SlackClient, create_slack_session
from storage.database_url import open_database
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

CHANNELS = 200
FIRST_MESSAGES = 8
SECONDS = 20
BEGAN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    channels, seconds = scale_count(CHANNELS, scale, minimum=2), scale_count(SECONDS, scale, minimum=1)
    first_messages = scale_count(FIRST_MESSAGES, scale, minimum=BURST + 1)
    async with slack_process(channels) as (url, count_posts):
        with tempfile.TemporaryDirectory() as folder:
            database_url = f"sqlite:///{Path(folder) / 'b.db'}"
            duration = await deliver(database_url, url, channels, first_messages, seconds)
        delivered = await count_posts()
    messages = first_messages + seconds
    # One per second and channel after the burst (Slack, "Rate limits").
    allowed = float(messages - BURST)
    share = allowed / duration
    lost = channels * messages - delivered["posts"]
    return [
        BenchmarkResult(
            f"{channels} channels with a backlog",
            f"{channels * messages / duration:,.0f} a second, {share:.0%}",
            f"Slack allows {channels * messages / allowed:,.0f} a second",
            "at least 95 %",
            share >= 0.95,
        ),
        BenchmarkResult(
            "… messages lost or told twice",
            str(lost),
            "none",
            "none",
            lost == 0 and not delivered["violations"],
        ),
    ]


async def deliver(database_url: str, url: str, channels: int, first_messages: int, seconds: int) -> float:
    """Return the seconds until everything is delivered."""
    database = await open_database(database_url)
    engine = LocalEngine(clock=lambda: datetime.now(UTC))
    database.use_engine(engine.wake)
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    recorder = PollRecorder(
        database, compare=find_changes, match=match_changes, run_messages=RunMessageRenderer()
    )
    await subscribe(storage, channels)
    async with create_slack_session() as session:
        client = SlackClient(token=BOT_TOKEN, base_url=url, session=session, retry_handlers=[])
        dispatcher = Dispatcher(
            lambda _team: client,
            storage,
            counts=Metrics(),
            clock=lambda: datetime.now(UTC),
            new_key=lambda: secrets.token_hex(8),
            presentation_of=SPECS.presentation_of,
            limits=RateLimits(flood=10**6),
        )
        for number in range(first_messages):
            await recorder.record(make_poll_snapshot(number, channels), at=datetime.now(UTC))
        dispatcher_task = asyncio.create_task(engine.run(dispatcher))
        started_at = time.perf_counter()
        for second in range(seconds):
            await asyncio.sleep(max(started_at + second - time.perf_counter(), 0))
            await recorder.record(make_poll_snapshot(first_messages + second, channels), at=datetime.now(UTC))
        while await storage.outbox.depth():  # noqa: ASYNC110 - the dispatcher does not signal that it has delivered everything
            await asyncio.sleep(0.02)
        duration = time.perf_counter() - started_at
        dispatcher.stop()
        await dispatcher_task
    await database.close()
    return duration


async def subscribe(storage: Repositories, channels: int) -> None:
    """Subscribe each channel to an app of its own."""
    for number in range(channels):
        await storage.of("T1").subscriptions.add(
            channel=f"C0LOAD{number}",
            app=make_app(number),
            terms=NotificationRule(),
            by="U",
            at=BEGAN,
            baseline=Baseline(),
        )


def make_app(number: int) -> App:
    """Return the app of a channel."""
    return App(provider=BITRISE, slug=f"{number:016x}", title=f"App {number}")


def make_poll_snapshot(number: int, channels: int) -> PollSnapshot:
    """Return a poll snapshot with one more finished build of every app."""
    at = BEGAN + timedelta(minutes=number)
    return PollSnapshot(
        token="t",
        provider=BITRISE,
        builds=tuple(
            Build(
                provider=BITRISE,
                app_slug=make_app(app).slug,
                slug=f"{app:08x}{number:08x}",
                number=number + 1,
                state=BuildState.SUCCEEDED,
                branch="main",
                triggered_at=at,
                finished_at=at,
                url="https://app.bitrise.io/build/x",
            )
            for app in range(channels)
        ),
    )


@asynccontextmanager
async def slack_process(channels: int) -> AsyncIterator[tuple[str, Any]]:
    """Yield the URL of a simulated Slack in its own process, and a function that counts its posts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.slack_process",
        str(channels),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdout, stdin = process.stdout, process.stdin

    async def count_posts() -> Any:
        stdin.write(b"\n")
        return json.loads(await stdout.readline())

    try:
        yield json.loads(await stdout.readline())["url"], count_posts
    finally:
        stdin.close()
        await process.wait()
