"""One look at all that one token sees at Bitrise: cheap where nothing happened, complete where something did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from domain.errors import Forbidden, NotFound, ProviderError, RequestRejected, TooLarge
from domain.poll_state import Baseline
from domain.polling import PollInput, PollResult
from domain.provider import Provider
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.polling.baseline import read_baseline
from providers.bitrise.polling.build_lists import ListRead, ListUnreliable, read_all_apps, read_one_app
from providers.bitrise.polling.open_builds import refresh_open_builds
from providers.bitrise.polling.pipeline_resolver import PipelineResolver

log = structlog.get_logger()

# A token or server that refuses the list of all apps is asked for it again after this.
TRIED_AGAIN_AFTER = timedelta(days=1)
_ALL_APPS = ""


class BitriseBuildSource:
    """Reads the list of all apps' builds, or each app's, asks after builds that are open, and places them."""

    provider = Provider.BITRISE
    logs = True

    def __init__(self, bitrise: BitriseClient, *, clock: Callable[[], datetime]) -> None:
        self._bitrise = bitrise
        self._pipelines = PipelineResolver(bitrise, clock=clock)

    async def baseline(self, app_slug: str) -> Baseline:
        """The app's newest builds and all that have not ended. Raises ProviderError."""
        return await read_baseline(self._bitrise, app_slug)

    async def probe(self) -> None:
        """Find out with one small request whether Bitrise answers. Raises ProviderError."""
        await self._bitrise.probe()

    async def gather(self, known: PollInput) -> PollResult:
        """See what has changed; a failure is in what was gathered, with what was seen before it."""
        state = known.state
        gathered = PollResult(seen_until=state.seen_until, per_app_since=state.per_app_since)
        try:
            await self._read_lists(known, gathered)
            await self._read_open_builds(known, gathered)
        except ProviderError as failure:
            gathered.failure = failure
        await self._place(known, gathered)
        return gathered

    async def _read_lists(self, known: PollInput, gathered: PollResult) -> None:
        state = known.state
        # The list of all apps is read down to `seen_until`; without one it has caught up with nobody yet.
        all_caught_up = state.per_app_since is None and state.seen_until is not None
        if state.per_app_since is None or known.now - state.per_app_since > TRIED_AGAIN_AFTER:
            all_caught_up &= await self._read_all(known, gathered)
            # From now on the list of all apps is relied on, but only for those that this look reads by themselves.
            gathered.catching_up = not all_caught_up and gathered.per_app_since is None
        by_themselves = known.unjoined if all_caught_up else list(state.apps)
        for slug in known.whose_turn(by_themselves):
            watched = state.apps[slug]
            try:
                _add(gathered, slug, await read_one_app(self._bitrise, watched, known.last(slug)))
            except (Forbidden, NotFound) as reason:
                # One app that the token no longer sees must not keep the others from being seen.
                log.warning("watch.app_not_seen", app=slug, reason=str(reason))
            else:
                gathered.joined.append(slug)

    async def _read_all(self, known: PollInput, gathered: PollResult) -> bool:
        """Read the list of all apps; returns whether it can be relied on."""
        state = known.state
        if state.per_app_since is not None:
            state = state.model_copy(update={"seen_until": None})
        try:
            read = await read_all_apps(self._bitrise, state, known.last(_ALL_APPS))
        except (ListUnreliable, Forbidden, NotFound, RequestRejected, TooLarge) as reason:
            log.warning("watch.each_app_by_itself", reason=str(reason))
            gathered.per_app_since = known.now
            return False
        _add(gathered, _ALL_APPS, read)
        gathered.seen_until, gathered.per_app_since = read.newest, None
        return True

    async def _read_open_builds(self, known: PollInput, gathered: PollResult) -> None:
        listed = frozenset().union(*(answer.listed for answer in gathered.answers.values()))
        seen = {build.slug for build in gathered.builds} | listed
        open_builds = known.state.open_builds
        asked = await refresh_open_builds(
            self._bitrise, [one for one in open_builds.values() if one.slug not in seen]
        )
        gathered.builds += asked.builds
        gathered.miss([open_builds[slug] for slug in asked.missed])
        if asked.failure is not None:
            raise asked.failure

    async def _place(self, known: PollInput, gathered: PollResult) -> None:
        """See which builds belong to pipelines; those of which that can't be told now are left to the next look."""
        state = known.state
        if not gathered.builds and not state.pipelines and not state.followed:
            return
        seen = await known.states([build.slug for build in gathered.builds])
        placed = await self._pipelines.assign(gathered.builds, seen, [*state.followed, *state.pipelines])
        gathered.builds = placed.builds
        before = {(one.id, one.attempt): one for one in state.pipelines}
        gathered.pipelines = [
            one for one in placed.pipelines.values() if before.get((one.id, one.attempt)) != one
        ]
        gathered.pipelines_gone = [one.id for one in state.pipelines if one.id in placed.gone]
        gathered.waiting = placed.left_out
        if placed.left_out:
            gathered.failure = gathered.failure or placed.failure
            gathered.answers.clear()
            gathered.joined.clear()
            gathered.seen_until, gathered.per_app_since = state.seen_until, state.per_app_since
            gathered.catching_up = False


def _add(gathered: PollResult, key: str, read: ListRead) -> None:
    gathered.builds += read.builds
    gathered.answers[key] = read.first
