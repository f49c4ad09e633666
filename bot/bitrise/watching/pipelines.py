"""Which builds belong together: Bitrise's lists don't say it of all of them, so it is asked where it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.bitrise import Bitrise
from bot.build import Build, PipelineRef, State
from bot.http import NoAccess, NotFound, ProviderError, RateLimited, Refused
from bot.pipeline import Pipeline

log = structlog.get_logger()

# An app that had no pipelines may get some.
ASKED_AGAIN_AFTER = timedelta(hours=1)
MOST_REMEMBERED = 5_000
MOST_SHOWN = 20
# So often in a row the answer is waited for; then builds are told by themselves rather than not at all.
PATIENCE = 3


@dataclass
class Placed:
    """The builds with the pipelines that they belong to, the pipelines as they are now, and those that are `gone`.

    `failure`: some builds could not be placed and are left out, so what was read before is to be read again.
    """

    builds: list[Build] = field(default_factory=list)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    failure: ProviderError | None = None


class Pipelines:
    """Remembers which apps use pipelines, and which build belongs to which."""

    def __init__(self, bitrise: Bitrise, *, clock: Callable[[], datetime]) -> None:
        self._bitrise = bitrise
        self._clock = clock
        self._without: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._refs: OrderedDict[str, PipelineRef | None] = OrderedDict()

    async def place(
        self,
        builds: Sequence[Build],
        known: Mapping[str, State],
        open_pipelines: Sequence[Pipeline],
    ) -> Placed:
        """See which of the builds belong to a pipeline, and how the open pipelines stand. Raises nothing.

        `known` holds the states of builds that were seen before: one that has not changed is not asked about.
        """
        placed = Placed()
        for one in open_pipelines[:MOST_SHOWN]:
            await self._show(one.app_slug, one.id, placed)
        wanted = [build for build in builds if known.get(build.slug) is not build.state]
        for app in sorted({build.app_slug for build in wanted if build.slug not in self._refs}):
            slugs = [one.slug for one in wanted if one.app_slug == app and one.slug not in self._refs]
            await self._place_those_of(app, slugs, placed)
        left_out = {
            build.slug for build in wanted if build.slug not in self._refs and self._waits(build.app_slug)
        }
        placed.builds = [self._with_ref(build) for build in builds if build.slug not in left_out]
        if not left_out:
            placed.failure = None
        return placed

    async def _place_those_of(self, app: str, slugs: Iterable[str], placed: Placed) -> None:
        asked = self._without.get(app)
        if asked is not None and self._clock() - asked < ASKED_AGAIN_AFTER:
            self._remember((slug, None) for slug in slugs)
            return
        try:
            listed = await self._bitrise.pipelines(app)
        except (NoAccess, NotFound, Refused) as reason:
            log.info("pipelines.none", app=app, reason=str(reason))
            listed = []
        except ProviderError as failure:
            self._failed(app, failure, placed)
            return
        if not listed:
            self._without[app] = self._clock()
        for identity in listed[:MOST_SHOWN]:
            if not await self._show(app, identity, placed):
                return
        self._failures.pop(app, None)
        self._remember((slug, self._refs.get(slug)) for slug in slugs)

    async def _show(self, app: str, identity: str, placed: Placed) -> bool:
        """Read one pipeline, once a look; returns whether it could be read, or is certainly not there."""
        if identity in placed.pipelines:
            return True
        try:
            one = await self._bitrise.pipeline(app, identity)
        except (NoAccess, NotFound):
            placed.gone.append(identity)
            return True
        except ProviderError as failure:
            self._failed(app, failure, placed)
            return False
        placed.pipelines[identity] = one
        self._remember((each.build_slug, one.ref) for each in one.workflows if each.build_slug)
        return True

    def _failed(self, app: str, failure: ProviderError, placed: Placed) -> None:
        if not isinstance(failure, RateLimited):
            self._failures[app] = self._failures.get(app, 0) + 1
        log.warning("pipelines.not_read", app=app, reason=str(failure), failures=self._failures.get(app, 0))
        placed.failure = failure

    def _waits(self, app: str) -> bool:
        return self._failures.get(app, 0) < PATIENCE

    def _with_ref(self, build: Build) -> Build:
        ref = self._refs.get(build.slug)
        return build if ref is None else build.model_copy(update={"pipeline": ref})

    def _remember(self, refs: Iterable[tuple[str, PipelineRef | None]]) -> None:
        self._refs.update(refs)
        while len(self._refs) > MOST_REMEMBERED:
            self._refs.popitem(last=False)
