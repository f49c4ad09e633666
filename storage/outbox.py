"""The outbox: notifications, from the moment they are owed until Slack has taken them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import sqlite_utils

from bot.build import App, Build, Frozen, Provider
from storage.database import Database
from storage.times import from_text, to_text


class Owed(Frozen):
    """A message that a change owes to one subscription."""

    subscription_id: int
    channel: str
    provider: Provider
    build_slug: str
    event: str


class Status(StrEnum):
    """How far a notification has come. SENDING: it was handed to Slack, and no answer is known."""

    OWED = "owed"
    SENDING = "sending"
    TOLD = "told"
    DROPPED = "dropped"


class Notification(Frozen):
    """An owed message with what it tells of. `parcel` names the Slack message that carries or carried it."""

    id: int
    subscription_id: int
    channel: str
    event: str
    build: Build
    app: App
    created_at: datetime
    status: Status
    parcel: str | None = None
    sent_at: datetime | None = None
    attempts: int = 0


class Outbox:
    """The notifications of all channels, each channel's in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def channels(self) -> list[str]:
        """The channels to which something is owed or in doubt."""
        query = "SELECT DISTINCT channel_id FROM notifications WHERE status IN ('owed', 'sending')"
        return await self._database.read(lambda db: [channel for (channel,) in db.execute(query)])

    async def due(self, channel: str, limit: int) -> list[Notification]:
        """The channel's oldest notifications that Slack is not known to have."""
        return await self._database.read(lambda db: _due(db, channel, limit))

    async def begin(self, notifications: Sequence[Notification], parcel: str, at: datetime) -> None:
        """Note, before Slack is asked, that one message is about to carry these notifications."""
        rows = [(parcel, to_text(at), notification.id) for notification in notifications]
        await self._database.write(
            lambda db: db.conn.executemany(
                "UPDATE notifications SET status = 'sending', parcel = ?, sent_at = ?, attempts = attempts + 1"
                " WHERE id = ?",
                rows,
            )
        )

    async def told(self, parcel: str, ts: str) -> None:
        """Slack has the message; `ts` is its name there."""
        await self._finish(parcel, Status.TOLD, ts=ts, error=None)

    async def not_told(self, parcel: str, error: str) -> None:
        """Slack certainly does not have the message: it is owed again."""
        await self._finish(parcel, Status.OWED, ts=None, error=error)

    async def refused(self, parcel: str, error: str) -> None:
        """Slack will not take the message in any form."""
        await self._finish(parcel, Status.DROPPED, ts=None, error=error)

    async def drop(self, channel: str, error: str) -> int:
        """Give up what is owed to a channel that can't be told any more; returns how many notifications."""
        statement = (
            "UPDATE notifications SET status = 'dropped', error = ?"
            " WHERE channel_id = ? AND status IN ('owed', 'sending')"
        )
        return await self._database.write(lambda db: db.execute(statement, [error, channel]).rowcount)

    async def depth(self) -> int:
        """How many notifications are owed or in doubt."""
        query = "SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def _finish(self, parcel: str, status: Status, *, ts: str | None, error: str | None) -> None:
        await self._database.write(
            lambda db: db.execute(
                "UPDATE notifications SET status = ?, ts = ?, error = ? WHERE parcel = ? AND status = 'sending'",
                [status, ts, error, parcel],
            )
        )


def owe(db: sqlite_utils.Database, owed: Sequence[Owed], at: datetime) -> None:
    """Put the notifications into the outbox; for use inside a transaction. One that is there stays as it is."""
    db.conn.executemany(
        "INSERT OR IGNORE INTO notifications (subscription_id, channel_id, provider, build_slug, event, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (one.subscription_id, one.channel, one.provider, one.build_slug, one.event, to_text(at))
            for one in owed
        ],
    )


def _due(db: sqlite_utils.Database, channel: str, limit: int) -> list[Notification]:
    rows = db.execute(
        "SELECT notifications.id, subscription_id, event, builds.body, watched_apps.body, created_at, status,"
        " parcel, sent_at, attempts, builds.app_slug"
        " FROM notifications JOIN builds USING (provider, build_slug)"
        " LEFT JOIN watched_apps ON watched_apps.provider = builds.provider AND watched_apps.app_slug = builds.app_slug"
        " WHERE channel_id = ? AND status IN ('owed', 'sending') ORDER BY notifications.id LIMIT ?",
        [channel, limit],
    )
    return [
        Notification(
            id=identity,
            subscription_id=subscription,
            channel=channel,
            event=event,
            build=Build.model_validate_json(build),
            app=App.model_validate_json(app) if app else App(slug=app_slug, title=app_slug),
            created_at=from_text(created_at),
            status=Status(status),
            parcel=parcel,
            sent_at=from_text(sent_at),
            attempts=attempts,
        )
        for identity, subscription, event, build, app, created_at, status, parcel, sent_at, attempts, app_slug in rows
    ]
