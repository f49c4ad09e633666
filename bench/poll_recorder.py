"""Recording a poll: from a page of 50 builds with 10 changes to committed outbox rows, on one core.

The baseline parses the same page with the standard library and commits ten plain rows to the same kind of file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from bench.build_pages import BEGAN, add_build, builds_page, make_bitrise_state
from bench.result import BenchmarkResult, measure_seconds, scale_count
from bot.providers_setup import ACTIONS
from domain.build import App
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, find_changes
from messages.started_run import RunMessageRenderer
from providers.bitrise.api.models import BuildItem, read_many
from providers.bitrise.provider import BITRISE
from storage.database_url import open_database
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

ROUNDS = 60
CHANGES = 10


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    bodies, watched = make_pages(scale_count(ROUNDS, scale, minimum=2))
    with _pin_to_one_core(), tempfile.TemporaryDirectory() as folder:
        measured = await _measure_recorder(f"sqlite:///{Path(folder) / 'b.db'}", bodies, watched)
        baseline = _measure_baseline(bodies)
    return [
        BenchmarkResult(
            "from a page with 10 changes to outbox rows",
            f"{CHANGES / measured:,.0f} a second, {measured / baseline:.1f} times",
            f"parse and insert {baseline * 1000:.2f} ms",
            "over 2,000 a second",
            CHANGES / measured > 2000,
        )
    ]


def make_pages(count: int) -> tuple[list[bytes], list[App]]:
    """Return pages of builds, each with some changes since the one before, and their apps."""
    state, apps = make_bitrise_state(50)
    bodies = []
    for number in range(count):
        for change in range(CHANGES):
            add_build(
                state, apps[change % len(apps)], BEGAN + timedelta(hours=2, minutes=number, seconds=change)
            )
        bodies.append(builds_page(state))
    return bodies, [App(provider=BITRISE, slug=app.slug, title=app.title) for app in apps]


@contextmanager
def _pin_to_one_core() -> Iterator[None]:
    """Pin this thread, and those that it starts, to one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _measure_recorder(url: str, bodies: list[bytes], apps: list[App]) -> float:
    """Return the median seconds per page."""
    async with prepared_recorder(url, apps) as record_page:
        return median([await measure_seconds(partial(record_page, body)) for body in bodies])


@asynccontextmanager
async def prepared_recorder(url: str, apps: list[App]) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Yield a function that parses and records a page; the apps have one subscription each."""
    database = await open_database(url)
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    for app in apps:
        await storage.of("T1").subscriptions.add(
            channel="C",
            app=app,
            terms=NotificationRule(),
            by="U",
            at=BEGAN,
            baseline=Baseline(at=BEGAN + timedelta(hours=1)),
        )
    recorder = PollRecorder(
        database, compare=find_changes, match=match_changes, run_messages=RunMessageRenderer()
    )
    pages = 0

    async def record_page(body: bytes) -> None:
        nonlocal pages
        pages += 1
        items, _ = read_many(BuildItem, body)
        builds = tuple(item.as_build(item.repository.slug) for item in items if item.repository)
        snapshot = PollSnapshot(token="t", provider=BITRISE, builds=builds, seen_until=builds[0].triggered_at)
        changes = await recorder.record(snapshot, at=datetime.now(UTC))
        assert len(changes) == CHANGES

    yield record_page
    assert await storage.outbox.depth() == CHANGES * pages
    await database.close()


def _measure_baseline(bodies: list[bytes]) -> float:
    """Return the median seconds per page of the baseline."""
    durations = []
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "b.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)")
        for body in bodies:
            started_at = time.perf_counter()
            items = json.loads(body)["data"]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO rows (body) VALUES (?)", [(item["slug"],) for item in items[:CHANGES]]
            )
            db.execute("COMMIT")
            durations.append(time.perf_counter() - started_at)
        db.close()
    return median(durations)
