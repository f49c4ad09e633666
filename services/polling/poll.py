"""One poll of a provider: load the stored state, read the build source, and record the result in one transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.build import BuildChange, BuildState
from domain.notifications.matching import DurationLimits, find_overdue
from domain.poll_state import PolledApp, PollSnapshot, PollState
from domain.polling import BuildSource, CachedResponse, PollInput, PollResult
from services.polling.poll_schedule import PollSchedule
from storage.database import DatabaseUnavailable
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories


@dataclass(frozen=True)
class PollOutcome:
    """The result of a poll. `running`: something has not ended yet, or waits for the next poll.

    `overdue`: a build takes too long. `pipelines`: a pipeline has changed, so messages about it need an edit.
    """

    changes: Sequence[BuildChange] = ()
    running: bool = False
    overdue: bool = False
    pipelines: bool = False


class Poll:
    """Polls a provider with one token; each call is one poll, and calls never overlap.

    `max_apps`: the number of apps that one poll reads individually; the others take turns. `schedule` knows whether
    another bot has polled meanwhile: then nothing counts that was remembered.
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
        max_apps: int = 100,
        schedule: PollSchedule | None = None,
    ) -> None:
        self._source = reader
        self._provider = reader.provider
        self._storage = storage
        self._recorder = recorder
        self._token = token
        self._clock = clock
        self._provider_clock = provider_clock or clock
        self._schedule = schedule or PollSchedule(storage, reader.provider, token)
        self._state: PollState | None = None
        self._apps: Mapping[str, PolledApp] | None = None
        self._unjoined: Sequence[str] = ()
        self._revision = -1
        self._responses: dict[str, CachedResponse] = {}
        self._duration_limits = DurationLimits()
        self._notified_overdue: set[tuple[int, str, str]] = set()
        self._max_apps = max_apps
        self._last_read = ""

    async def __call__(self) -> PollOutcome:
        """Poll once and record the result.

        Raises ProviderError if part of the poll failed: what was read before is still recorded, and nothing counts
        as read that was not. Raises PollSuperseded if another bot has polled meanwhile.
        """
        if not self._schedule.is_continued:
            self._forget()
        try:
            return await self._poll()
        except DatabaseUnavailable:
            # The state in memory may be older or newer than what is stored.
            self._state, self._apps, self._revision = None, None, -1
            raise

    def _forget(self) -> None:
        self._state, self._apps, self._revision = None, None, -1
        self._responses.clear()
        self._notified_overdue.clear()
        self._last_read = self._schedule.current.last_read

    async def _poll(self) -> PollOutcome:
        state = await self._current_state()
        if not state.apps:
            return PollOutcome()
        result = await self._source.gather(
            PollInput(
                state=state,
                now=self._clock(),
                unjoined=self._unjoined,
                last=lambda key: self._responses.get(key, CachedResponse()),
                whose_turn=self._select_apps,
                states=self._load_states,
            )
        )
        changes = await self._record(state, result)
        if result.failure is not None:
            raise result.failure
        has_overdue = await self._enqueue_overdue()
        after = await self._current_state()
        followed = {pipeline.id for pipeline in after.followed} & {
            pipeline.id for pipeline in after.pipelines
        }
        running = result.waiting or bool(after.open_builds or followed)
        pipelines_changed = bool(result.pipelines or result.pipelines_gone)
        return PollOutcome(changes, running=running, overdue=has_overdue, pipelines=pipelines_changed)

    async def _current_state(self) -> PollState:
        revision = self._schedule.revision
        if self._state is None or self._revision != revision:
            # The apps are read again only if subscriptions have changed: there can be ten thousand.
            known = self._apps if self._revision == revision else None
            self._revision = revision
            self._state = await self._storage.watched_builds.state(self._token, self._provider, known)
            if known is None:
                self._duration_limits = DurationLimits(
                    await self._storage.subscriptions.with_limits(self._provider)
                )
                self._unjoined = [slug for slug, app in self._state.apps.items() if not app.joined]
            self._apps = None if self._state.per_app_since else self._state.apps
        return self._state

    async def _load_states(self, slugs: Sequence[str]) -> Mapping[str, BuildState]:
        return await self._storage.watched_builds.states(self._provider, slugs)

    def _select_apps(self, slugs: Sequence[str], *, first: Collection[str] = ()) -> Sequence[str]:
        """Return as many apps as one poll may read, in turn; `first` ones get up to half of the places."""
        ordered = sorted(slugs)
        start = bisect_right(ordered, self._last_read)
        in_turn = [*ordered[start:], *ordered[:start]]
        preferred = [slug for slug in in_turn if slug in first][: self._max_apps // 2]
        chosen = [slug for slug in in_turn if slug not in preferred][: self._max_apps - len(preferred)]
        if chosen:
            self._last_read = chosen[-1]
            self._schedule.note_last_read(self._last_read)
        return [*preferred, *chosen]

    async def _enqueue_overdue(self) -> bool:
        """Enqueue notifications of builds on hold or running for too long; return whether there was a new one."""
        if not self._duration_limits:
            return False
        storage, now = self._storage, self._clock()
        builds = await storage.watched_builds.open_builds(self._provider)
        provider_now = self._provider_clock()
        exceeded = self._duration_limits.exceeded(builds, provider_now)
        names = await storage.subscriptions.names(limit.subscription for limit in exceeded)
        overdue = {
            (notification.subscription_id, notification.build_slug, notification.event): notification
            for notification in find_overdue(exceeded, names, provider_now)
        }
        new = [notification for key, notification in overdue.items() if key not in self._notified_overdue]
        if new:
            await self._recorder.enqueue(new, at=now)
        self._notified_overdue = set(overdue)
        return bool(new)

    async def _record(self, state: PollState, result: PollResult) -> Sequence[BuildChange]:
        joined = [slug for slug in result.joined if not state.apps[slug].joined]
        unjoined = sorted(set(state.apps) - set(result.joined)) if result.catching_up else ()
        snapshot = PollSnapshot(
            token=self._token,
            provider=self._provider,
            builds=tuple(result.builds),
            joined=tuple(joined),
            missed=tuple(result.missed),
            forgotten=tuple(result.forgotten),
            unjoined=tuple(unjoined),
            per_app_since=result.per_app_since,
            seen_until=result.seen_until,
            pipelines=tuple(result.pipelines),
            pipelines_gone=tuple(result.pipelines_gone),
            snapshots=tuple(result.snapshots),
            logs=self._source.logs,
        )
        if _is_unchanged(snapshot, state):
            self._responses.update(result.answers)
            return ()
        changes = await self._recorder.record(snapshot, at=self._clock(), polled=self._schedule.guard)
        self._schedule.note_recorded()
        # Responses are cached only after the result is stored: a cached response is skipped in the next poll.
        self._responses.update(result.answers)
        self._state = None
        if joined or unjoined:
            self._apps = None
        return changes


def _is_unchanged(snapshot: PollSnapshot, state: PollState) -> bool:
    content = (snapshot.builds, snapshot.joined, snapshot.missed, snapshot.forgotten)
    return (
        not any((*content, snapshot.pipelines, snapshot.pipelines_gone, snapshot.snapshots))
        and snapshot.per_app_since == state.per_app_since
        and snapshot.seen_until == state.seen_until
    )
