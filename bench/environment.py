"""The complete bot as the subject of a benchmark."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bot.manifest import manifest
from sandbox.bot_process import BotProcess
from sandbox.environment import SandboxEnvironment

PROGRAM = ("-m", "bot", "run")


@asynccontextmanager
async def running_environment(
    shared_environment: SandboxEnvironment | None,
    settings: Mapping[str, str],
    *,
    program: Sequence[str] = PROGRAM,
    http: bool = True,
) -> AsyncIterator[SandboxEnvironment]:
    """Yield the shared environment, or a new one with these settings.

    Starting the bot is the slowest part, so a quick test run shares one environment.
    """
    if shared_environment is not None:
        yield shared_environment
        return
    async with SandboxEnvironment(manifest()) as environment:
        environment.bot = BotProcess(environment.settings, environment.folder, program=program)
        await environment.start(http=http, settings=settings)
        yield environment
