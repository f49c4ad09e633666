"""Poll everything that one token can see at Bitrise: cheap if nothing happened, complete if something did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from domain.build import Build
from domain.poll_state import Baseline
from domain.polling import PollInput, PollResult
from domain.provider_errors import Forbidden, NotFound, ProviderError, RequestRejected, TooLarge
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.polling.builds import (
    ListRead,
    ListUnreliable,
    newest_trigger_time,
    read_all_apps,
    read_one_app,
    refresh_open_builds,
)
from providers.bitrise.polling.pipeline_resolver import PipelineResolver
from providers.bitrise.provider import BITRISE

log = structlog.get_logger()


async def read_baseline(bitrise: BitriseClient, app_slug: str) -> Baseline:
    """Read the app's newest builds and all open ones. None of them is notified now; the open ones are followed.

    Raises ProviderError.
    """
    # Open builds are read last: a build that starts between the two requests is newer than the baseline, and one
    # that ends between them is open in the first response, so its end is still noticed.
    builds: dict[str, Build] = {}
    page = await bitrise.builds(app_slug).page()
    builds.update((build.slug, build) for build in page.items)
    newest = newest_trigger_time(builds.values())
    async for page in bitrise.builds(app_slug, BuildListParams(status=0)).pages():
        if any(build.ended for build in page.items):
            break  # a server that ignores the filter would otherwise be read to its first build
        builds.update((build.slug, build) for build in page.items if build.slug not in builds)
    return Baseline(builds=tuple(builds.values()), at=newest)


# If a token or server refuses the list of all apps' builds, retry after this.
RETRY_AFTER = timedelta(days=1)
_ALL_APPS = ""


class BitriseBuildSource:
    """Reads the list of all apps' builds, or each app's own, refreshes open builds, and assigns builds to pipelines."""

    provider = BITRISE
    logs = True

    def __init__(self, bitrise: BitriseClient, *, clock: Callable[[], datetime]) -> None:
        self._bitrise = bitrise
        self._pipelines = PipelineResolver(bitrise, clock=clock)

    async def baseline(self, app_slug: str) -> Baseline:
        """Return the app's newest builds and all open ones. Raises ProviderError."""
        return await read_baseline(self._bitrise, app_slug)

    async def probe(self) -> None:
        """Check with one small request that Bitrise responds. Raises ProviderError."""
        with suppress(NotFound):  # the API responded
            await self._bitrise.probe()

    async def gather(self, known: PollInput) -> PollResult:
        """Poll for changes; a failure is part of the result, with what was read before it."""
        state = known.state
        result = PollResult(seen_until=state.seen_until, per_app_since=state.per_app_since)
        try:
            await self._read_lists(known, result)
            await self._read_open_builds(known, result)
        except ProviderError as failure:
            result.failure = failure
        await self._assign_pipelines(known, result)
        return result

    async def _read_lists(self, known: PollInput, result: PollResult) -> None:
        state = known.state
        # The list of all apps is read down to `seen_until`; without that, it has not caught up with any app yet.
        all_caught_up = state.per_app_since is None and state.seen_until is not None
        if state.per_app_since is None or known.now - state.per_app_since > RETRY_AFTER:
            all_caught_up &= await self._read_all(known, result)
            # From now on the list of all apps is used, but only for apps that this poll reads by themselves.
            result.catching_up = not all_caught_up and result.per_app_since is None
        by_themselves = known.unjoined if all_caught_up else list(state.apps)
        for slug in known.whose_turn(by_themselves):
            watched = state.apps[slug]
            try:
                _add_list(result, slug, await read_one_app(self._bitrise, watched, known.last(slug)))
            except (Forbidden, NotFound) as reason:
                # One app that the token can no longer see must not stop the others from being read.
                log.warning("watch.app_not_seen", app=slug, reason=str(reason))
            else:
                result.joined.append(slug)

    async def _read_all(self, known: PollInput, result: PollResult) -> bool:
        """Read the list of all apps' builds; return whether it is reliable."""
        state = known.state
        if state.per_app_since is not None:
            state = state.model_copy(update={"seen_until": None})
        try:
            read = await read_all_apps(self._bitrise, state, known.last(_ALL_APPS))
        except (ListUnreliable, Forbidden, NotFound, RequestRejected, TooLarge) as reason:
            log.warning("watch.each_app_by_itself", reason=str(reason))
            result.per_app_since = known.now
            return False
        _add_list(result, _ALL_APPS, read)
        result.seen_until, result.per_app_since = read.newest, None
        return True

    async def _read_open_builds(self, known: PollInput, result: PollResult) -> None:
        open_builds = known.state.open_builds
        if not open_builds:
            return
        listed = frozenset().union(*(answer.listed for answer in result.answers.values()))
        seen = {build.slug for build in result.builds} | listed
        refreshed = await refresh_open_builds(
            self._bitrise, [build for build in open_builds.values() if build.slug not in seen]
        )
        result.builds += refreshed.builds
        result.miss([open_builds[slug] for slug in refreshed.missed])
        if refreshed.failure is not None:
            raise refreshed.failure

    async def _assign_pipelines(self, known: PollInput, result: PollResult) -> None:
        """Leave out unchanged builds, and assign the others to their pipelines.

        Those that can't be assigned now are left to the next poll.
        """
        state = known.state
        if not result.builds and not state.pipelines and not state.followed:
            return
        states = await known.states([build.slug for build in result.builds])
        # Most of what a list contains was there in the last poll, too.
        changed = [build for build in result.builds if states.get(build.slug) is not build.state]
        assignment = await self._pipelines.assign(changed, [*state.followed, *state.pipelines])
        result.builds = assignment.builds
        before = {(pipeline.id, pipeline.attempt): pipeline for pipeline in state.pipelines}
        result.pipelines = [
            pipeline
            for pipeline in assignment.pipelines.values()
            if before.get((pipeline.id, pipeline.attempt)) != pipeline
        ]
        result.pipelines_gone = [
            pipeline.id for pipeline in state.pipelines if pipeline.id in assignment.gone
        ]
        result.waiting = assignment.left_out
        if assignment.left_out:
            result.failure = result.failure or assignment.failure
            result.answers.clear()
            result.joined.clear()
            result.seen_until, result.per_app_since = state.seen_until, state.per_app_since
            result.catching_up = False


def _add_list(result: PollResult, key: str, read: ListRead) -> None:
    result.builds += read.builds
    result.answers[key] = read.first
