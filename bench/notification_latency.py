"""Notification latency: from the end of a build at the provider to the message in Slack, with the bot as a process."""

from __future__ import annotations

import asyncio
import random
import time

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
        apps = [
            environment.bitrise.state.add_app(f"App {number}", "acme", f"a{number}")
            for number in range(channels)
        ]
        for number, app in enumerate(apps):
            environment.slack.workspace.add_channel(f"load{number}")
            environment.slack.users.invite(f"load{number}")
            await environment.slack.users.command("anna", f"load{number}", f"/bitrise subscribe {app.repo}")
            await environment.slack.wait_for_post(f"load{number}", app.title)
        running = [(number, _start(environment, apps[number])) for number in range(channels)]
        await asyncio.sleep(3 * INTERVAL)
        notifications = []
        for finished in range(builds):
            number, build = running.pop(0)
            await asyncio.sleep(random_source.uniform(0, 0.3))
            environment.bitrise.finish(build)
            notifications.append(
                asyncio.create_task(_wait_for_notification(environment, f"load{number}", f"#{build.number} "))
            )
            if finished + channels < builds:
                running.append((number, _start(environment, apps[number])))
        seconds = sorted(await asyncio.gather(*notifications))
    worst = seconds[max(int(len(seconds) * 0.99), 1) - 1]
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


def _start(environment: SandboxEnvironment, app: App) -> Build:
    build = environment.bitrise.start_build(app, ends_as=None)
    environment.bitrise.start_running(build)
    return build


async def _wait_for_notification(environment: SandboxEnvironment, channel: str, text: str) -> float:
    started_at = time.perf_counter()
    await environment.slack.wait_for_post(channel, text, seconds=30)
    return time.perf_counter() - started_at
