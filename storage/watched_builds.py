"""State between polls: watched apps, builds, failure streaks, and the poll position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from domain.build import App, Build, BuildState, FrozenModel
from domain.build_sanitizer import sanitize_builds
from domain.failure_streak import Streak, StreakState, advance, streak_key
from domain.poll_state import Baseline, OpenBuild, PolledApp, PollState
from domain.provider import Provider
from storage.app_snapshots import forget_snapshot, record_restart, restarts, snapshots, store_snapshot
from storage.connection import Connection
from storage.database import Database
from storage.pipelines import followed_pipelines, open_pipelines
from storage.timestamps import from_text, to_text

_Key = tuple[str, str, str, str]


def advance_streaks(db: Connection, builds: Iterable[Build]) -> dict[str, StreakState]:
    """Advance the streaks by these ended builds, in this order. Returns each build's state by its slug."""
    keyed_builds = [(_key(build), build) for build in builds]
    before = {key: _read(db, key) for key in dict.fromkeys(key for key, _ in keyed_builds)}
    after, states = dict(before), dict[str, StreakState]()
    for key, build in keyed_builds:
        after[key], states[build.slug] = advance(after[key], build)
    db.executemany(
        "INSERT INTO series (provider, app_slug, workflow, branch, body, is_red, green_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (provider, app_slug, workflow, branch) DO UPDATE SET body = excluded.body,"
        " is_red = excluded.is_red, green_at = excluded.green_at",
        [
            (
                *key,
                streak.model_dump_json(exclude_none=True),
                streak.red is not None,
                to_text(streak.green.at) if streak.green else None,
            )
            for key, streak in after.items()
            if streak != before[key]
        ],
    )
    return states


def _key(build: Build) -> _Key:
    return (build.provider, build.app_slug, *streak_key(build))


def _read(db: Connection, key: _Key) -> Streak:
    query = "SELECT body FROM series WHERE provider = ? AND app_slug = ? AND workflow = ? AND branch = ?"
    row = db.execute(query, key).fetchone()
    return Streak.model_validate_json(row[0]) if row else Streak()


# SQLite takes at least 999 parameters in one statement (sqlite.org, "Implementation Limits For SQLite").
_PARAMETERS = 900
# Looking a member up here takes a fifth of the time of `BuildState(…)`, and every poll does it for each listed build.
_STATES = {state.value: state for state in BuildState}


class RecordedBuild(FrozenModel):
    """A build as last polled, and the state of its failure streak once it has ended."""

    build: Build
    standing: StreakState | None = None


class WatchedBuilds:
    """Reads the state of watched apps and their builds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(
        self, token: str, provider: Provider, apps: Mapping[str, PolledApp] | None = None
    ) -> PollState:
        """Return what the next poll with the token needs; `apps` are not read again if given."""
        return await self._database.read(lambda db: _state(db, token, provider, apps))

    async def build(self, provider: Provider, slug: str) -> RecordedBuild | None:
        """Return a build as last polled; None if it was never polled, or too long ago."""
        query = "SELECT body, standing FROM builds WHERE provider = ? AND build_slug = ? AND body <> ''"
        row = await self._database.read(lambda db: db.execute(query, [provider, slug]).fetchone())
        if row is None:
            return None
        standing = StreakState.model_validate_json(row[1]) if row[1] else None
        return RecordedBuild(build=Build.model_validate_json(row[0]), standing=standing)

    async def apps(self, provider: Provider) -> list[App]:
        """Return all watched apps."""
        query = "SELECT body FROM watched_apps WHERE provider = ? ORDER BY app_slug"
        return await self._database.read(
            lambda db: [App.model_validate_json(body) for (body,) in db.execute(query, [provider])]
        )

    async def states(self, provider: Provider, slugs: Sequence[str]) -> dict[str, BuildState]:
        """Return the states of known builds by slug."""
        return await self._database.read(lambda db: known_states(db, provider, slugs))

    async def latest(self, provider: Provider, most: int) -> list[Build]:
        """Return the latest builds of all apps, newest first."""
        query = "SELECT body FROM builds WHERE provider = ? AND body <> '' ORDER BY triggered_at DESC LIMIT ?"
        return await self._database.read(
            lambda db: [Build.model_validate_json(body) for (body,) in db.execute(query, [provider, most])]
        )

    async def latest_of(self, app: App, most: int) -> list[Build]:
        """Return the latest builds of an app that is or was watched, newest first."""
        return await self._database.read(lambda db: latest_builds(db, app, most))

    async def numbered(self, app: App, number: int) -> Build | None:
        """Return the app's build of that number; None if it was never polled, or too long ago."""
        query = (
            "SELECT body FROM builds WHERE provider = ? AND app_slug = ? AND number = ? AND body <> ''"
            " ORDER BY triggered_at DESC LIMIT 1"
        )
        key = [app.provider, app.slug, number]
        row = await self._database.read(lambda db: db.execute(query, key).fetchone())
        return Build.model_validate_json(row[0]) if row is not None else None

    async def successes_like(self, builds: Sequence[Build], most: int) -> list[list[Build]]:
        """Return for each build the latest successful ones of its workflow and branch, newest first."""
        return await self._database.read(lambda db: [successes_like(db, build, most) for build in builds])

    async def record_restart(self, provider: Provider, app_slug: str, dyno: str, at: datetime) -> None:
        """Store that a process is about to be restarted, before the request to the provider; `""`: all of the app's."""
        await self._database.write(lambda db: record_restart(db, provider, app_slug, dyno, at))

    async def open_builds(self, provider: Provider) -> list[Build]:
        """Return the builds that had not ended at the last poll."""
        query = "SELECT body FROM builds WHERE provider = ? AND ended = 0"
        return await self._database.read(
            lambda db: [Build.model_validate_json(body) for (body,) in db.execute(query, [provider])]
        )


def lock_watching(db: Connection, providers: Iterable[str] | None = None, *, shared: bool = False) -> None:
    """Keep polls and changes of subscriptions at these providers away until the transaction ends; None: at all.

    `shared`: only rely on what is watched, subscribed to and pending, without changing it.
    """
    for provider in sorted(set(Provider.all() if providers is None else providers)):
        db.lock("watching", provider, shared=shared)


def begin_watching(db: Connection, app: App, baseline: Baseline) -> None:
    """Start watching the app from its baseline, unless it is watched already; for use inside a transaction."""
    added = db.execute(
        "INSERT INTO watched_apps VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        [app.provider, app.slug, app.title, app.model_dump_json(), to_text(baseline.at)],
    )
    if added.rowcount:
        # These builds are not notified, but they decide whether the branch was red or green before the next one.
        builds = sanitize_builds(baseline.builds)
        ended = sorted((build for build in builds if build.ended), key=lambda build: build.number or 0)
        save_builds(db, builds, advance_streaks(db, ended))
        if baseline.snapshot is not None:
            store_snapshot(db, app.provider, app.slug, baseline.snapshot)


def end_watching(db: Connection, app: App) -> None:
    """Stop watching the app; for use inside a transaction. Ended builds stay for pending notifications."""
    db.execute("DELETE FROM watched_apps WHERE provider = ? AND app_slug = ?", [app.provider, app.slug])
    db.execute("DELETE FROM series WHERE provider = ? AND app_slug = ?", [app.provider, app.slug])
    forget_snapshot(db, app)
    for table in ("builds", "pipelines", "build_requests"):
        db.execute(
            f"DELETE FROM {table} WHERE provider = ? AND app_slug = ? AND ended = 0", [app.provider, app.slug]
        )


def save_builds(db: Connection, builds: Sequence[Build], standings: Mapping[str, StreakState]) -> None:
    """Store the builds and the states of their failure streaks; for use inside a transaction."""
    db.executemany(
        "INSERT INTO builds (provider, build_slug, app_slug, number, state, ended, triggered_at, finished_at, body,"
        " branch, workflow, abort_kind, standing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (provider, build_slug) DO UPDATE SET state = excluded.state, ended = excluded.ended,"
        " finished_at = excluded.finished_at, misses = 0, body = excluded.body, abort_kind = excluded.abort_kind,"
        " standing = excluded.standing",
        [
            (
                build.provider,
                build.slug,
                build.app_slug,
                build.number,
                build.state,
                build.ended,
                to_text(build.triggered_at),
                to_text(build.finished_at),
                build.model_dump_json(exclude_none=True),
                build.branch,
                build.workflow,
                build.abort_kind,
                standing.model_dump_json(exclude_none=True)
                if (standing := standings.get(build.slug)) is not None
                else None,
            )
            for build in builds
        ],
    )


def latest_builds(db: Connection, app: App, most: int) -> list[Build]:
    """Return the latest builds of an app that is or was watched, newest first; for use on the database's thread."""
    query = (
        "SELECT body FROM builds WHERE provider = ? AND app_slug = ? AND body <> ''"
        " ORDER BY triggered_at DESC LIMIT ?"
    )
    rows = db.execute(query, [app.provider, app.slug, most])
    return [Build.model_validate_json(body) for (body,) in rows]


def successes_like(db: Connection, build: Build, most: int) -> list[Build]:
    """Return the latest successes of the build's workflow and branch, newest first; on the database's thread."""
    like = {
        column: value
        for column, value in (("workflow", build.workflow), ("branch", build.branch))
        if value is not None
    }
    same = [f"{column} = ?" if column in like else f"{column} IS NULL" for column in ("workflow", "branch")]
    query = (
        "SELECT body FROM builds WHERE state = 'succeeded' AND provider = ? AND app_slug = ?"
        f" AND {' AND '.join(same)} AND body <> '' ORDER BY finished_at DESC LIMIT ?"
    )
    found = db.execute(query, [build.provider, build.app_slug, *like.values(), most])
    return [Build.model_validate_json(body) for (body,) in found]


def known_states(db: Connection, provider: Provider, slugs: Sequence[str]) -> dict[str, BuildState]:
    """Return the states of known builds by slug; for use on the database's thread."""
    query = "SELECT build_slug, state FROM builds WHERE provider = ? AND build_slug IN ({marks})"
    return {slug: _STATES[state] for slug, state in by_slugs(db, query, provider, slugs)}


def by_slugs(
    db: Connection, query: str, provider: Provider, slugs: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the rows of a query with the provider and a list of slugs, `{marks}`, of any length."""
    for start in range(0, len(slugs), _PARAMETERS):
        chunk = slugs[start : start + _PARAMETERS]
        yield from db.execute(query.format(marks=", ".join("?" * len(chunk))), [provider, *chunk])


def _apps(db: Connection, provider: Provider) -> dict[str, PolledApp]:
    rows = db.execute(
        "SELECT app_slug, body, joined, baseline_at,"
        " (SELECT MAX(triggered_at) FROM builds WHERE builds.provider = watched_apps.provider"
        "  AND builds.app_slug = watched_apps.app_slug)"
        " FROM watched_apps WHERE provider = ?",
        [provider],
    )
    return {
        slug: PolledApp(
            app=App.model_validate_json(body), since=from_text(newest or baseline), joined=bool(joined)
        )
        for slug, body, joined, baseline, newest in rows
    }


def _state(db: Connection, token: str, provider: Provider, apps: Mapping[str, PolledApp] | None) -> PollState:
    open_builds = db.execute(
        "SELECT app_slug, build_slug, state, misses FROM builds WHERE provider = ? AND ended = 0", [provider]
    )
    position = db.execute("SELECT per_app_since, seen_until FROM looks WHERE token = ?", [token]).fetchone()
    # Not validated again: there may be ten thousand apps, and all values are models already.
    return PollState.model_construct(
        apps=_apps(db, provider) if apps is None else apps,
        open_builds={
            slug: OpenBuild(app_slug=app, slug=slug, state=BuildState(state), misses=misses)
            for app, slug, state, misses in open_builds
        },
        per_app_since=from_text(position[0]) if position else None,
        seen_until=from_text(position[1]) if position else None,
        pipelines=open_pipelines(db, provider),
        followed=followed_pipelines(db, provider),
        snapshots=snapshots(db, provider),
        restarts=restarts(db, provider),
    )
