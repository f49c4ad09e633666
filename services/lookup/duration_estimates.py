"""The expected duration of a build, from the durations of builds like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog

from domain.build import Build, BuildState
from domain.duration_estimate import MOST_SUCCESSES, usual_time
from domain.errors import ProviderError
from domain.provider import Provider
from domain.provider_client import BuildClient, BuildQuery
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(minutes=10)
MOST_REMEMBERED = 500
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
        self._clock = clock
        self._kept: dict[_Key, tuple[datetime, timedelta | None]] = {}

    async def estimate(self, build: Build) -> timedelta | None:
        """Return the usual time on a worker of builds like this one; None for one that has ended, or if unknown."""
        if build.ended:
            return None
        recorded = await self._storage.watched_builds.successes_like(build, MOST_SUCCESSES)
        if (known := usual_time(recorded)) is not None:
            return known
        key = (build.provider, build.app_slug, build.workflow, build.branch)
        now = self._clock()
        if key not in self._kept or now - self._kept[key][0] > FRESH:
            if len(self._kept) >= MOST_REMEMBERED:
                self._kept.clear()
            self._kept[key] = (now, await self._ask(build))
        return self._kept[key][1]

    async def estimate_each(self, builds: Iterable[Build]) -> dict[str, timedelta]:
        """Return the usual times of the builds that have one, by slug."""
        found = {build.slug: await self.estimate(build) for build in builds}
        return {slug: usual for slug, usual in found.items() if usual is not None}

    async def _ask(self, build: Build) -> timedelta | None:
        if (client := self._builds_at(build.provider)) is None:
            return None
        query = BuildQuery(states=_SUCCEEDED, workflow=build.workflow, branch=build.branch)
        try:
            async for page in client.builds(build.app_slug, query, limit=MOST_SUCCESSES).pages():
                # checked, since a server that does not know the filters would answer with any builds
                like = [
                    one for one in page.items if (one.workflow, one.branch) == (build.workflow, build.branch)
                ]
                return usual_time(like)
        except ProviderError as problem:
            # A card without its progress is still a card.
            log.info("usual_time.unknown", app=build.app_slug, reason=str(problem))
        return None
