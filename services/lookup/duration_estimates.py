"""The expected duration of a build, from the durations of builds like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog

from domain.build import MAX_SUCCESSES, Build, BuildState, usual_time
from domain.provider import Provider
from domain.provider_client import BuildClient, BuildQuery
from domain.provider_errors import ProviderError
from services.cache import Cache
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(minutes=10)
MAX_ESTIMATES = 500
_SUCCEEDED = frozenset({BuildState.SUCCEEDED})


# The provider, the app's slug, the workflow and the branch.
_Key = tuple[Provider, str, str | None, str | None]


class DurationEstimates:
    """Estimates from recorded builds where there are enough, else from the provider's list, which is cached.

    `builds_at` returns the client that lists a provider's builds; None where the provider lists none.
    """

    def __init__(
        self,
        builds_at: Callable[[Provider], BuildClient | None],
        storage: Repositories,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._builds_at = builds_at
        self._storage = storage
        self._cache = Cache[_Key, timedelta | None](max_age=FRESH, max_size=MAX_ESTIMATES, clock=clock)

    async def estimate(self, build: Build) -> timedelta | None:
        """Return the usual time on a worker of builds like this one; None if it has ended, or the time is unknown."""
        return (await self.estimate_each([build])).get(build.slug)

    async def estimate_each(self, builds: Iterable[Build]) -> dict[str, timedelta]:
        """Return the usual times of the builds that have one, by slug."""
        running = [build for build in builds if not build.ended]
        if not running:
            return {}
        recorded = await self._storage.watched_builds.successes_like(running, MAX_SUCCESSES)
        durations = {}
        for build, similar in zip(running, recorded, strict=True):
            usual = usual_time(similar)
            if usual is None:
                usual = await self._estimate_from_list(build)
            if usual is not None:
                durations[build.slug] = usual
        return durations

    async def _estimate_from_list(self, build: Build) -> timedelta | None:
        key = (build.provider, build.app_slug, build.workflow, build.branch)
        return await self._cache.load(key, lambda: self._fetch(build))

    async def _fetch(self, build: Build) -> timedelta | None:
        if (client := self._builds_at(build.provider)) is None:
            return None
        query = BuildQuery(states=_SUCCEEDED, workflow=build.workflow, branch=build.branch)
        try:
            async for page in client.builds(build.app_slug, query, limit=MAX_SUCCESSES).pages():
                # checked, since a server that ignores the filters would return any builds
                similar = [
                    candidate
                    for candidate in page.items
                    if (candidate.workflow, candidate.branch) == (build.workflow, build.branch)
                ]
                return usual_time(similar)
        except ProviderError as problem:
            # A card without progress is still useful.
            log.info("usual_time.unknown", app=build.app_slug, reason=str(problem))
        return None
