"""Standing orders: which channel wants to be told of which builds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlite_utils

from bot.build import App, Frozen, Provider
from bot.terms import Terms
from storage.database import Database
from storage.times import from_text, to_text
from storage.watching import Baseline, begin_watching, end_watching

# Stands for every app that is watched, where a subscription is not for one of its own.
EVERY_APP = ""


class Stopped(StrEnum):
    """Why a subscription is told nothing: by Slack's error for its channel, or because somebody paused it."""

    NOT_IN_CHANNEL = "not_in_channel"
    NOT_FOUND = "channel_not_found"
    ARCHIVED = "is_archived"
    RESTRICTED = "restricted_action"
    PAUSED = "paused"


class Subscription(Frozen):
    """One channel's or person's standing order for an app's builds; without an app, for those of every watched app."""

    id: int
    team: str
    channel: str
    app: App | None
    terms: Terms
    created_by: str
    created_at: datetime
    stopped: str | None = None

    def covers(self, app_slug: str) -> bool:
        """Whether it is about the app's builds."""
        return self.app is None or self.app.slug == app_slug


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
        app: App | None,
        terms: Terms,
        by: str,
        at: datetime,
        baseline: Baseline | None,
    ) -> Subscription:
        """Add a subscription, with the app's baseline where the app is not watched yet.

        The same app and terms in the same channel is the same subscription: it is returned, and told again
        if it had been stopped. Without an app it is for every app that another subscription waits for.
        """

        def work(db: sqlite_utils.Database) -> int:
            if app is not None:
                # An app that is watched stays as it is. One whose watching ended just now begins anew from here.
                begin_watching(db, app, baseline or Baseline(at=at))
            slug = app.slug if app else EVERY_APP
            for existing in _select(db, "channel_id = ? AND subscriptions.app_slug = ?", [channel, slug]):
                if existing.terms == terms:
                    _resume(db, existing.id)
                    return existing.id
            provider = app.provider if app else Provider.BITRISE
            row = [team, channel, provider, slug, _words(terms), by, to_text(at)]
            cursor = db.execute(
                "INSERT INTO subscriptions (team_id, channel_id, provider, app_slug, terms, created_by, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return int(cursor.lastrowid or 0)

        subscription_id = await self._database.write(work)
        self.revision += 1
        [subscription] = await self._find("subscriptions.id = ?", [subscription_id])
        return subscription

    async def change(self, subscription: Subscription, terms: Terms) -> None:
        """Give a subscription other terms."""
        await self._database.write(
            lambda db: db.execute(
                "UPDATE subscriptions SET terms = ? WHERE id = ?", [_words(terms), subscription.id]
            )
        )
        self.revision += 1

    async def pause(self, subscription: Subscription, at: datetime) -> None:
        """Tell the subscription nothing from now on; what it is still owed, and that is not due yet, is dropped."""

        def work(db: sqlite_utils.Database) -> None:
            db.execute(
                "UPDATE subscriptions SET stopped_reason = ?, stopped_at = ? WHERE id = ?",
                [Stopped.PAUSED, to_text(at), subscription.id],
            )
            _drop_owed(db, subscription, "paused")

        await self._database.write(work)
        self.revision += 1

    async def of_app(self, provider: Provider, app_slug: str) -> list[Subscription]:
        """The subscriptions that are told and are about the app by itself, oldest first."""
        where = "subscriptions.provider = ? AND subscriptions.app_slug = ? AND stopped_reason IS NULL"
        return await self._find(where, [provider, app_slug])

    async def of_channels(self, channels: Sequence[str]) -> list[Subscription]:
        """The subscriptions of several channels, oldest first."""
        marks = ", ".join("?" * len(channels))
        return await self._find(f"channel_id IN ({marks})", list(channels)) if channels else []

    async def resume(self, subscription: Subscription) -> None:
        """Tell a stopped subscription again, from now on."""
        await self._database.write(lambda db: _resume(db, subscription.id))
        self.revision += 1

    async def remove(self, subscription: Subscription) -> None:
        """Remove a subscription and what it is still owed."""

        def work(db: sqlite_utils.Database) -> None:
            _drop_owed(db, subscription, "unsubscribed")
            end_subscription(db, subscription)

        await self._database.write(work)
        self.revision += 1

    async def find(self, number: int) -> Subscription | None:
        """The subscription of that number."""
        found = await self._find("subscriptions.id = ?", [number])
        return found[0] if found else None

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

    async def with_limits(self) -> list[Subscription]:
        """The subscriptions that are told of what takes too long."""
        found = await self._find("stopped_reason IS NULL AND terms LIKE '%_over%'", [])
        return [one for one in found if one.terms.on_hold_over or one.terms.running_over]

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
    """The subscriptions that are told and cover any of the apps, oldest first; for use inside a transaction."""
    marks = ", ".join("?" * (len(app_slugs) + 1))
    where = f"subscriptions.provider = ? AND subscriptions.app_slug IN ({marks}) AND stopped_reason IS NULL"
    return _select(db, where, [provider, *app_slugs, EVERY_APP])


def end_subscription(db: sqlite_utils.Database, subscription: Subscription) -> None:
    """End a subscription, and the watching of its app with the last one; for use inside a transaction."""
    db.execute("DELETE FROM subscriptions WHERE id = ?", [subscription.id])
    app = subscription.app
    if app is None:
        return
    left = db.execute(
        "SELECT 1 FROM subscriptions WHERE provider = ? AND app_slug = ?", [app.provider, app.slug]
    ).fetchone()
    if left is None:
        end_watching(db, app)


def end_those_told_once(db: sqlite_utils.Database, parcel: str) -> None:
    """End the subscriptions that asked for what this message told, and for nothing more; inside a transaction."""
    asked = (
        "subscriptions.id IN (SELECT subscription_id FROM notifications WHERE parcel = ? AND event = 'ended')"
    )
    for subscription in _select(db, f"{asked} AND terms LIKE '%\"once\":true%'", [parcel]):
        end_subscription(db, subscription)


def _drop_owed(db: sqlite_utils.Database, subscription: Subscription, why: str) -> None:
    db.execute(
        "UPDATE notifications SET status = 'dropped', error = ? WHERE subscription_id = ? AND status = 'owed'",
        [why, subscription.id],
    )


def _resume(db: sqlite_utils.Database, number: int) -> None:
    db.execute("UPDATE subscriptions SET stopped_reason = NULL, stopped_at = NULL WHERE id = ?", [number])


def _words(terms: Terms) -> str:
    return terms.model_dump_json(exclude_defaults=True)


def _select(db: sqlite_utils.Database, where: str, arguments: Sequence[Any]) -> list[Subscription]:
    rows = db.execute(
        "SELECT subscriptions.id, team_id, channel_id, watched_apps.body, app_slug, terms,"
        " created_by, created_at, stopped_reason"
        " FROM subscriptions LEFT JOIN watched_apps USING (provider, app_slug)"
        f" WHERE {where} ORDER BY subscriptions.id",
        arguments,
    )
    return [
        Subscription(
            id=identity,
            team=team,
            channel=channel,
            app=App.model_validate_json(app) if app else App(slug=slug, title=slug) if slug else None,
            terms=Terms.model_validate_json(words),
            created_by=by,
            created_at=from_text(at),
            stopped=stopped,
        )
        for identity, team, channel, app, slug, words, by, at, stopped in rows
    ]
