"""How long a build is expected to take, from what builds like it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog

from domain.build import Build
from domain.duration_estimate import MOST_SUCCESSES, usual_time
from domain.errors import ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildQuery
from storage.repositories import Repositories

log = structlog.get_logger()

FRESH = timedelta(minutes=10)
MOST_REMEMBERED = 500
_SUCCESS = 1


class DurationEstimates:
    """From what was watched where that is enough, else from Bitrise, whose answer is kept for a while."""

    def __init__(
        self, bitrise: BitriseClient, storage: Repositories, *, clock: Callable[[], datetime]
    ) -> None:
        self._bitrise = bitrise
        self._storage = storage
        self._clock = clock
        self._kept: dict[tuple[str, str | None, str | None], tuple[datetime, timedelta | None]] = {}

    async def of(self, build: Build) -> timedelta | None:
        """The usual time on a worker of builds like this one; None for one that has ended, or where nobody knows."""
        if build.ended:
            return None
        watched = await self._storage.watching.successes_like(build, MOST_SUCCESSES)
        if (known := usual_time(watched)) is not None:
            return known
        key, now = (build.app_slug, build.workflow, build.branch), self._clock()
        if key not in self._kept or now - self._kept[key][0] > FRESH:
            if len(self._kept) >= MOST_REMEMBERED:
                self._kept.clear()
            self._kept[key] = (now, await self._ask(build))
        return self._kept[key][1]

    async def of_each(self, builds: Iterable[Build]) -> dict[str, timedelta]:
        """The usual times of those that have one, by slug."""
        found = {build.slug: await self.of(build) for build in builds}
        return {slug: usual for slug, usual in found.items() if usual is not None}

    async def _ask(self, build: Build) -> timedelta | None:
        query = BuildQuery(status=_SUCCESS, workflow=build.workflow, branch=build.branch)
        try:
            async for page in self._bitrise.builds(build.app_slug, query, limit=MOST_SUCCESSES).pages():
                # checked, since a server that does not know the filters would answer with any builds
                like = [
                    one for one in page.items if (one.workflow, one.branch) == (build.workflow, build.branch)
                ]
                return usual_time(like)
        except ProviderError as problem:
            # A card without its progress is still a card.
            log.info("usual_time.unknown", app=build.app_slug, reason=str(problem))
        return None
