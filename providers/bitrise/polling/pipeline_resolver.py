"""Find the pipeline of each build: not all of Bitrise's lists name it, so it is requested where it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from cachetools import LRUCache

from domain.build import Build, PipelineRef
from domain.pipeline import Pipeline
from domain.poll_state import FollowedPipeline
from domain.provider_errors import Forbidden, NotFound, ProviderError, RateLimited, RequestRejected
from providers.bitrise.api.client import BitriseClient

log = structlog.get_logger()

# The list of all apps' builds does not say which belong to pipelines (API v0.1, "build-list-all"), and an app without
# pipelines may get some. So its pipelines are listed when it has a new build: at most this many times in a row, and
# once more every few seconds. Until the next request is allowed, its new builds wait.
MAX_PIPELINE_LISTS = 20
PIPELINE_LIST_INTERVAL = timedelta(seconds=5)
# If pipelines may not be read, or the server has no such endpoint, retry after this.
RETRY_AFTER = timedelta(hours=1)
MAX_CACHED = 5_000
# The number of open pipelines read in one poll, in turn.
MAX_OPEN_PER_POLL = 20
# The list also contains builds outside of pipelines: its longest page is read, and only the first pipelines in it.
LONGEST_PAGE = 50
MAX_LISTED = 10
# After this many failures in a row, builds are notified without their pipeline rather than not at all.
MAX_FAILURES = 3
# The number of polls for which the pipeline that a build names may be missing: both are created at the same time.
POLLS_UNTIL_LISTED = 3


@dataclass
class PipelineAssignment:
    """The builds with their pipelines, the current state of the pipelines, and the ids of those that are `gone`.

    `left_out`: some builds could not be assigned, so the lists must be read again; `failure` is the reason, unless a
    pipeline is not listed yet or its app's request budget is used up.
    """

    builds: list[Build] = field(default_factory=list)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    left_out: bool = False
    failure: ProviderError | None = None


class _RequestBudget:
    """The budget of requests for the pipelines of an app that has none: a token bucket."""

    def __init__(self, now: datetime) -> None:
        self._remaining, self._updated_at = float(MAX_PIPELINE_LISTS), now

    def take(self, now: datetime) -> bool:
        """Take one request from the budget; return whether there was one left."""
        more = max(now - self._updated_at, timedelta(0)) / PIPELINE_LIST_INTERVAL
        self._remaining, self._updated_at = min(self._remaining + more, MAX_PIPELINE_LISTS), now
        if self._remaining < 1:
            return False
        self._remaining -= 1
        return True


class PipelineResolver:
    """Caches which apps use pipelines, and which pipeline each build belongs to."""

    def __init__(self, bitrise: BitriseClient, *, clock: Callable[[], datetime]) -> None:
        self._bitrise = bitrise
        self._clock = clock
        self._budgets: dict[str, _RequestBudget] = {}
        self._with_pipelines: set[str] = set()
        self._not_before: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._refs = LRUCache[str, PipelineRef | None](MAX_CACHED)
        self._by_workflow = LRUCache[str, PipelineRef](MAX_CACHED)
        self._unlisted = LRUCache[str, int](MAX_CACHED)
        self._absent: OrderedDict[str, int] = OrderedDict()
        self._turn = 0

    async def assign(
        self,
        builds: Sequence[Build],
        open_pipelines: Sequence[Pipeline | FollowedPipeline],
    ) -> PipelineAssignment:
        """Find the pipelines of the builds, and refresh the open pipelines. Raises nothing."""
        assignment = PipelineAssignment()
        for app, identity in self._pipelines_to_read(open_pipelines):
            await self._read_pipeline(app, identity, assignment)
        unassigned = [build for build in builds if not self._is_assigned(build)]
        for app in sorted({build.app_slug for build in unassigned}):
            await self._assign_builds_of(
                app, [build for build in unassigned if build.app_slug == app], assignment
            )
        left_out = {
            build.slug
            for build in unassigned
            if not self._is_assigned(build) and self._should_wait(build.app_slug)
        }
        first_end = min(
            (build.finished_at for build in builds if build.slug in left_out and build.finished_at),
            default=None,
        )
        if first_end is not None:
            # Whatever finished later waits too: a channel is notified in the order of ending.
            left_out |= {
                build.slug for build in builds if build.finished_at and build.finished_at > first_end
            }
        assignment.builds = [self._with_ref(build) for build in builds if build.slug not in left_out]
        assignment.left_out = bool(left_out)
        if not left_out:
            assignment.failure = None
        return assignment

    def _pipelines_to_read(self, pipelines: Sequence[Pipeline | FollowedPipeline]) -> list[tuple[str, str]]:
        """Return the app and id of each pipeline to read in this poll; if there are too many, they take turns."""
        now = self._clock()
        due = dict.fromkeys(
            (pipeline.app_slug, pipeline.id)
            for pipeline in pipelines
            if self._not_before.get(pipeline.id, now) <= now
        )
        waiting = list(due)
        start = self._turn % len(waiting) if len(waiting) > MAX_OPEN_PER_POLL else 0
        self._turn = start + MAX_OPEN_PER_POLL
        return [*waiting[start:], *waiting[:start]][:MAX_OPEN_PER_POLL]

    async def _assign_builds_of(
        self, app: str, builds: Sequence[Build], assignment: PipelineAssignment
    ) -> None:
        now = self._clock()
        if self._not_before.get(app, now) > now:
            self._remember((build.slug, None) for build in builds)
            return
        if not self._may_list_pipelines(app, builds, now):
            log.debug("pipelines.asked_later", app=app)
            return
        try:
            listed = await self._bitrise.pipelines(app, limit=LONGEST_PAGE)
        except (Forbidden, NotFound, RequestRejected) as reason:
            log.info("pipelines.none", app=app, reason=str(reason))
            self._not_before[app] = self._clock() + RETRY_AFTER
            self._remember((build.slug, None) for build in builds)
            return
        except ProviderError as failure:
            self._record_failure(app, failure, assignment)
            return
        if listed:
            self._with_pipelines.add(app)
        else:
            self._with_pipelines.discard(app)
        for identity in listed[:MAX_LISTED]:
            if not await self._read_pipeline(app, identity, assignment):
                return
        self._failures.pop(app, None)
        self._remember(
            (build.slug, self._ref_of(build)) for build in builds if not self._should_wait_for_listing(build)
        )

    def _may_list_pipelines(self, app: str, builds: Sequence[Build], now: datetime) -> bool:
        """Return whether the app's pipelines may be listed now for these builds."""
        if any(build.pipeline_id for build in builds):
            return True
        return app in self._with_pipelines or self._budgets.setdefault(app, _RequestBudget(now)).take(now)

    def _is_assigned(self, build: Build) -> bool:
        """Return whether it is known which pipeline the build belongs to, if any.

        A build that names a pipeline which is not known is looked up again, up to a limit.
        """
        if build.slug not in self._refs:
            return False
        unknown = bool(build.pipeline_id) and self._ref_of(build) is None
        return not unknown or self._unlisted.get(build.slug, 0) >= POLLS_UNTIL_LISTED

    def _should_wait_for_listing(self, build: Build) -> bool:
        """Count this poll, and return whether to wait for the pipeline that the build names and that is not listed."""
        if not build.pipeline_id or self._ref_of(build) is not None:
            return False
        polls = self._unlisted[build.slug] = self._unlisted.get(build.slug, 0) + 1
        if polls >= POLLS_UNTIL_LISTED:
            log.info("pipelines.not_listed", build=build.slug)
        return polls < POLLS_UNTIL_LISTED

    def _ref_of(self, build: Build) -> PipelineRef | None:
        ref = self._refs.get(build.slug)
        return ref or (self._by_workflow.get(build.pipeline_id) if build.pipeline_id else None)

    async def _read_pipeline(self, app: str, identity: str, assignment: PipelineAssignment) -> bool:
        """Read one pipeline, once per poll; return whether it could be read or certainly does not exist."""
        if identity in assignment.pipelines:
            return True
        try:
            pipeline = await self._bitrise.pipeline(app, identity)
        except (Forbidden, NotFound):
            assignment.gone.append(identity)
            self._record_absence(identity)
            return True
        except ProviderError as failure:
            self._record_failure(app, failure, assignment)
            return False
        assignment.pipelines[identity] = pipeline
        self._absent.pop(identity, None)
        self._remember(
            (workflow.build_slug, pipeline.ref) for workflow in pipeline.workflows if workflow.build_slug
        )
        self._by_workflow.update(
            (workflow.id, pipeline.ref) for workflow in pipeline.workflows if workflow.id
        )
        return True

    def _record_absence(self, identity: str) -> None:
        """Record that a pipeline was not found: it is requested in the next polls, and then rarely."""
        polls = self._absent[identity] = self._absent.get(identity, 0) + 1
        if polls >= POLLS_UNTIL_LISTED:
            self._not_before[identity] = self._clock() + RETRY_AFTER
        if len(self._absent) > MAX_CACHED:
            self._not_before.pop(self._absent.popitem(last=False)[0], None)

    def _record_failure(self, app: str, failure: ProviderError, assignment: PipelineAssignment) -> None:
        if not isinstance(failure, RateLimited):
            self._failures[app] = self._failures.get(app, 0) + 1
        log.warning("pipelines.not_read", app=app, reason=str(failure), failures=self._failures.get(app, 0))
        assignment.failure = failure

    def _should_wait(self, app: str) -> bool:
        return self._failures.get(app, 0) < MAX_FAILURES

    def _with_ref(self, build: Build) -> Build:
        ref = self._ref_of(build)
        return build if ref is None else build.model_copy(update={"pipeline": ref})

    def _remember(self, refs: Iterable[tuple[str, PipelineRef | None]]) -> None:
        self._refs.update(refs)
