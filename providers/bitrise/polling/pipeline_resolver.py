"""Which builds belong together: Bitrise's lists don't say it of all of them, so it is asked where it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from domain.build import Build, BuildState, PipelineRef
from domain.errors import Forbidden, NotFound, ProviderError, RateLimited, RequestRejected
from domain.pipeline import Pipeline
from domain.poll_state import FollowedPipeline
from providers.bitrise.api.client import BitriseClient

log = structlog.get_logger()

# The list of all apps' builds does not say which are of pipelines (API v0.1, "build-list-all"), and an app that had no
# pipelines may get some. So it is asked for them when it has a new build: so many times in a row, and once more every
# few seconds. Until it can be asked, its new builds wait.
MOST_QUESTIONS = 20
ANOTHER_QUESTION_AFTER = timedelta(seconds=5)
# Where pipelines may not be read, or there are none such, that is tried again after this.
ASKED_AGAIN_AFTER = timedelta(hours=1)
MOST_REMEMBERED = 5_000
# So many open pipelines are read in a look, each in its turn.
MOST_SHOWN = 20
# The list holds builds outside of pipelines, too: its longest page is read, and the first so many pipelines in it.
LONGEST_PAGE = 50
MOST_LISTED = 10
# So often in a row the answer is waited for; then builds are told by themselves rather than not at all.
PATIENCE = 3
# So many looks long the pipeline that a build names may be missing from the list: both come into being side by side.
LOOKS_UNTIL_LISTED = 3


@dataclass
class PipelineAssignment:
    """The builds with the pipelines that they belong to, the pipelines as they are now, and those that are `gone`.

    `left_out`: some builds could not be placed, so what was read before is to be read again; `failure` is why, where
    there is more to it than that a pipeline is not listed yet, or that its app was asked too often just now.
    """

    builds: list[Build] = field(default_factory=list)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    left_out: bool = False
    failure: ProviderError | None = None


class _Questions:
    """How often an app that has no pipelines may be asked for some."""

    def __init__(self, now: datetime) -> None:
        self._left, self._at = float(MOST_QUESTIONS), now

    def take(self, now: datetime) -> bool:
        """Take one, if there is one left."""
        more = max(now - self._at, timedelta(0)) / ANOTHER_QUESTION_AFTER
        self._left, self._at = min(self._left + more, MOST_QUESTIONS), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class PipelineResolver:
    """Remembers which apps use pipelines, and which build belongs to which."""

    def __init__(self, bitrise: BitriseClient, *, clock: Callable[[], datetime]) -> None:
        self._bitrise = bitrise
        self._clock = clock
        self._questions: dict[str, _Questions] = {}
        self._with_pipelines: set[str] = set()
        self._not_before: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._refs: OrderedDict[str, PipelineRef | None] = OrderedDict()
        self._by_workflow: OrderedDict[str, PipelineRef] = OrderedDict()
        self._unlisted: OrderedDict[str, int] = OrderedDict()
        self._absent: OrderedDict[str, int] = OrderedDict()
        self._turn = 0

    async def assign(
        self,
        builds: Sequence[Build],
        known: Mapping[str, BuildState],
        open_pipelines: Sequence[Pipeline | FollowedPipeline],
    ) -> PipelineAssignment:
        """See which of the builds belong to a pipeline, and how the open pipelines stand. Raises nothing.

        `known` holds the states of builds that were seen before: one that has not changed is not asked about.
        """
        placed = PipelineAssignment()
        for app, identity in self._whose_turn(open_pipelines):
            await self._show(app, identity, placed)
        wanted = [build for build in builds if known.get(build.slug) is not build.state]
        unplaced = [build for build in wanted if not self._is_placed(build)]
        for app in sorted({build.app_slug for build in unplaced}):
            await self._place_those_of(app, [one for one in unplaced if one.app_slug == app], placed)
        left_out = {
            build.slug for build in unplaced if not self._is_placed(build) and self._waits(build.app_slug)
        }
        placed.builds = [self._with_ref(build) for build in builds if build.slug not in left_out]
        placed.left_out = bool(left_out)
        if not left_out:
            placed.failure = None
        return placed

    def _whose_turn(self, pipelines: Sequence[Pipeline | FollowedPipeline]) -> list[tuple[str, str]]:
        """The apps and ids of as many as one look may read, each in its turn."""
        now = self._clock()
        all_of_them = dict.fromkeys(
            (one.app_slug, one.id) for one in pipelines if self._not_before.get(one.id, now) <= now
        )
        waiting = list(all_of_them)
        start = self._turn % len(waiting) if len(waiting) > MOST_SHOWN else 0
        self._turn = start + MOST_SHOWN
        return [*waiting[start:], *waiting[:start]][:MOST_SHOWN]

    async def _place_those_of(self, app: str, builds: Sequence[Build], placed: PipelineAssignment) -> None:
        now = self._clock()
        if self._not_before.get(app, now) > now:
            self._remember((one.slug, None) for one in builds)
            return
        if not self._may_ask(app, builds, now):
            log.debug("pipelines.asked_later", app=app)
            return
        try:
            listed = await self._bitrise.pipelines(app, limit=LONGEST_PAGE)
        except (Forbidden, NotFound, RequestRejected) as reason:
            log.info("pipelines.none", app=app, reason=str(reason))
            self._not_before[app] = self._clock() + ASKED_AGAIN_AFTER
            self._remember((one.slug, None) for one in builds)
            return
        except ProviderError as failure:
            self._failed(app, failure, placed)
            return
        if listed:
            self._with_pipelines.add(app)
        else:
            self._with_pipelines.discard(app)
        for identity in listed[:MOST_LISTED]:
            if not await self._show(app, identity, placed):
                return
        self._failures.pop(app, None)
        self._remember((one.slug, self._ref_of(one)) for one in builds if not self._may_be_listed_soon(one))

    def _may_ask(self, app: str, builds: Sequence[Build], now: datetime) -> bool:
        """Whether a question can be afforded for the pipelines that the builds may belong to."""
        if any(build.pipeline_id for build in builds):
            return True
        return app in self._with_pipelines or self._questions.setdefault(app, _Questions(now)).take(now)

    def _is_placed(self, build: Build) -> bool:
        """Whether it is known if the build belongs to a pipeline; one that has turned out to is placed anew."""
        if build.slug not in self._refs:
            return False
        unknown = bool(build.pipeline_id) and self._ref_of(build) is None
        return not unknown or self._unlisted.get(build.slug, 0) >= LOOKS_UNTIL_LISTED

    def _may_be_listed_soon(self, build: Build) -> bool:
        """Whether the build names a pipeline that is not listed yet, and that is worth waiting for."""
        if not build.pipeline_id or self._ref_of(build) is not None:
            return False
        looks = self._unlisted[build.slug] = self._unlisted.get(build.slug, 0) + 1
        if len(self._unlisted) > MOST_REMEMBERED:
            self._unlisted.popitem(last=False)
        if looks >= LOOKS_UNTIL_LISTED:
            log.info("pipelines.not_listed", build=build.slug)
        return looks < LOOKS_UNTIL_LISTED

    def _ref_of(self, build: Build) -> PipelineRef | None:
        return self._refs.get(build.slug) or self._by_workflow.get(build.pipeline_id or "")

    async def _show(self, app: str, identity: str, placed: PipelineAssignment) -> bool:
        """Read one pipeline, once a look; returns whether it could be read, or is certainly not there."""
        if identity in placed.pipelines:
            return True
        try:
            one = await self._bitrise.pipeline(app, identity)
        except (Forbidden, NotFound):
            placed.gone.append(identity)
            self._note_absence(identity)
            return True
        except ProviderError as failure:
            self._failed(app, failure, placed)
            return False
        placed.pipelines[identity] = one
        self._absent.pop(identity, None)
        self._remember((each.build_slug, one.ref) for each in one.workflows if each.build_slug)
        self._by_workflow.update((each.id, one.ref) for each in one.workflows if each.id)
        while len(self._by_workflow) > MOST_REMEMBERED:
            self._by_workflow.popitem(last=False)
        return True

    def _note_absence(self, identity: str) -> None:
        """One that may come into being is asked for at the next looks, and then rarely."""
        looks = self._absent[identity] = self._absent.get(identity, 0) + 1
        if looks >= LOOKS_UNTIL_LISTED:
            self._not_before[identity] = self._clock() + ASKED_AGAIN_AFTER
        if len(self._absent) > MOST_REMEMBERED:
            self._not_before.pop(self._absent.popitem(last=False)[0], None)

    def _failed(self, app: str, failure: ProviderError, placed: PipelineAssignment) -> None:
        if not isinstance(failure, RateLimited):
            self._failures[app] = self._failures.get(app, 0) + 1
        log.warning("pipelines.not_read", app=app, reason=str(failure), failures=self._failures.get(app, 0))
        placed.failure = failure

    def _waits(self, app: str) -> bool:
        return self._failures.get(app, 0) < PATIENCE

    def _with_ref(self, build: Build) -> Build:
        ref = self._ref_of(build)
        return build if ref is None else build.model_copy(update={"pipeline": ref})

    def _remember(self, refs: Iterable[tuple[str, PipelineRef | None]]) -> None:
        self._refs.update(refs)
        while len(self._refs) > MOST_REMEMBERED:
            self._refs.popitem(last=False)
