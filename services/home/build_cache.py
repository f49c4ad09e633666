"""A cache of the latest builds of all apps, read once for everybody who looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.build import Build, BuildState
from domain.errors import ProviderError
from domain.provider import Provider
from domain.provider_client import NO_STATES, BuildClient
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(seconds=4)
LATEST = 50
_OPEN = frozenset({BuildState.ON_HOLD, BuildState.RUNNING})


@dataclass(frozen=True)
class RecentBuilds:
    """What runs, and the latest builds. `whole`: of all apps that the token sees, else of the subscribed ones."""

    running: Sequence[Build]
    latest: Sequence[Build]
    whole: bool


class RecentBuildsCache:
    """One provider's latest builds: two small requests at most every few seconds, however many people look.

    Without a `client` that lists builds, only those that the poller has recorded are known.
    """

    def __init__(
        self,
        provider: Provider,
        client: BuildClient | None,
        storage: Repositories,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.provider = provider
        self._client = client
        self._storage = storage
        self._clock = clock
        self._reading = asyncio.Lock()
        self._kept: tuple[datetime, RecentBuilds] | None = None

    async def read(self) -> RecentBuilds:
        """Return the builds as they are now, or were a moment ago."""
        async with self._reading:
            if self._kept is None or self._clock() - self._kept[0] > FRESH:
                self._kept = (self._clock(), await self._read())
            return self._kept[1]

    def forget(self) -> None:
        """Drop what is cached, since something has changed."""
        self._kept = None

    async def _read(self) -> RecentBuilds:
        if self._client is None:
            return await self._recorded()
        try:
            listed = await _first_page(self._client, _OPEN)
            running = [build for build in listed if not build.ended]
            return RecentBuilds(running, await _first_page(self._client, NO_STATES), whole=True)
        except ProviderError as problem:
            # Not every token may list all builds, and the provider may be down: recorded builds are known all the same.
            log.info("overview.followed_only", reason=str(problem))
            return await self._recorded()

    async def _recorded(self) -> RecentBuilds:
        watching = self._storage.watched_builds
        return RecentBuilds(
            await watching.open_builds(self.provider),
            await watching.latest(self.provider, LATEST),
            whole=False,
        )


async def _first_page(client: BuildClient, states: frozenset[BuildState]) -> Sequence[Build]:
    async for page in client.all_builds(states=states, limit=LATEST).pages():
        return page.items
    return []
