"""From the start of the process to ready, against a process that only imports the libraries."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median

from bench.environment import staged
from bench.result import BenchmarkResult, scaled
from sandbox.environment import SandboxEnvironment

TIMES = 5
LIBRARIES = (
    "import aiohttp, httpx, pydantic, slack_bolt.app.async_app, slack_sdk.web.async_client, sqlite_utils"
)


async def measure(scale: float = 1, given: SandboxEnvironment | None = None) -> list[BenchmarkResult]:
    ours, bare = [], []
    async with staged(given, {}, http=False) as stage:
        await stage.bot.stop()
        for _ in range(scaled(TIMES, scale, least=1)):
            began = time.perf_counter()
            await stage.start_bot()
            ours.append(time.perf_counter() - began)
            await stage.bot.stop()
            began = time.perf_counter()
            await (await asyncio.create_subprocess_exec(sys.executable, "-c", LIBRARIES)).wait()
            bare.append(time.perf_counter() - began)
    took, plain = median(ours), median(bare)
    return [
        BenchmarkResult(
            "start to ready",
            f"{took:.2f} s, {took / plain:.1f} times",
            f"the imports alone {plain:.2f} s",
            "under 2 s",
            took < 2,
        )
    ]
