"""One look at all that one token sees: cheap where nothing happened, complete where something did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.bitrise import Bitrise
from bot.build import Build, Change
from bot.http import NoAccess, NotFound, ProviderError, Refused, TooLarge
from bot.pipeline import Pipeline
from bot.provider import Provider
from bot.watch.lists import Answer, CannotRely, ListRead, read_all_apps, read_one_app
from bot.watch.matching import overdue
from bot.watch.open_builds import ask_after
from bot.watch.pipelines import Pipelines
from storage import Recorder, Sighting, Storage, Subscription, WatchedApp, WatchState

log = structlog.get_logger()

# A build that could not be found this many looks in a row is gone from the provider.
MISSES_UNTIL_GONE = 5
# A token or server that refuses the list of all apps is asked for it again after this.
TRIED_AGAIN_AFTER = timedelta(days=1)
_ALL_APPS = ""


@dataclass(frozen=True)
class Seen:
    """What a look has found; `running`: whether some build has not ended yet. `overdue`: something takes too long.

    `pipelines`: one has gone on, so that messages about it are to be changed.
    """

    changes: Sequence[Change] = ()
    running: bool = False
    overdue: bool = False
    pipelines: bool = False


@dataclass
class _Gathered:
    """What one look has gathered so far; `first_pages` by app slug, all apps' under the empty one."""

    builds: list[Build] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    pipelines_gone: list[str] = field(default_factory=list)
    first_pages: dict[str, Answer] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    seen_until: datetime | None = None
    per_app_since: datetime | None = None
    catching_up: bool = False
    failure: ProviderError | None = None

    def add(self, app_slug: str, read: ListRead) -> None:
        self.builds += read.builds
        self.first_pages[app_slug] = read.first


class Look:
    """Looks at one token's builds, again and again; never called while a call is under way."""

    def __init__(
        self,
        bitrise: Bitrise,
        storage: Storage,
        recorder: Recorder,
        *,
        token: str,
        clock: Callable[[], datetime],
        most_apps: int = 100,
    ) -> None:
        self._bitrise = bitrise
        self._storage = storage
        self._recorder = recorder
        self._token = token
        self._clock = clock
        self._state: WatchState | None = None
        self._apps: Mapping[str, WatchedApp] | None = None
        self._unjoined: Sequence[str] = ()
        self._revision = -1
        self._first_pages: dict[str, Answer] = {}
        self._limits: list[Subscription] = []
        self._reminded: set[tuple[int, str, str]] = set()
        self._most_apps = most_apps
        self._turn = ""
        self._pipelines = Pipelines(bitrise, clock=clock)

    async def __call__(self) -> Seen:
        """Look once, and record what was seen.

        Raises ProviderError where part of the look failed: what was seen before is recorded all the same, and
        nothing counts as read that was not.
        """
        state = await self._current_state()
        if not state.apps:
            return Seen()
        gathered = _Gathered(seen_until=state.seen_until, per_app_since=state.per_app_since)
        try:
            await self._read_lists(state, gathered)
            await self._read_open_builds(state, gathered)
        except ProviderError as failure:
            gathered.failure = failure
        await self._place(state, gathered)
        changes = await self._record(state, gathered)
        if gathered.failure is not None:
            raise gathered.failure
        reminded = await self._remind()
        running = bool((await self._current_state()).open_builds)
        went_on = bool(gathered.pipelines or gathered.pipelines_gone)
        return Seen(changes, running=running, overdue=reminded, pipelines=went_on)

    async def _current_state(self) -> WatchState:
        if self._state is None or self._revision != self._storage.subscriptions.revision:
            # What is watched is read anew only where it may have changed: it can be ten thousand apps.
            known = self._apps if self._revision == self._storage.subscriptions.revision else None
            self._revision = self._storage.subscriptions.revision
            self._state = await self._storage.watching.state(self._token, Provider.BITRISE, known)
            if known is None:
                self._limits = await self._storage.subscriptions.with_limits()
                self._unjoined = [slug for slug, app in self._state.apps.items() if not app.joined]
            self._apps = None if self._state.per_app_since else self._state.apps
        return self._state

    async def _read_lists(self, state: WatchState, gathered: _Gathered) -> None:
        # The list of all apps is read down to `seen_until`; without one it has caught up with nobody yet.
        all_caught_up = state.per_app_since is None and state.seen_until is not None
        if state.per_app_since is None or self._clock() - state.per_app_since > TRIED_AGAIN_AFTER:
            all_caught_up &= await self._read_all(state, gathered)
            # From now on the list of all apps is relied on, but only for those that this look reads by themselves.
            gathered.catching_up = not all_caught_up and gathered.per_app_since is None
        by_themselves = self._unjoined if all_caught_up else list(state.apps)
        for slug in self._whose_turn(by_themselves):
            watched = state.apps[slug]
            try:
                gathered.add(slug, await read_one_app(self._bitrise, watched, self._last(slug)))
            except (NoAccess, NotFound) as reason:
                # One app that the token no longer sees must not keep the others from being seen.
                log.warning("watch.app_not_seen", app=slug, reason=str(reason))
            else:
                gathered.joined.append(slug)

    async def _read_all(self, state: WatchState, gathered: _Gathered) -> bool:
        """Read the list of all apps; returns whether it can be relied on."""
        if state.per_app_since is not None:
            state = state.model_copy(update={"seen_until": None})
        try:
            read = await read_all_apps(self._bitrise, state, self._last(_ALL_APPS))
        except (CannotRely, NoAccess, NotFound, Refused, TooLarge) as reason:
            log.warning("watch.each_app_by_itself", reason=str(reason))
            gathered.per_app_since = self._clock()
            return False
        gathered.add(_ALL_APPS, read)
        gathered.seen_until, gathered.per_app_since = read.newest, None
        return True

    def _whose_turn(self, slugs: Sequence[str]) -> Sequence[str]:
        """As many apps as one look may ask for, each in its turn; what is not read now is read by a later look."""
        ordered = sorted(slugs)
        start = bisect_right(ordered, self._turn)
        chosen = [*ordered[start:], *ordered[:start]][: self._most_apps]
        if chosen:
            self._turn = chosen[-1]
        return chosen

    async def _remind(self) -> bool:
        """Owe what time alone has brought about: builds that are on hold, or run, for too long."""
        if not self._limits:
            return False
        storage, now = self._storage, self._clock()
        builds = await storage.watching.open_builds(Provider.BITRISE)
        names = await storage.subscriptions.names(one.team for one in self._limits)
        owed = {
            (one.subscription_id, one.build_slug, one.event): one
            for one in overdue(builds, self._limits, names, now)
        }
        new = [one for key, one in owed.items() if key not in self._reminded]
        if new:
            await self._recorder.owe(new, at=now)
        self._reminded = set(owed)
        return bool(new)

    async def _read_open_builds(self, state: WatchState, gathered: _Gathered) -> None:
        listed = frozenset().union(*(answer.listed for answer in gathered.first_pages.values()))
        seen = {build.slug for build in gathered.builds} | listed
        asked = await ask_after(
            self._bitrise, [one for one in state.open_builds.values() if one.slug not in seen]
        )
        gathered.builds += asked.builds
        for slug in asked.missed:
            gone = state.open_builds[slug].misses + 1 >= MISSES_UNTIL_GONE
            (gathered.forgotten if gone else gathered.missed).append(slug)
        if gathered.forgotten:
            log.warning("watch.builds_gone", builds=gathered.forgotten)
        if asked.failure is not None:
            raise asked.failure

    async def _place(self, state: WatchState, gathered: _Gathered) -> None:
        """See which builds belong to pipelines; those of which that can't be told now are left to the next look."""
        if not gathered.builds and not state.pipelines:
            return
        slugs = [build.slug for build in gathered.builds]
        seen = await self._storage.watching.states(Provider.BITRISE, slugs)
        placed = await self._pipelines.place(gathered.builds, seen, state.pipelines)
        gathered.builds = placed.builds
        known = {(one.id, one.attempt): one for one in state.pipelines}
        gathered.pipelines = [
            one for one in placed.pipelines.values() if known.get((one.id, one.attempt)) != one
        ]
        gathered.pipelines_gone = [one.id for one in state.pipelines if one.id in placed.gone]
        if placed.failure is not None:
            gathered.failure = gathered.failure or placed.failure
            gathered.first_pages.clear()
            gathered.joined.clear()
            gathered.seen_until, gathered.per_app_since = state.seen_until, state.per_app_since
            gathered.catching_up = False

    async def _record(self, state: WatchState, gathered: _Gathered) -> Sequence[Change]:
        joined = [slug for slug in gathered.joined if not state.apps[slug].joined]
        unjoined = sorted(set(state.apps) - set(gathered.joined)) if gathered.catching_up else ()
        sighting = Sighting(
            token=self._token,
            builds=tuple(gathered.builds),
            joined=tuple(joined),
            missed=tuple(gathered.missed),
            forgotten=tuple(gathered.forgotten),
            unjoined=tuple(unjoined),
            per_app_since=gathered.per_app_since,
            seen_until=gathered.seen_until,
            pipelines=tuple(gathered.pipelines),
            pipelines_gone=tuple(gathered.pipelines_gone),
        )
        if _says_nothing_new(sighting, state):
            return ()
        changes = await self._recorder.record(sighting, at=self._clock())
        # Only what is on the disk may be taken for read: an answer remembered earlier would be skipped next time.
        self._first_pages.update(gathered.first_pages)
        self._state = None
        if joined or unjoined:
            self._apps = None
        return changes

    def _last(self, slug: str) -> Answer:
        return self._first_pages.get(slug, Answer())


def _says_nothing_new(sighting: Sighting, state: WatchState) -> bool:
    found = (sighting.builds, sighting.joined, sighting.missed, sighting.forgotten)
    return (
        not any((*found, sighting.pipelines, sighting.pipelines_gone))
        and sighting.per_app_since == state.per_app_since
        and sighting.seen_until == state.seen_until
    )
