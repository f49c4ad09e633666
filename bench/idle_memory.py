"""Memory at rest with many subscriptions, against a process that only imports the libraries. Needs /proc."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.environment import staged
from bench.result import BenchmarkResult, scaled
from bench.startup_time import LIBRARIES
from bot.providers_setup import ACTIONS
from bot.run_messages import RunMessageRenderer
from domain.build import App
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from sandbox.environment import SandboxEnvironment
from storage.database import Database
from storage.repositories import Repositories

SUBSCRIPTIONS = 1000
LOOKS = 8.0


async def measure(scale: float = 1, given: SandboxEnvironment | None = None) -> list[BenchmarkResult]:
    subscriptions = scaled(SUBSCRIPTIONS, scale, least=10)
    settings = {"POLL_INTERVAL": "0.5", "POLL_INTERVAL_ACTIVE": "0.5"}
    async with staged(given, settings, http=False) as stage:
        await stage.bot.stop()
        await _subscribe(stage, subscriptions)
        await stage.start_bot()
        await asyncio.sleep(LOOKS * scale)
        assert stage.bot.pid is not None
        ours = megabytes(stage.bot.pid)
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
    bare = megabytes(process.pid)
    process.stdin.write(b"\n")
    await process.wait()
    return [
        BenchmarkResult(
            f"memory with {subscriptions:,} subscriptions",
            f"{ours:.0f} MB, {ours / bare:.1f} times",
            f"the imports alone {bare:.0f} MB",
            "under 120 MB",
            ours < 120,
        )
    ]


async def _subscribe(stage: SandboxEnvironment, subscriptions: int) -> None:
    apps = [stage.bitrise.farm.add_app(f"App {number}", "acme", f"app-{number}") for number in range(100)]
    database = await Database.open(stage.folder / "buildbell.db")
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    for number in range(subscriptions):
        app = apps[number % len(apps)]
        await storage.of("T1").subscriptions.add(
            channel=f"C{number}",
            app=App(slug=app.slug, title=app.title),
            terms=NotificationRule(),
            by="U",
            at=datetime.now(UTC),
            baseline=Baseline(),
        )
    await database.close()


def megabytes(pid: int) -> float:
    """The process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc")
