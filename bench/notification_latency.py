"""Notification latency: from the end of a build at the provider to the message in Slack, with the bot as a process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from bench.environment import running_environment
from bench.result import BenchmarkResult, scale_count
from sandbox.bitrise.state import App, Build
from sandbox.environment import SandboxEnvironment

CHANNELS = 20
BUILDS = 200
INTERVAL = 0.5
SETTINGS = {
    "POLL_INTERVAL": str(INTERVAL),
    "POLL_INTERVAL_ACTIVE": str(INTERVAL),
    "SERVICE_TOKEN_ACTS": "1",
}
# Poll intervals have random jitter so that bots do not poll in step (services/polling/poller.py).
JITTER = 1.1
ALLOWANCE = 0.3


async def measure(
    scale: float = 1, shared_environment: SandboxEnvironment | None = None
) -> list[BenchmarkResult]:
    random_source = random.Random(1)
    channels, builds = scale_count(CHANNELS, scale, minimum=2), scale_count(BUILDS, scale, minimum=3)
    async with running_environment(shared_environment, SETTINGS) as environment:
        apps = await subscribe(environment, channels)
        latencies = await measure_builds(
            environment, apps, builds, pause=lambda: random_source.uniform(0, 0.3), first_pause=3 * INTERVAL
        )
        seconds = sorted(seconds for _, seconds in latencies)
    worst = percentile(seconds, 0.99)
    goal = INTERVAL * JITTER + ALLOWANCE
    return [
        BenchmarkResult(
            "from a build's end to its message, p99",
            f"{worst * 1000:.0f} ms (median {seconds[len(seconds) // 2] * 1000:.0f} ms)",
            f"interval {INTERVAL * 1000:.0f} ms and its jitter",
            f"under {goal * 1000:.0f} ms",
            worst < goal,
        )
    ]


async def subscribe(environment: SandboxEnvironment, channels: int) -> list[App]:
    """Subscribe channels to an app each, and return the apps."""
    apps = [
        environment.bitrise.state.add_app(f"App {number}", "acme", f"a{number}") for number in range(channels)
    ]
    for number, app in enumerate(apps):
        environment.slack.workspace.add_channel(f"load{number}")
        environment.slack.users.invite(f"load{number}")
        await environment.slack.users.command("anna", f"load{number}", f"/bitrise subscribe {app.repo}")
        await environment.slack.wait_for_post(f"load{number}", app.title)
    return apps


async def measure_builds(
    environment: SandboxEnvironment,
    apps: Sequence[App],
    builds: int,
    *,
    pause: Callable[[], float],
    first_pause: float,
) -> list[tuple[float, float]]:
    """Let builds end one after the other; return when each has ended, and the seconds until its message.

    `pause` returns the seconds between two ends; each app has one running build.
    """
    running = [(number, _start(environment, app)) for number, app in enumerate(apps)]
    await asyncio.sleep(first_pause)
    notifications = []
    for finished in range(builds):
        number, build = running.pop(0)
        await asyncio.sleep(pause())
        environment.bitrise.finish(build)
        notifications.append(
            asyncio.create_task(_wait_for_notification(environment, f"load{number}", f"#{build.number} "))
        )
        if finished + len(apps) < builds:
            running.append((number, _start(environment, apps[number])))
    return await asyncio.gather(*notifications)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    return ordered[max(int(len(ordered) * share), 1) - 1]


def _start(environment: SandboxEnvironment, app: App) -> Build:
    build = environment.bitrise.start_build(app, ends_as=None)
    environment.bitrise.start_running(build)
    return build


async def _wait_for_notification(
    environment: SandboxEnvironment, channel: str, text: str
) -> tuple[float, float]:
    started_at = time.perf_counter()
    await environment.slack.wait_for_post(channel, text, seconds=60)
    return started_at, time.perf_counter() - started_at
