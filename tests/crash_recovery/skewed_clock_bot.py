"""The bot with a clock that is TORTURE_CLOCK_OFF seconds fast (or slow, if negative).

With TORTURE_CLOCK_FILE, it is also as fast as this file says at each moment: the clocks of several bots change together.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot import logging_setup
from bot.app import Application
from bot.settings import Settings

OFFSET = float(os.environ["TORTURE_CLOCK_OFF"])
SECONDS = struct.Struct("d")


def now() -> datetime:
    """Return the time of this clock."""
    shared = SECONDS.unpack_from(_shared)[0] if _shared is not None else 0.0
    return datetime.now(UTC) + timedelta(seconds=OFFSET + shared)


def _open_shared() -> mmap.mmap | None:
    if not (name := os.environ.get("TORTURE_CLOCK_FILE")):
        return None
    with Path(name).open("rb") as file:
        return mmap.mmap(file.fileno(), SECONDS.size, prot=mmap.PROT_READ)


_shared = _open_shared()


async def main() -> None:
    settings = Settings(_env_file=None)
    logging_setup.configure(settings.log_level)
    bot = Application(settings, clock=now)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bot.stop)
    await bot.run()


if __name__ == "__main__":
    asyncio.run(main())
