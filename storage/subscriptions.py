"""Standing orders: which channel wants to be told of which builds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlite_utils

from bot.authors import Names
from bot.build import App, Frozen
from bot.provider import Provider
from bot.terms import Terms
from storage.database import Database
from storage.people import names_of
from storage.recipient import Recipient
from storage.times import from_text, to_text
from storage.watching import end_watching

# Stands for every app that is watched, where a subscription is not for one of its own.
EVERY_APP = ""


class Stopped(StrEnum):
    """Why a subscription is told nothing: by Slack's error for its channel, because somebody paused it, or because
    whoever made it can't see the app any more.
    """

    NOT_IN_CHANNEL = "not_in_channel"
    NOT_FOUND = "channel_not_found"
    ARCHIVED = "is_archived"
    RESTRICTED = "restricted_action"
    PAUSED = "paused"
    UNSEEN = "unseen"


class SeenAs(StrEnum):
    """Whose access a subscription shows: the bot's own token's, or that of the person who made it."""

    SERVICE = "service"
    OWN = "own"


class Scope(Frozen):
    """What a subscription may show: no more than its maker sees.

    `apps`, where it is for all apps, names those that they see; None: all. `logs`: they may read logs, too.
    """

    seen_as: SeenAs = SeenAs.SERVICE
    apps: frozenset[str] | None = None
    logs: bool = True


class Subscription(Frozen):
    """One channel's or person's standing order for an app's builds; without an app, for those of every watched app of
    the provider.

    `unsure_since`: since when nobody could say what its maker sees.
    """

    id: int
    team: str
    channel: str
    provider: Provider = Provider.BITRISE
    app: App | None
    terms: Terms
    created_by: str
    created_at: datetime
    stopped: str | None = None
    scope: Scope = Scope()
    unsure_since: datetime | None = None

    @property
    def recipient(self) -> Recipient:
        """Who is told."""
        return Recipient(team=self.team, channel=self.channel)

    def covers(self, app_slug: str) -> bool:
        """Whether it is about the builds of this app of its provider."""
        if self.app is not None:
            return self.app.slug == app_slug
        return self.scope.apps is None or app_slug in self.scope.apps


class Subscriptions:
    """All subscriptions of all workspaces, as the watcher sees them.

    `revision` rises whenever the set of watched apps may have changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.revision = 0

    def changed(self) -> None:
        """Say that the set of watched apps may have changed."""
        self.revision += 1

    async def of_app(self, provider: Provider, app_slug: str) -> list[Subscription]:
        """The subscriptions that are told and are about the app by itself, oldest first."""
        where = "subscriptions.provider = ? AND subscriptions.app_slug = ? AND stopped_reason IS NULL"
        return await self._find(where, [provider, app_slug])

    async def with_limits(self, provider: Provider) -> list[Subscription]:
        """The subscriptions that are told of what takes too long at the provider."""
        where = "subscriptions.provider = ? AND stopped_reason IS NULL AND terms LIKE '%_over%'"
        found = await self._find(where, [provider])
        return [one for one in found if one.terms.on_hold_over or one.terms.running_over]

    async def to_check(self, before: datetime, most: int) -> list[Subscription]:
        """Those that show what their makers see, and were not compared with that since then; the longest ago first."""
        where = (
            "seen_as = 'own' AND IFNULL(stopped_reason, '') <> 'unseen' AND IFNULL(checked_at, '') < ?"
            " ORDER BY IFNULL(checked_at, '')"
        )
        return (await self._find(where, [to_text(before)]))[:most]

    async def checked(
        self, subscription: Subscription, at: datetime, scope: Scope, *, unsure_since: datetime | None = None
    ) -> None:
        """What its maker sees was asked for."""
        row = [to_text(at), *scope_row(scope)[1:], to_text(unsure_since), subscription.team, subscription.id]
        await self._database.write(
            lambda db: db.execute(
                "UPDATE subscriptions SET checked_at = ?, apps = ?, sees_logs = ?, unsure_since = ?"
                " WHERE team_id = ? AND id = ?",
                row,
            )
        )

    async def names(self, teams: Iterable[str]) -> dict[str, Names]:
        """What people are known by, in each of the workspaces."""
        return await self._database.read(lambda db: names_of(db, teams))

    async def count(self) -> int:
        """How many subscriptions there are."""
        return int(
            await self._database.read(
                lambda db: db.execute("SELECT COUNT(*) FROM subscriptions").fetchone()[0]
            )
        )

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[Subscription]:
        return await self._database.read(lambda db: select_subscriptions(db, where, arguments))


def subscriptions_of_apps(
    db: sqlite_utils.Database, provider: Provider, app_slugs: Sequence[str]
) -> list[Subscription]:
    """The subscriptions that are told and cover any of the apps, oldest first; for use inside a transaction."""
    marks = ", ".join("?" * (len(app_slugs) + 1))
    where = f"subscriptions.provider = ? AND subscriptions.app_slug IN ({marks}) AND stopped_reason IS NULL"
    return select_subscriptions(db, where, [provider, *app_slugs, EVERY_APP])


def scope_row(scope: Scope) -> tuple[str, str | None, bool]:
    """The scope as the columns seen_as, apps and sees_logs."""
    return scope.seen_as, None if scope.apps is None else json.dumps(sorted(scope.apps)), scope.logs


def end_subscription(db: sqlite_utils.Database, subscription: Subscription) -> None:
    """End a subscription, and the watching of its app with the last one; for use inside a transaction."""
    ended = db.execute(
        "DELETE FROM subscriptions WHERE team_id = ? AND id = ?", [subscription.team, subscription.id]
    ).rowcount
    app = subscription.app
    if app is None or not ended:
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
    for subscription in select_subscriptions(db, f"{asked} AND terms LIKE '%\"once\":true%'", [parcel]):
        end_subscription(db, subscription)


def select_subscriptions(
    db: sqlite_utils.Database, where: str, arguments: Sequence[Any]
) -> list[Subscription]:
    """The subscriptions that fit, oldest first unless `where` orders them; for use where a database is at hand."""
    order = "" if "ORDER BY" in where else " ORDER BY subscriptions.id"
    rows = db.execute(
        "SELECT subscriptions.id, team_id, channel_id, watched_apps.body, app_slug, terms,"
        " created_by, created_at, stopped_reason, seen_as, apps, sees_logs, unsure_since, subscriptions.provider"
        " FROM subscriptions LEFT JOIN watched_apps USING (provider, app_slug)"
        f" WHERE {where}{order}",
        arguments,
    )
    return [
        Subscription(
            id=identity,
            team=team,
            channel=channel,
            provider=provider,
            app=_app(provider, slug, app),
            terms=Terms.model_validate_json(words),
            created_by=by,
            created_at=from_text(at),
            stopped=stopped,
            scope=Scope(
                seen_as=SeenAs(seen_as),
                apps=frozenset(json.loads(apps)) if apps is not None else None,
                logs=bool(logs),
            ),
            unsure_since=from_text(unsure),
        )
        for (
            identity,
            team,
            channel,
            app,
            slug,
            words,
            by,
            at,
            stopped,
            seen_as,
            apps,
            logs,
            unsure,
            provider,
        ) in rows
    ]


def _app(provider: str, slug: str, body: str | None) -> App | None:
    if body:
        return App.model_validate_json(body)
    return App(provider=Provider.named(provider), slug=slug, title=slug) if slug else None
