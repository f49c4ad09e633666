"""A cache of the latest builds of all apps, shared by all open Homes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.build import Build, BuildState
from domain.provider import Provider
from domain.provider_client import NO_STATES, BuildClient
from domain.provider_errors import ProviderError
from services.cache import Cache
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(seconds=4)
LATEST = 50
_OPEN = frozenset({BuildState.ON_HOLD, BuildState.RUNNING})


@dataclass(frozen=True)
class RecentBuilds:
    """Running builds and the latest builds. `whole`: of all apps of the token, else of the subscribed ones."""

    running: Sequence[Build]
    latest: Sequence[Build]
    whole: bool


class RecentBuildsCache:
    """One provider's latest builds: two small requests at most every few seconds, for any number of people.

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
        self._cache = Cache[str, RecentBuilds](max_age=FRESH, max_size=1, clock=clock)

    async def read(self) -> RecentBuilds:
        """Return the builds, at most four seconds old."""
        return await self._cache.load("", self._read)

    def forget(self) -> None:
        """Drop the cached builds, since something has changed."""
        self._cache.forget()

    async def _read(self) -> RecentBuilds:
        if self._client is None:
            return await self._read_recorded()
        try:
            listed = await _read_first_page(self._client, _OPEN)
            running = [build for build in listed if not build.ended]
            return RecentBuilds(running, await _read_first_page(self._client, NO_STATES), whole=True)
        except ProviderError as problem:
            # The token may not list all builds, or the provider may be down: recorded builds are still known.
            log.info("overview.followed_only", reason=str(problem))
            return await self._read_recorded()

    async def _read_recorded(self) -> RecentBuilds:
        recorded = self._storage.watched_builds
        return RecentBuilds(
            await recorded.open_builds(self.provider),
            await recorded.latest(self.provider, LATEST),
            whole=False,
        )


async def _read_first_page(client: BuildClient, states: frozenset[BuildState]) -> Sequence[Build]:
    return (await client.all_builds(states=states, limit=LATEST).page()).items
