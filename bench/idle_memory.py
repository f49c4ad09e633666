"""Idle memory with many subscriptions, against a process that only imports the libraries. Needs /proc."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.environment import running_environment
from bench.result import BenchmarkResult, scale_count
from bench.startup_time import LIBRARIES
from bot.providers_setup import ACTIONS
from domain.build import App
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from messages.started_run import RunMessageRenderer
from providers.bitrise.provider import BITRISE
from sandbox.environment import SandboxEnvironment
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase

SUBSCRIPTIONS = 1000
POLLING_SECONDS = 8.0


async def measure(
    scale: float = 1, shared_environment: SandboxEnvironment | None = None
) -> list[BenchmarkResult]:
    subscriptions = scale_count(SUBSCRIPTIONS, scale, minimum=10)
    settings = {"POLL_INTERVAL": "0.5", "POLL_INTERVAL_ACTIVE": "0.5"}
    async with running_environment(shared_environment, settings, http=False) as environment:
        await environment.bot.stop()
        await _subscribe(environment, subscriptions)
        await environment.start_bot()
        await asyncio.sleep(POLLING_SECONDS * scale)
        assert environment.bot.pid is not None
        measured = megabytes(environment.bot.pid)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"{LIBRARIES}; print(flush=True); input()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    await process.stdout.readline()
    baseline = megabytes(process.pid)
    process.stdin.write(b"\n")
    await process.wait()
    return [
        BenchmarkResult(
            f"memory with {subscriptions:,} subscriptions",
            f"{measured:.0f} MB, {measured / baseline:.1f} times",
            f"the imports alone {baseline:.0f} MB",
            "under 120 MB",
            measured < 120,
        )
    ]


async def _subscribe(environment: SandboxEnvironment, subscriptions: int) -> None:
    apps = [
        environment.bitrise.state.add_app(f"App {number}", "acme", f"app-{number}") for number in range(100)
    ]
    database = await SqliteDatabase.open(environment.folder / "buildbell.db")
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    for number in range(subscriptions):
        app = apps[number % len(apps)]
        await storage.of("T1").subscriptions.add(
            channel=f"C{number}",
            app=App(provider=BITRISE, slug=app.slug, title=app.title),
            terms=NotificationRule(),
            by="U",
            at=datetime.now(UTC),
            baseline=Baseline(),
        )
    await database.close()


def megabytes(pid: int) -> float:
    """Return the resident memory of the process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc")
