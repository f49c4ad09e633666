"""From the end of a build at the provider to the message in Slack, through the whole bot as a process."""

from __future__ import annotations

import asyncio
import random
import time

from bench.environment import staged
from bench.result import BenchmarkResult, scaled
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
# A look's interval is stretched by chance so that bots do not look in step (services/polling/poller.py).
JITTER = 1.1
ALLOWANCE = 0.3


async def measure(scale: float = 1, given: SandboxEnvironment | None = None) -> list[BenchmarkResult]:
    chance = random.Random(1)
    channels, builds = scaled(CHANNELS, scale, least=2), scaled(BUILDS, scale, least=3)
    async with staged(given, SETTINGS) as stage:
        apps = [
            stage.bitrise.farm.add_app(f"App {number}", "acme", f"a{number}") for number in range(channels)
        ]
        for number, app in enumerate(apps):
            stage.slack.workspace.add_channel(f"load{number}")
            stage.slack.people.invite(f"load{number}")
            await stage.slack.people.command("anna", f"load{number}", f"/bitrise subscribe {app.repo}")
            await stage.slack.wait_for_post(f"load{number}", app.title)
        running = [(number, _start(stage, apps[number])) for number in range(channels)]
        await asyncio.sleep(3 * INTERVAL)
        took = []
        for count in range(builds):
            number, build = running.pop(0)
            await asyncio.sleep(chance.uniform(0, 0.3))
            stage.bitrise.finish(build)
            took.append(
                asyncio.create_task(_wait_for_notification(stage, f"load{number}", f"#{build.number} "))
            )
            if count + channels < builds:
                running.append((number, _start(stage, apps[number])))
        seconds = sorted(await asyncio.gather(*took))
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


def _start(stage: SandboxEnvironment, app: App) -> Build:
    build = stage.bitrise.start_build(app, ends_as=None)
    stage.bitrise.run(build)
    return build


async def _wait_for_notification(stage: SandboxEnvironment, channel: str, words: str) -> float:
    began = time.perf_counter()
    await stage.slack.wait_for_post(channel, words, seconds=30)
    return time.perf_counter() - began
