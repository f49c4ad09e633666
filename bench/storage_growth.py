"""Memory and disk over 100,000 builds, and after pruning. Needs /proc."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlite_utils

from bench.result import BenchmarkResult, scale_count
from bot.providers_setup import ACTIONS
from domain.build import App, Build, BuildState
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, find_changes
from messages.started_run import RunMessageRenderer
from providers.bitrise.provider import BITRISE
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from storage.retention import prune
from storage.sqlite_database import SqliteDatabase

BUILDS = 100_000
PAGE = 50
APPS = 20
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    builds = scale_count(BUILDS // PAGE // 10, scale, minimum=1) * PAGE * 10
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.db"
        database = await SqliteDatabase.open(path)
        storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
        recorder = PollRecorder(
            database, compare=find_changes, match=match_changes, run_messages=RunMessageRenderer()
        )
        for number in range(APPS):
            await storage.of("T1").subscriptions.add(
                channel=f"C{number}",
                app=_app(number),
                terms=NotificationRule(),
                by="U",
                at=BEGAN,
                baseline=Baseline(at=BEGAN),
            )
        memory = []
        for start in range(0, builds, PAGE):
            page = tuple(_build(number) for number in range(start, start + PAGE))
            snapshot = PollSnapshot(
                token="t", provider=BITRISE, builds=page, seen_until=page[-1].triggered_at
            )
            await recorder.record(snapshot, at=page[-1].finished_at or BEGAN)
            if start % (builds // 10) == 0:
                memory.append(_megabytes())
        await database.write(lambda db: db.execute("UPDATE notifications SET status = 'told'"))
        memory.append(_megabytes())
        full_size = await _data_size(database)
        await prune(database, before=BEGAN + timedelta(days=3650))
        pruned_size = await _data_size(database)
        [remaining] = await database.read(
            lambda db: db.execute(
                "SELECT COUNT(*) FROM builds WHERE state <> '' AND workflow <> ''"
            ).fetchone()
        )
        await database.close()
    # The first tenth fills caches of a fixed size; after that, memory must be stable.
    growth = memory[-1] - memory[1]
    return [
        BenchmarkResult(
            f"memory grown over {builds:,} builds",
            f"{growth:+.1f} MB to {memory[-1]:.0f} MB",
            f"{memory[1]:.0f} MB after a tenth",
            "under 10 MB",
            growth < 10,
        ),
        BenchmarkResult(
            f"database of {builds:,} told builds",
            f"{full_size:.0f} MB, {full_size * 1e6 / builds:.0f} bytes a build",
            f"{pruned_size:.0f} MB after pruning, {remaining:,} builds for statistics",
            "under 200 MB, a third after pruning",
            full_size < 200 and pruned_size < full_size / 3 and remaining == builds,
        ),
    ]


async def _data_size(database: SqliteDatabase) -> float:
    """Return the megabytes of data, without space that pruning has freed."""

    def used_megabytes(db: sqlite_utils.Database) -> float:
        [[pages]], [[free]], [[size]] = (
            list(db.execute(f"PRAGMA {name}")) for name in ("page_count", "freelist_count", "page_size")
        )
        return float((pages - free) * size) / 1e6

    return await database.run_sqlite(used_megabytes)


def _app(number: int) -> App:
    return App(provider=BITRISE, slug=f"{number:016x}", title=f"App {number}")


def _build(number: int) -> Build:
    at = BEGAN + timedelta(minutes=number)
    return Build(
        provider=BITRISE,
        app_slug=_app(number % APPS).slug,
        slug=f"{number:016x}",
        number=number // APPS + 1,
        state=BuildState.FAILED if number % 7 == 0 else BuildState.SUCCEEDED,
        branch=f"feature/{number % 50}",
        workflow="primary",
        commit_hash="0123456789abcdef0123456789abcdef01234567",
        commit_message="Make the login stricter\n\nand explain why",
        triggered_by="webhook-github/octo",
        triggered_at=at,
        started_at=at,
        prepared_at=at,
        finished_at=at + timedelta(minutes=5),
        url=f"https://app.bitrise.io/build/{number:016x}",
        params={"branch": f"feature/{number % 50}", "commit_message": "Make the login stricter"},
    )


def _megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc")
