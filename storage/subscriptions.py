"""Standing orders: which channel wants to be told of which builds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlite_utils

from bot.build import App, Build, Frozen, Provider
from bot.filters import BuildFilter
from storage.database import Database
from storage.times import from_text, to_text
from storage.watching import Baseline, begin_watching, end_watching


class Stopped(StrEnum):
    """Why a subscription is told nothing any more, by Slack's error for its channel."""

    NOT_IN_CHANNEL = "not_in_channel"
    NOT_FOUND = "channel_not_found"
    ARCHIVED = "is_archived"
    RESTRICTED = "restricted_action"


class Subscription(Frozen):
    """One channel's standing order for one app's builds that pass the filter."""

    id: int
    team: str
    channel: str
    app: App
    filter: BuildFilter
    created_by: str
    created_at: datetime
    stopped: str | None = None

    def wants(self, build: Build) -> bool:
        """Whether this subscription is to be told of the build's end."""
        return self.stopped is None and self.filter.match(build)


class Subscriptions:
    """All subscriptions; the first for an app begins the watching, the last one's going ends it.

    `revision` rises whenever the set of watched apps may have changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.revision = 0

    async def is_watched(self, provider: Provider, app_slug: str) -> bool:
        """Whether some subscription already waits for the app."""
        query = "SELECT 1 FROM watched_apps WHERE provider = ? AND app_slug = ?"
        found = await self._database.read(lambda db: db.execute(query, [provider, app_slug]).fetchone())
        return found is not None

    async def add(
        self,
        *,
        team: str,
        channel: str,
        app: App,
        filter: BuildFilter,  # noqa: A002 - the field's own word
        by: str,
        at: datetime,
        baseline: Baseline | None,
    ) -> Subscription:
        """Add a subscription, with the app's baseline where the app is not watched yet.

        The same app and filter in the same channel is the same subscription: it is returned, and told again
        if it had been stopped.
        """

        def work(db: sqlite_utils.Database) -> int:
            if baseline is not None:
                begin_watching(db, app, baseline)
            words = filter.model_dump_json()
            for existing in _select(
                db, "channel_id = ? AND app_slug = ? AND provider = ?", [channel, app.slug, app.provider]
            ):
                if existing.filter == filter:
                    db.execute(
                        "UPDATE subscriptions SET stopped_reason = NULL, stopped_at = NULL WHERE id = ?",
                        [existing.id],
                    )
                    return existing.id
            row = [team, channel, app.provider, app.slug, words, by, to_text(at)]
            cursor = db.execute(
                "INSERT INTO subscriptions (team_id, channel_id, provider, app_slug, filter, created_by, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return int(cursor.lastrowid or 0)

        subscription_id = await self._database.write(work)
        self.revision += 1
        [subscription] = await self._find("subscriptions.id = ?", [subscription_id])
        return subscription

    async def remove(self, subscription: Subscription) -> None:
        """Remove a subscription and what it is still owed."""

        def work(db: sqlite_utils.Database) -> None:
            db.execute("DELETE FROM subscriptions WHERE id = ?", [subscription.id])
            db.execute(
                "UPDATE notifications SET status = 'dropped', error = 'unsubscribed'"
                " WHERE subscription_id = ? AND status = 'owed'",
                [subscription.id],
            )
            app = subscription.app
            left = db.execute(
                "SELECT 1 FROM subscriptions WHERE provider = ? AND app_slug = ?", [app.provider, app.slug]
            ).fetchone()
            if left is None:
                end_watching(db, app)

        await self._database.write(work)
        self.revision += 1

    async def stop(self, channel: str, reason: str, at: datetime) -> list[Subscription]:
        """Stop the channel's subscriptions, which can't be told any more; returns those that were running."""
        running = await self._find("channel_id = ? AND stopped_reason IS NULL", [channel])

        def work(db: sqlite_utils.Database) -> None:
            db.execute(
                "UPDATE subscriptions SET stopped_reason = ?, stopped_at = ?"
                " WHERE channel_id = ? AND stopped_reason IS NULL",
                [reason, to_text(at), channel],
            )

        await self._database.write(work)
        return running

    async def of_channel(self, channel: str) -> list[Subscription]:
        """The channel's subscriptions, oldest first."""
        return await self._find("channel_id = ?", [channel])

    async def count(self) -> int:
        """How many subscriptions there are."""
        return int(
            await self._database.read(
                lambda db: db.execute("SELECT COUNT(*) FROM subscriptions").fetchone()[0]
            )
        )

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[Subscription]:
        return await self._database.read(lambda db: _select(db, where, arguments))


def subscriptions_of_apps(
    db: sqlite_utils.Database, provider: Provider, app_slugs: Sequence[str]
) -> list[Subscription]:
    """The subscriptions for any of the apps, oldest first; for use inside a transaction."""
    marks = ", ".join("?" * len(app_slugs))
    return _select(
        db, f"subscriptions.provider = ? AND subscriptions.app_slug IN ({marks})", [provider, *app_slugs]
    )


def _select(db: sqlite_utils.Database, where: str, arguments: Sequence[Any]) -> list[Subscription]:
    rows = db.execute(
        "SELECT subscriptions.id, team_id, channel_id, watched_apps.body, filter,"
        " created_by, created_at, stopped_reason"
        " FROM subscriptions JOIN watched_apps USING (provider, app_slug)"
        f" WHERE {where} ORDER BY subscriptions.id",
        arguments,
    )
    return [
        Subscription(
            id=identity,
            team=team,
            channel=channel,
            app=App.model_validate_json(app),
            filter=BuildFilter.model_validate_json(words),
            created_by=by,
            created_at=from_text(at),
            stopped=stopped,
        )
        for identity, team, channel, app, words, by, at, stopped in rows
    ]
