"""The whole bot for a benchmark to measure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bot.manifest import manifest
from sandbox.environment import BotProcess, SandboxEnvironment

PROGRAM = ("-m", "bot", "run")


@asynccontextmanager
async def staged(
    stage: SandboxEnvironment | None,
    settings: Mapping[str, str],
    *,
    program: Sequence[str] = PROGRAM,
    http: bool = True,
) -> AsyncIterator[SandboxEnvironment]:
    """The stage that is there, or one of the benchmark's own, with these settings.

    Starting the bot costs most: a run that only sees whether the benchmarks work has one for all of them.
    """
    if stage is not None:
        yield stage
        return
    async with SandboxEnvironment(manifest()) as own:
        own.bot = BotProcess(own.settings, own.folder, program=program)
        await own.start(http=http, settings=settings)
        yield own
