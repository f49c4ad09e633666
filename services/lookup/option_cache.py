"""A cache of an app's real branches, workflows and pipelines, for the lists that people pick from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.errors import ProviderError
from services.accounts.provider_clients import ProviderClients, ReadNames

log = structlog.get_logger()

FRESH = timedelta(minutes=1)
# Slack waits three seconds for the options (Slack's rules, "Answering").
PATIENCE_SECONDS = 2.0
MOST_REMEMBERED = 500


class OptionCache:
    """Options that are read when somebody opens a list, with their own token, and cached for that person alone.

    Not everybody who may see an app may see its configuration. `whose` is the workspace and the person.
    """

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, ...], tuple[datetime, Sequence[str]]] = {}

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._kept = {key: one for key, one in self._kept.items() if key[0] != team}

    async def branches(
        self, at: ProviderClients[Any], app_slug: str, *, whose: tuple[str, str]
    ) -> Sequence[str]:
        """Return the app's branches; none where the provider does not answer in time."""
        return await self._names("branches", at, app_slug, whose, at.branches(*whose))

    async def workflows(
        self, at: ProviderClients[Any], app_slug: str, *, whose: tuple[str, str]
    ) -> Sequence[str]:
        """Return the app's workflows, or whatever the provider has instead."""
        return await self._names("workflows", at, app_slug, whose, at.workflows(*whose))

    async def pipelines(
        self, at: ProviderClients[Any], app_slug: str, *, whose: tuple[str, str]
    ) -> Sequence[str]:
        """Return the app's pipelines; none where the token may not read them."""
        return await self._names("pipelines", at, app_slug, whose, at.pipelines(*whose))

    async def _names(
        self,
        what: str,
        at: ProviderClients[Any],
        app_slug: str,
        whose: tuple[str, str],
        ways: Sequence[ReadNames],
    ) -> Sequence[str]:
        """Return the names of all ways of asking, each once."""
        found = await asyncio.gather(
            *(
                self._read((*whose, at.provider, app_slug, f"{what} {number}"), read)
                for number, read in enumerate(ways)
            )
        )
        return list(dict.fromkeys(name for names in found for name in names))

    async def _read(self, key: tuple[str, ...], read: ReadNames) -> Sequence[str]:
        now = self._clock()
        if key in self._kept and now - self._kept[key][0] < FRESH:
            return self._kept[key][1]
        *_, app_slug, what = key
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
