"""One look at a provider: what is known, what a reader sees, and all of it recorded at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.build import BuildChange, BuildState
from domain.notifications.matching import find_overdue
from domain.poll_state import PolledApp, PollSnapshot, PollState
from domain.polling import BuildSource, CachedResponse, PollInput, PollResult
from domain.subscription import Subscription
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories


@dataclass(frozen=True)
class PollOutcome:
    """What a look has found; `running`: whether something has not ended yet, or waits for the next look.

    `overdue`: something takes too long. `pipelines`: one has gone on, so that messages about it are to be changed.
    """

    changes: Sequence[BuildChange] = ()
    running: bool = False
    overdue: bool = False
    pipelines: bool = False


class Poll:
    """Looks at what one token sees, again and again; never called while a call is under way.

    `most_apps`: so many are read by themselves in one look, the others when their turn comes.
    """

    def __init__(
        self,
        reader: BuildSource,
        storage: Repositories,
        recorder: PollRecorder,
        *,
        token: str,
        clock: Callable[[], datetime],
        provider_clock: Callable[[], datetime] | None = None,
        most_apps: int = 100,
    ) -> None:
        self._reader = reader
        self._provider = reader.provider
        self._storage = storage
        self._recorder = recorder
        self._token = token
        self._clock = clock
        self._provider_clock = provider_clock or clock
        self._state: PollState | None = None
        self._apps: Mapping[str, PolledApp] | None = None
        self._unjoined: Sequence[str] = ()
        self._revision = -1
        self._answers: dict[str, CachedResponse] = {}
        self._limits: list[Subscription] = []
        self._reminded: set[tuple[int, str, str]] = set()
        self._most_apps = most_apps
        self._turn = ""

    async def __call__(self) -> PollOutcome:
        """Look once, and record what was seen.

        Raises ProviderError where part of the look failed: what was seen before is recorded all the same, and
        nothing counts as read that was not.
        """
        state = await self._current_state()
        if not state.apps:
            return PollOutcome()
        gathered = await self._reader.gather(
            PollInput(
                state=state,
                now=self._clock(),
                unjoined=self._unjoined,
                last=lambda key: self._answers.get(key, CachedResponse()),
                whose_turn=self._whose_turn,
                states=self._states,
            )
        )
        changes = await self._record(state, gathered)
        if gathered.failure is not None:
            raise gathered.failure
        reminded = await self._enqueue_overdue()
        after = await self._current_state()
        followed = {one.id for one in after.followed} & {one.id for one in after.pipelines}
        running = gathered.waiting or bool(after.open_builds or followed)
        went_on = bool(gathered.pipelines or gathered.pipelines_gone)
        return PollOutcome(changes, running=running, overdue=reminded, pipelines=went_on)

    async def _current_state(self) -> PollState:
        if self._state is None or self._revision != self._storage.subscriptions.revision:
            # What is watched is read anew only where it may have changed: it can be ten thousand apps.
            known = self._apps if self._revision == self._storage.subscriptions.revision else None
            self._revision = self._storage.subscriptions.revision
            self._state = await self._storage.watched_builds.state(self._token, self._provider, known)
            if known is None:
                self._limits = await self._storage.subscriptions.with_limits(self._provider)
                self._unjoined = [slug for slug, app in self._state.apps.items() if not app.joined]
            self._apps = None if self._state.per_app_since else self._state.apps
        return self._state

    async def _states(self, slugs: Sequence[str]) -> Mapping[str, BuildState]:
        return await self._storage.watched_builds.states(self._provider, slugs)

    def _whose_turn(self, slugs: Sequence[str], *, first: Collection[str] = ()) -> Sequence[str]:
        """As many apps as one look may ask for, each in its turn; what is not read now is read by a later look."""
        ordered = sorted(slugs)
        start = bisect_right(ordered, self._turn)
        in_turn = [*ordered[start:], *ordered[:start]]
        before = [slug for slug in in_turn if slug in first][: self._most_apps // 2]
        chosen = [slug for slug in in_turn if slug not in before][: self._most_apps - len(before)]
        if chosen:
            self._turn = chosen[-1]
        return [*before, *chosen]

    async def _enqueue_overdue(self) -> bool:
        """Owe what time alone has brought about: builds that are on hold, or run, for too long."""
        if not self._limits:
            return False
        storage, now = self._storage, self._clock()
        builds = await storage.watched_builds.open_builds(self._provider)
        names = await storage.subscriptions.names(one.team for one in self._limits)
        owed = {
            (one.subscription_id, one.build_slug, one.event): one
            for one in find_overdue(builds, self._limits, names, self._provider_clock())
        }
        new = [one for key, one in owed.items() if key not in self._reminded]
        if new:
            await self._recorder.enqueue(new, at=now)
        self._reminded = set(owed)
        return bool(new)

    async def _record(self, state: PollState, gathered: PollResult) -> Sequence[BuildChange]:
        joined = [slug for slug in gathered.joined if not state.apps[slug].joined]
        unjoined = sorted(set(state.apps) - set(gathered.joined)) if gathered.catching_up else ()
        sighting = PollSnapshot(
            token=self._token,
            provider=self._provider,
            builds=tuple(gathered.builds),
            joined=tuple(joined),
            missed=tuple(gathered.missed),
            forgotten=tuple(gathered.forgotten),
            unjoined=tuple(unjoined),
            per_app_since=gathered.per_app_since,
            seen_until=gathered.seen_until,
            pipelines=tuple(gathered.pipelines),
            pipelines_gone=tuple(gathered.pipelines_gone),
            snapshots=tuple(gathered.snapshots),
            logs=self._reader.logs,
        )
        if _is_unchanged(sighting, state):
            return ()
        changes = await self._recorder.record(sighting, at=self._clock())
        # Only what is on the disk may be taken for read: an answer remembered earlier would be skipped next time.
        self._answers.update(gathered.answers)
        self._state = None
        if joined or unjoined:
            self._apps = None
        return changes


def _is_unchanged(sighting: PollSnapshot, state: PollState) -> bool:
    found = (sighting.builds, sighting.joined, sighting.missed, sighting.forgotten)
    return (
        not any((*found, sighting.pipelines, sighting.pipelines_gone, sighting.snapshots))
        and sighting.per_app_since == state.per_app_since
        and sighting.seen_until == state.seen_until
    )
