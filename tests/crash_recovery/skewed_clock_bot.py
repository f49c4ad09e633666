"""The bot with a clock that is off by some seconds."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

from bot import logging_setup
from bot.app import Application
from bot.settings import Settings

OFF = timedelta(seconds=float(os.environ["TORTURE_CLOCK_OFF"]))


async def main() -> None:
    settings = Settings(_env_file=None)
    logging_setup.configure(settings.log_level)
    await Application(settings, clock=lambda: datetime.now(UTC) + OFF).run()


if __name__ == "__main__":
    asyncio.run(main())
