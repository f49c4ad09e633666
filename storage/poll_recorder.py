"""Records a poll in one transaction: build states, poll position, and new notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from domain.build import Build, BuildChange, BuildState
from domain.build_author import NameDirectory
from domain.build_sanitizer import sanitize_builds
from domain.failure_streak import StreakState
from domain.log.failure import failure_from_text
from domain.message import RunMessages
from domain.notification import NewNotification
from domain.poll_state import PollSnapshot, Snapshot
from domain.provider import Provider
from domain.subscription import Subscription
from domain.unit import Unit
from storage.app_snapshots import split_outdated, store_snapshot
from storage.connection import Connection
from storage.database import Database
from storage.empty_pipelines import end_runs_without_builds
from storage.failure_analyses import schedule_analyses, store_failure
from storage.outbox import enqueue
from storage.pipelines import forget_pipelines, save_pipelines
from storage.polls import advance_poll
from storage.slack_messages import refresh_messages_before_end
from storage.subscriptions import subscriptions_to_match, teams_with_authors
from storage.timestamps import from_text, to_text
from storage.user_profiles import name_directories
from storage.watched_builds import advance_streaks, by_slugs, known_states, lock_watching, save_builds

Compare = Callable[
    [Sequence[Build], Mapping[str, BuildState], Mapping[str, datetime | None]], Sequence[BuildChange]
]
Match = Callable[
    [
        Sequence[BuildChange],
        Mapping[str, StreakState],
        Sequence[Subscription],
        Mapping[str, NameDirectory],
        datetime,
    ],
    Sequence[NewNotification],
]

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class PollRecorder:
    """Turns a poll into changes and notifications in one transaction."""

    def __init__(
        self, database: Database, *, compare: Compare, match: Match, run_messages: RunMessages
    ) -> None:
        self._database = database
        self._compare = compare
        self._match = match
        self._run_messages = run_messages

    async def record(
        self, poll: PollSnapshot, *, at: datetime, polled: int | None = None
    ) -> Sequence[BuildChange]:
        """Compare a poll with the stored state, store the changes, and enqueue notifications. Returns the changes.

        This happens in one transaction, so that a subscription added or removed at the same time is neither missed nor
        notified in vain. `polled`: the number of polls with the token, as the poll has read it. Raises PollSuperseded,
        and stores nothing, if it has changed since: what the poll compares with may be too old.
        """
        return await self._database.write(lambda db: self._record(db, poll, at, polled))

    async def enqueue(self, notifications: Sequence[NewNotification], *, at: datetime) -> None:
        """Enqueue notifications that are caused by time alone."""

        def work(db: Connection) -> None:
            lock_watching(db, (notification.provider for notification in notifications))
            enqueue(db, notifications, at)

        await self._database.write(work)

    def _record(
        self, db: Connection, poll: PollSnapshot, at: datetime, polled: int | None
    ) -> Sequence[BuildChange]:
        lock_watching(db, [poll.provider])
        if polled is not None:
            advance_poll(db, poll.token, polled)
        snapshots, outdated = split_outdated(db, poll.provider, poll.snapshots)
        _store_first_snapshots(db, poll.provider, snapshots)
        builds = [build for build in poll.builds if build.app_slug not in outdated]
        changes = self._compare(
            builds,
            known_states(db, poll.provider, [build.slug for build in builds]),
            _baselines(db, poll),
        )
        if changes:
            sanitized = sanitize_builds(change.build for change in changes)
            changes = [
                BuildChange(build=build, was=change.was)
                for build, change in zip(sanitized, changes, strict=True)
            ]
            # In order of their end: streaks advance and notifications are enqueued in this order.
            changes = sorted(changes, key=lambda change: _end(change.build))
            standings = advance_streaks(db, [change.build for change in changes if change.build.ended])
            save_builds(db, [change.build for change in changes], standings)
            subscriptions = subscriptions_to_match(db, changes, standings)
            names = name_directories(db, teams_with_authors(subscriptions))
            notifications = self._match(changes, standings, subscriptions, names, at)
            enqueue(db, notifications, at)
            progressed = [change.build.slug for change in changes if change.was is not None]
            refresh_messages_before_end(db, poll.provider, progressed)
            notified = {notification.build_slug for notification in notifications}
            if any(change.build.ended for change in changes):
                db.wake(Unit.CONCLUDE_STEP)
            failed = [change.build for change in changes if change.build.state is BuildState.FAILED]
            for build in failed:
                if build.problem:
                    store_failure(db, build.provider, build.slug, failure_from_text(build.problem))
            if poll.logs:
                schedule_analyses(
                    db, poll.provider, [build.slug for build in failed if build.slug in notified], at
                )
        for snapshot in snapshots:
            store_snapshot(db, poll.provider, snapshot.app_slug, snapshot.body)
        # After enqueueing: the end of a pipeline also releases the notification of its last build.
        save_pipelines(db, poll.pipelines)
        end_runs_without_builds(db, poll.pipelines, at, self._run_messages)
        forget_pipelines(db, poll.provider, poll.pipelines_gone)
        _store_poll_state(db, poll)
        return changes


def _store_first_snapshots(db: Connection, provider: Provider, snapshots: Sequence[Snapshot]) -> None:
    """Store the existing builds of apps that this poll covers for the first time, without notifications."""
    for snapshot in snapshots:
        if snapshot.was is None:
            builds = sanitize_builds(snapshot.begins)
            save_builds(db, builds, advance_streaks(db, [build for build in builds if build.ended]))
            # Builds that are not in the snapshot are new, whatever the provider's clock says.
            db.execute(
                "UPDATE watched_apps SET baseline_at = NULL WHERE provider = ? AND app_slug = ?",
                [provider, snapshot.app_slug],
            )


def _end(build: Build) -> tuple[datetime, int]:
    return build.finished_at or build.triggered_at or _LONG_AGO, build.number or 0


def _baselines(db: Connection, poll: PollSnapshot) -> dict[str, datetime | None]:
    query = "SELECT app_slug, baseline_at FROM watched_apps WHERE provider = ? AND app_slug IN ({marks})"
    slugs = sorted({build.app_slug for build in poll.builds})
    return {slug: from_text(at) for slug, at in by_slugs(db, query, poll.provider, slugs)}


def _store_poll_state(db: Connection, poll: PollSnapshot) -> None:
    provider = poll.provider
    db.executemany(
        "UPDATE watched_apps SET joined = 1 WHERE provider = ? AND app_slug = ?",
        [(provider, slug) for slug in poll.joined],
    )
    db.executemany(
        "UPDATE watched_apps SET joined = 0 WHERE provider = ? AND app_slug = ?",
        [(provider, slug) for slug in poll.unjoined],
    )
    db.executemany(
        "UPDATE builds SET misses = misses + 1 WHERE provider = ? AND build_slug = ?",
        [(provider, slug) for slug in poll.missed],
    )
    db.executemany(
        "DELETE FROM builds WHERE provider = ? AND build_slug = ? AND ended = 0",
        [(provider, slug) for slug in poll.forgotten],
    )
    db.execute(
        "INSERT INTO looks (token, per_app_since, seen_until) VALUES (?, ?, ?) ON CONFLICT (token) DO UPDATE"
        " SET per_app_since = excluded.per_app_since, seen_until = excluded.seen_until"
        " WHERE COALESCE(looks.per_app_since, '') <> COALESCE(excluded.per_app_since, '')"
        " OR COALESCE(looks.seen_until, '') <> COALESCE(excluded.seen_until, '')",
        [poll.token, to_text(poll.per_app_since), to_text(poll.seen_until)],
    )
