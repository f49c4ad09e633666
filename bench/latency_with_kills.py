"""Notification latency of three bots on one PostgreSQL, of which one is killed and started again every 20 seconds.

Compared with one bot that nobody kills, in the same run. The simulators run in the process of the benchmark.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

from bench.databases import POSTGRES, new_databases
from bench.notification_latency import measure_builds, percentile, subscribe
from bench.result import BenchmarkResult, scale_count
from bot.manifest import manifest
from sandbox.bot_process import BotProcess
from sandbox.environment import SandboxEnvironment

CHANNELS = 20
BOTS = 3
INTERVAL = 0.5
# Between the ends of two builds.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 0.8
BUILDS, BUILDS_ALONE = 130, 25
KILL_SECONDS = 20.0
ALLOWANCE = 0.5
# Messages that are later than this were being sent when their bot was killed: whoever takes a channel over waits before
# it looks for them in Slack (storage/postgres_session_locks.py).
DOUBT_SECONDS = 10.0
SETTINGS = {
    "POLL_INTERVAL": str(INTERVAL),
    "POLL_INTERVAL_ACTIVE": str(INTERVAL),
    "SERVICE_TOKEN_ACTS": "1",
}


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    channels, builds = scale_count(CHANNELS, scale, minimum=2), scale_count(BUILDS, scale, minimum=4)
    bots, kill_seconds = (BOTS, KILL_SECONDS) if scale else (2, 1.0)
    most_kills = None if scale else 1
    kills: list[float] = []
    chance = random.Random(1)
    with new_databases() as databases:
        if POSTGRES not in databases:
            return []
        async with SandboxEnvironment(manifest()) as environment:
            await environment.start(http=True, settings=SETTINGS, database_url=databases[POSTGRES]())
            apps = await subscribe(environment, channels)

            async def deliver(builds: int) -> list[tuple[float, float]]:
                return await measure_builds(
                    environment,
                    apps,
                    builds,
                    pause=lambda: chance.uniform(SHORTEST_PAUSE, LONGEST_PAUSE),
                    first_pause=3 * INTERVAL,
                )

            alone = await deliver(scale_count(BUILDS_ALONE, scale, minimum=2))
            async with _killed_in_turn(environment, bots, kill_seconds, kills, most=most_kills):
                busy, began = _busy_seconds(), time.monotonic()
                latencies = await deliver(builds)
                busy = (_busy_seconds() - busy) / (time.monotonic() - began)
        violations = environment.slack.violations
    seconds, baseline = sorted(one for _, one in latencies), sorted(one for _, one in alone)
    goal = INTERVAL + ALLOWANCE
    late = [(one, _since_kill(at, kills)) for at, one in latencies if one > goal]
    doubtful = sum(one >= DOUBT_SECONDS for one in seconds)
    return [
        BenchmarkResult(
            f"end of a build to its message, {bots} bots, {len(kills)} kills, p99",
            f"{percentile(seconds, 0.99) * 1000:.0f} ms",
            f"one bot without kills {percentile(baseline, 0.99) * 1000:.0f} ms",
            f"under {goal * 1000:.0f} ms",
            percentile(seconds, 0.99) < goal,
        ),
        BenchmarkResult(
            "… median",
            f"{percentile(seconds, 0.5) * 1000:.0f} ms",
            f"one bot without kills {percentile(baseline, 0.5) * 1000:.0f} ms",
            "none",
            True,
        ),
        BenchmarkResult(
            "… latest",
            f"{seconds[-1] * 1000:.0f} ms",
            f"one bot without kills {baseline[-1] * 1000:.0f} ms",
            "none",
            True,
        ),
        BenchmarkResult(
            f"… later than {goal * 1000:.0f} ms",
            f"{len(late)} of {len(seconds)}, {doubtful} being sent",
            ", ".join(f"{one:.1f} s ({since:.1f} s after a kill)" for one, since in late) or "none",
            "none",
            not violations,
        ),
        BenchmarkResult(
            "… the machine's cores that were busy", f"{busy:.1f}", "with all else on it", "none", True
        ),
    ]


@asynccontextmanager
async def _killed_in_turn(
    environment: SandboxEnvironment, bots: int, seconds: float, kills: list[float], *, most: int | None
) -> AsyncIterator[None]:
    """Start the other bots; kill one of all after so many seconds, and start it again at once, and so on.

    `most`: the number of kills; None for no limit.
    """
    others = [BotProcess(environment.settings, environment.folder) for _ in range(bots - 1)]
    for bot in others:
        await bot.start()
        await bot.wait_for("ready")

    async def kill_in_turn() -> None:
        for bot in islice(cycle([environment.bot, *others]), most):
            await asyncio.sleep(seconds)
            kills.append(time.perf_counter())
            await bot.kill()
            await bot.start()

    killing = asyncio.create_task(kill_in_turn())
    try:
        yield
    finally:
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing
        for bot in others:
            await bot.stop()


def _since_kill(at: float, kills: Sequence[float]) -> float:
    """Return how long before or after the nearest kill that was, in seconds."""
    return min((at - kill for kill in kills), key=abs, default=0.0)


def _busy_seconds() -> float:
    """Return how long the machine's cores have been busy (Linux, proc(5))."""
    if sys.platform != "linux":
        return 0.0
    user, nice, system, _idle, _waiting, *others = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    # In hundredths of a second.
    return (int(user) + int(nice) + int(system) + sum(map(int, others[:3]))) / 100
