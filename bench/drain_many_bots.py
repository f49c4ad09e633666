"""A backlog that 1, 2 and 4 dispatcher processes deliver side by side from one PostgreSQL to a Slack that answers late.

Slack's answers are what the processes wait for, not the CPU: each of them makes only as many calls at a time as the
machine's cores can serve with four of them. The backlog grows with the number of processes.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.child_process import running_child
from bench.databases import POSTGRES, new_databases
from bench.dispatcher_throughput import make_poll_snapshot, subscribe
from bench.result import BenchmarkResult, scale_count
from bot.providers_setup import ACTIONS
from domain.notifications.matching import match_changes
from domain.poll_state import find_changes
from messages.started_run import RunMessageRenderer
from services.outbox.rate_limits import CALLS_AT_ONCE
from storage.database_url import open_database
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

# For each process, so that all take equally long.
CHANNELS = 100
# So few for each channel that Slack's limit for it is not what is measured.
MESSAGES = 2
SLACK_SECONDS = 0.25
CALLS_PER_CORE = 2
GOALS = {2: 1.8, 4: 3.0}
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Delivery:
    """The delivery of a backlog: notifications a second, dispatchers' CPU for each, and what was wrong."""

    pace: float
    milliseconds: float
    problems: list[str]


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    channels = scale_count(CHANNELS, scale, minimum=2)
    calls = min(CALLS_PER_CORE * (os.cpu_count() or 1), CALLS_AT_ONCE)
    with new_databases() as databases:
        if POSTGRES not in databases:
            return []
        counts = (1, *GOALS) if scale else (2,)
        deliveries = {
            count: await _deliver(databases[POSTGRES](), count, count * channels, calls) for count in counts
        }
    alone, most = deliveries[counts[0]], deliveries[counts[-1]]
    problems = [problem for one in deliveries.values() for problem in one.problems]
    return [
        *(
            BenchmarkResult(
                f"a backlog to {count * channels} channels, {count} processes",
                f"{one.pace:,.0f} a second, {one.pace / alone.pace:.1f} times",
                f"one process {alone.pace:,.0f}; {calls} calls at a time, {SLACK_SECONDS * 1000:.0f} ms each",
                f"at least {GOALS[count]} times",
                one.pace / alone.pace >= GOALS[count],
            )
            for count, one in deliveries.items()
            if count in GOALS
        ),
        BenchmarkResult(
            "… CPU of a notification with most processes",
            f"{most.milliseconds:.1f} ms",
            f"one process {alone.milliseconds:.1f} ms",
            "none",
            True,
        ),
        BenchmarkResult(
            "… lost, twice, or out of order",
            f"{len(problems)} channels",
            "; ".join(problems[:3]) or "none",
            "none",
            not problems,
        ),
    ]


async def _deliver(database_url: str, count: int, channels: int, calls: int) -> Delivery:
    """Let so many processes deliver a backlog."""
    await _enqueue(database_url, channels)
    async with AsyncExitStack() as stack:
        slack, address = await stack.enter_async_context(
            running_child("bench.slow_slack", str(SLACK_SECONDS))
        )
        dispatchers = [
            (
                await stack.enter_async_context(
                    running_child("bench.dispatcher_process", database_url, address["url"], str(calls))
                )
            )[0]
            for _ in range(count)
        ]
        started_at = time.time()
        for dispatcher in dispatchers:
            dispatcher.send()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (await slack.ask())["posts"] < channels * MESSAGES:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.2)
        # What is posted twice would come now.
        await asyncio.sleep(1)
        report = await slack.ask()
        cpu = sum([(await dispatcher.ask())["cpu"] for dispatcher in dispatchers])
    expected = list(range(1, MESSAGES + 1))
    problems = [
        f"{count} processes, {channel}: {numbers}"
        for channel, numbers in report["numbers"].items()
        if numbers != expected
    ]
    posts = channels * MESSAGES
    return Delivery(posts / (report["last_at"] - started_at), cpu / posts * 1000, problems)


async def _enqueue(database_url: str, channels: int) -> None:
    """Record ended builds of each channel's app; each poll wakes the channels as in a bot."""
    # procrastinate is an optional dependency.
    from services.jobs.procrastinate_engine import ProcrastinateEngine  # noqa: PLC0415

    database = await open_database(database_url)
    database.use_engine(ProcrastinateEngine(database_url, clock=lambda: datetime.now(UTC)).wake)
    await subscribe(
        Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer()), channels
    )
    recorder = PollRecorder(
        database, compare=find_changes, match=match_changes, run_messages=RunMessageRenderer()
    )
    for number in range(MESSAGES):
        await recorder.record(make_poll_snapshot(number, channels), at=datetime.now(UTC))
    await database.close()
