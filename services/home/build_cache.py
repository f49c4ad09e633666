"""The latest builds of all apps, read once for everybody who looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.build import Build
from domain.errors import ProviderError
from domain.provider import Provider
from providers.bitrise.api.client import BitriseClient
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(seconds=4)
LATEST = 50
_OPEN = 0


@dataclass(frozen=True)
class RecentBuilds:
    """What runs, and the latest builds. `whole`: of all apps that the token sees, else of those that are followed."""

    running: Sequence[Build]
    latest: Sequence[Build]
    whole: bool


class RecentBuildsCache:
    """Two small requests at most every few seconds, however many people look."""

    def __init__(
        self, bitrise: BitriseClient, storage: Repositories, *, clock: Callable[[], datetime]
    ) -> None:
        self._bitrise = bitrise
        self._storage = storage
        self._clock = clock
        self._reading = asyncio.Lock()
        self._kept: tuple[datetime, RecentBuilds] | None = None

    async def read(self) -> RecentBuilds:
        """The builds as they are now, or were a moment ago."""
        async with self._reading:
            if self._kept is None or self._clock() - self._kept[0] > FRESH:
                self._kept = (self._clock(), await self._read())
            return self._kept[1]

    def forget(self) -> None:
        """Something has changed: the next to look reads anew."""
        self._kept = None

    async def _read(self) -> RecentBuilds:
        try:
            running = [build for build in await self._page(_OPEN) if not build.ended]
            return RecentBuilds(running, await self._page(None), whole=True)
        except ProviderError as problem:
            # Not every token may list all builds, and Bitrise may be away: what was watched is known all the same.
            log.info("overview.followed_only", reason=str(problem))
            watching = self._storage.watching
            return RecentBuilds(
                await watching.open_builds(Provider.BITRISE),
                await watching.latest(Provider.BITRISE, LATEST),
                whole=False,
            )

    async def _page(self, status: int | None) -> list[Build]:
        async for page in self._bitrise.all_builds(status=status, limit=LATEST).pages():
            return page.items
        return []
