"""Startup time until ready, against a process that only imports the libraries."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median

from bench.environment import running_environment
from bench.result import BenchmarkResult, scale_count
from sandbox.environment import SandboxEnvironment

TIMES = 5
LIBRARIES = (
    "import aiohttp, httpx, pydantic, slack_bolt.app.async_app, slack_sdk.web.async_client, sqlite_utils"
)


async def measure(
    scale: float = 1, shared_environment: SandboxEnvironment | None = None
) -> list[BenchmarkResult]:
    measured, baseline = [], []
    async with running_environment(shared_environment, {}, http=False) as environment:
        await environment.bot.stop()
        for _ in range(scale_count(TIMES, scale, minimum=1)):
            started_at = time.perf_counter()
            await environment.start_bot()
            measured.append(time.perf_counter() - started_at)
            await environment.bot.stop()
            started_at = time.perf_counter()
            await (await asyncio.create_subprocess_exec(sys.executable, "-c", LIBRARIES)).wait()
            baseline.append(time.perf_counter() - started_at)
    measured_median, baseline_median = median(measured), median(baseline)
    return [
        BenchmarkResult(
            "start to ready",
            f"{measured_median:.2f} s, {measured_median / baseline_median:.1f} times",
            f"the imports alone {baseline_median:.2f} s",
            "under 2 s",
            measured_median < 2,
        )
    ]
