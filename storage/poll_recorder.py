"""The one transaction of the watcher: build states, how far it has read, and what is owed to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import sqlite_utils

from domain.build import Build, BuildChange, BuildState
from domain.build_author import NameDirectory
from domain.build_sanitizer import sanitize_builds
from domain.failure_streak import StreakState
from domain.log.failure import failure_from_text
from domain.notification import NewNotification
from domain.poll_state import PollSnapshot, Snapshot
from domain.provider import Provider
from domain.run_messages import RunMessages
from domain.subscription import Subscription
from storage.app_snapshots import split_outdated, store_snapshot
from storage.database import Database
from storage.empty_pipelines import end_runs_without_builds
from storage.failure_analyses import schedule_analyses, store_failure
from storage.failure_streaks import advance_streaks
from storage.outbox import enqueue
from storage.pipelines import forget_pipelines, save_pipelines
from storage.slack_messages import refresh_messages_before_end
from storage.subscriptions import subscriptions_of_apps
from storage.timestamps import from_text, to_text
from storage.user_profiles import name_directories
from storage.watched_builds import by_slugs, known_states, save_builds

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
    """Turns a sighting into changes and notifications, all at once or not at all."""

    def __init__(
        self, database: Database, *, compare: Compare, match: Match, run_messages: RunMessages
    ) -> None:
        self._database = database
        self._compare = compare
        self._match = match
        self._run_messages = run_messages

    async def record(self, sighting: PollSnapshot, *, at: datetime) -> Sequence[BuildChange]:
        """Compare the sighting with what is known, write what changed and what it makes owed.

        Returns the changes. The comparing happens inside the transaction, so no subscription that comes or goes
        meanwhile is missed or told in vain.
        """
        return await self._database.write(lambda db: self._record(db, sighting, at))

    async def enqueue(self, owed: Sequence[NewNotification], *, at: datetime) -> None:
        """Owe what time alone has brought about."""
        await self._database.write(lambda db: enqueue(db, owed, at))

    def _record(
        self, db: sqlite_utils.Database, sighting: PollSnapshot, at: datetime
    ) -> Sequence[BuildChange]:
        snapshots, outdated = split_outdated(db, sighting.provider, sighting.snapshots)
        _begin(db, sighting.provider, snapshots)
        builds = [build for build in sighting.builds if build.app_slug not in outdated]
        changes = self._compare(
            builds,
            known_states(db, sighting.provider, [build.slug for build in builds]),
            _baselines(db, sighting),
        )
        if changes:
            kept = sanitize_builds(change.build for change in changes)
            changes = [
                BuildChange(build=build, was=change.was) for build, change in zip(kept, changes, strict=True)
            ]
            # In order of ending: so a series goes on, and so everybody is told.
            changes = sorted(changes, key=lambda change: _end(change.build))
            standings = advance_streaks(db, [change.build for change in changes if change.build.ended])
            save_builds(db, [change.build for change in changes], standings)
            apps = sorted({change.build.app_slug for change in changes})
            subscriptions = subscriptions_of_apps(db, sighting.provider, apps)
            names = name_directories(db, {one.team for one in subscriptions})
            owed = self._match(changes, standings, subscriptions, names, at)
            enqueue(db, owed, at)
            gone_on = [change.build.slug for change in changes if change.was is not None]
            refresh_messages_before_end(db, sighting.provider, gone_on)
            told = {one.build_slug for one in owed}
            failed = [change.build for change in changes if change.build.state is BuildState.FAILED]
            for build in failed:
                if build.problem:
                    store_failure(db, build.provider, build.slug, failure_from_text(build.problem))
            if sighting.logs:
                schedule_analyses(db, sighting.provider, [one.slug for one in failed if one.slug in told], at)
        for snapshot in snapshots:
            store_snapshot(db, sighting.provider, snapshot.app_slug, snapshot.body)
        # After what is owed: the end of a pipeline lets go what has waited for it, that of its last build too.
        save_pipelines(db, sighting.pipelines)
        end_runs_without_builds(db, sighting.pipelines, at, self._run_messages)
        forget_pipelines(db, sighting.provider, sighting.pipelines_gone)
        _store_poll_state(db, sighting)
        return changes


def _begin(db: sqlite_utils.Database, provider: Provider, snapshots: Sequence[Snapshot]) -> None:
    """Know what is there of apps whose watching begins with this look; nobody is told of it."""
    for one in snapshots:
        if one.was is None:
            builds = sanitize_builds(one.begins)
            save_builds(db, builds, advance_streaks(db, [build for build in builds if build.ended]))
            # What the snapshot does not show is new, whenever the provider's clock says that it began.
            db.execute(
                "UPDATE watched_apps SET baseline_at = NULL WHERE provider = ? AND app_slug = ?",
                [provider, one.app_slug],
            )


def _end(build: Build) -> tuple[datetime, int]:
    return build.finished_at or build.triggered_at or _LONG_AGO, build.number or 0


def _baselines(db: sqlite_utils.Database, sighting: PollSnapshot) -> dict[str, datetime | None]:
    query = "SELECT app_slug, baseline_at FROM watched_apps WHERE provider = ? AND app_slug IN ({marks})"
    slugs = sorted({build.app_slug for build in sighting.builds})
    return {slug: from_text(at) for slug, at in by_slugs(db, query, sighting.provider, slugs)}


def _store_poll_state(db: sqlite_utils.Database, sighting: PollSnapshot) -> None:
    provider = sighting.provider
    db.conn.executemany(
        "UPDATE watched_apps SET joined = 1 WHERE provider = ? AND app_slug = ?",
        [(provider, slug) for slug in sighting.joined],
    )
    db.conn.executemany(
        "UPDATE watched_apps SET joined = 0 WHERE provider = ? AND app_slug = ?",
        [(provider, slug) for slug in sighting.unjoined],
    )
    db.conn.executemany(
        "UPDATE builds SET misses = misses + 1 WHERE provider = ? AND build_slug = ?",
        [(provider, slug) for slug in sighting.missed],
    )
    db.conn.executemany(
        "DELETE FROM builds WHERE provider = ? AND build_slug = ? AND ended = 0",
        [(provider, slug) for slug in sighting.forgotten],
    )
    db.execute(
        "INSERT INTO looks (token, per_app_since, seen_until) VALUES (?, ?, ?) ON CONFLICT (token) DO UPDATE"
        " SET per_app_since = excluded.per_app_since, seen_until = excluded.seen_until"
        " WHERE per_app_since IS NOT excluded.per_app_since OR seen_until IS NOT excluded.seen_until",
        [sighting.token, to_text(sighting.per_app_since), to_text(sighting.seen_until)],
    )
