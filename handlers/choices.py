"""An app's real branches, workflows and pipelines, for the lists that people pick from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.bitrise import Bitrise
from bot.http import ProviderError

log = structlog.get_logger()

FRESH = timedelta(minutes=1)
# Slack waits three seconds for the options (Slack's rules, "Answering").
PATIENCE_SECONDS = 2.0
MOST_REMEMBERED = 500


class Choices:
    """Read when somebody opens a list, with their own token, and kept for the keys that follow: for them alone.

    Not everybody who may see an app may see its bitrise.yml. `whose` is their workspace and who they are there.
    """

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str, str, str], tuple[datetime, Sequence[str]]] = {}

    def forget(self, team: str) -> None:
        """The app is gone from the workspace."""
        self._kept = {key: one for key, one in self._kept.items() if key[0] != team}

    async def branches(self, bitrise: Bitrise, app_slug: str, *, whose: tuple[str, str]) -> Sequence[str]:
        """The app's branches; none where Bitrise does not say in time."""
        return await self._names("branches", app_slug, whose, bitrise.branches)

    async def workflows(self, bitrise: Bitrise, app_slug: str, *, whose: tuple[str, str]) -> Sequence[str]:
        """The app's workflows: those of its bitrise.yml first, then others that were ever started."""
        configured, started = await asyncio.gather(
            self._names("configured", app_slug, whose, lambda slug: _configured_workflows(bitrise, slug)),
            self._names("workflows", app_slug, whose, bitrise.workflows),
        )
        return list(dict.fromkeys([*configured, *started]))

    async def pipelines(self, bitrise: Bitrise, app_slug: str, *, whose: tuple[str, str]) -> Sequence[str]:
        """The pipelines of the app's bitrise.yml; none where the token may not read it."""
        return await self._names(
            "pipelines", app_slug, whose, lambda slug: _configured_pipelines(bitrise, slug)
        )

    async def _names(
        self,
        what: str,
        app_slug: str,
        whose: tuple[str, str],
        read: Callable[[str], Awaitable[Sequence[str]]],
    ) -> Sequence[str]:
        key, now = (*whose, what, app_slug), self._clock()
        if key in self._kept and now - self._kept[key][0] < FRESH:
            return self._kept[key][1]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                names = await read(app_slug)
        except (ProviderError, TimeoutError) as problem:
            log.info("choices.unknown", what=what, app=app_slug, reason=str(problem))
            return ()
        if len(self._kept) >= MOST_REMEMBERED:
            self._kept.clear()
        self._kept[key] = (now, names)
        return names


async def _configured_workflows(bitrise: Bitrise, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).workflows


async def _configured_pipelines(bitrise: Bitrise, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).pipelines
