"""The bot, which also measures how long its event loop is held; at SIGUSR1 it says so in its log, and begins anew."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import NoReturn

import structlog

from bot import logs
from bot.app import Buildbell
from bot.settings import Settings

TICK = 0.001


async def run() -> None:
    bot, longest = Buildbell(Settings()), 0.0
    loop = asyncio.get_running_loop()

    async def tick() -> NoReturn:
        nonlocal longest
        before = time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            longest, before = max(longest, now - before - TICK), now

    def say() -> None:
        nonlocal longest
        structlog.get_logger().info("held", seconds=longest)
        longest = 0.0

    loop.add_signal_handler(signal.SIGTERM, bot.stop)
    loop.add_signal_handler(signal.SIGUSR1, say)
    ticking = asyncio.create_task(tick())
    await bot.run()
    ticking.cancel()


if __name__ == "__main__":
    logs.configure("info", terminal=False)
    asyncio.run(run())
