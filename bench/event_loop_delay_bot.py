"""The bot with a measurement of its event loop delay; on SIGUSR1 it logs the longest delay and resets it."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import NoReturn

import structlog

from bot import logging_setup
from bot.app import Application
from bot.settings import Settings

TICK = 0.001


async def run() -> None:
    bot, longest, longest_work = Application(Settings()), 0.0, 0.0
    loop = asyncio.get_running_loop()

    async def tick() -> NoReturn:
        nonlocal longest, longest_work
        before, work_before = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TICK)
            now, work = time.perf_counter(), time.thread_time()
            longest, before = max(longest, now - before - TICK), now
            longest_work, work_before = max(longest_work, work - work_before), work

    def log_longest() -> None:
        nonlocal longest, longest_work
        # On a busy machine the loop also waits for the processor; its own CPU time separates the two.
        structlog.get_logger().info("held", seconds=longest, work=longest_work)
        longest = longest_work = 0.0

    loop.add_signal_handler(signal.SIGTERM, bot.stop)
    loop.add_signal_handler(signal.SIGUSR1, log_longest)
    tick_task = asyncio.create_task(tick())
    await bot.run()
    tick_task.cancel()


if __name__ == "__main__":
    logging_setup.configure("info", terminal=False)
    asyncio.run(run())
