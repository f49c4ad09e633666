"""The bot with a clock that is TORTURE_CLOCK_OFF seconds fast (or slow, if negative)."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

from bot import logging_setup
from bot.app import Application
from bot.settings import Settings

OFFSET = timedelta(seconds=float(os.environ["TORTURE_CLOCK_OFF"]))


async def main() -> None:
    settings = Settings(_env_file=None)
    logging_setup.configure(settings.log_level)
    await Application(settings, clock=lambda: datetime.now(UTC) + OFFSET).run()


if __name__ == "__main__":
    asyncio.run(main())
