"""The bot's messages in Slack that others may join, answer or change."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlite_utils

from domain.build import App, FrozenModel
from domain.message_state import CardState
from domain.pipeline import Pipeline
from domain.provider import Provider
from domain.recipient import Recipient
from storage.database import Database, WorkspaceGone
from storage.timestamps import from_text, to_text

_TO = "team_id = ? AND channel_id = ?"


class MessageStatus(StrEnum):
    """How a message stands: to be sent, sent without a known answer, there, or taken away."""

    OWED = "owed"
    SENDING = "sending"
    TOLD = "told"
    GONE = "gone"


class NewMessage(FrozenModel):
    """A message about to be sent. `thread` is the parcel that it answers; `content` a whole message as JSON.

    `thread_ts` names a message of somebody else's that it answers.
    """

    parcel: str
    team: str
    channel: str
    subject: str
    thread: str | None = None
    content: str | None = None
    thread_ts: str | None = None

    @property
    def recipient(self) -> Recipient:
        """Whom it is for."""
        return Recipient(team=self.team, channel=self.channel)


class SlackMessage(NewMessage):
    """A message that was sent, or is to be. `note` is what people have added to it, as JSON.

    `stale` counts what it does not say yet, so that what happens while it is being changed is not taken for said;
    `stale_excerpts` is how much of that only adds an excerpt of a log.
    """

    status: MessageStatus
    ts: str | None = None
    sent_at: datetime
    stale: int = 0
    stale_excerpts: int = 0
    note: str | None = None

    @property
    def thread_head(self) -> str | None:
        """What answers to it name: it, or the message that it is itself a reply to (Slack, "chat.postMessage")."""
        return self.thread_ts or self.ts


class RunningMessage(FrozenModel):
    """A message in Slack that shows something which has not ended yet.

    `since` is when that began, by its provider's clock.
    """

    parcel: str
    recipient: Recipient
    provider: Provider
    since: datetime
    sent_at: datetime


class SlackMessages:
    """All of them, for as long as they may still change."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unfinished(self, to: Recipient) -> list[SlackMessage]:
        """Their messages that are to be sent, in doubt or out of date, oldest first."""
        where = f"{_TO} AND (status IN ('owed', 'sending') OR stale > 0) ORDER BY rowid"
        return await self._find(where, [to.team, to.channel])

    async def newest_about(self, to: Recipient, subjects: Sequence[str]) -> dict[str, SlackMessage]:
        """The newest message about each subject that they have in Slack."""
        marks = ", ".join("?" * len(subjects))
        where = f"{_TO} AND status = 'told' AND subject IN ({marks}) ORDER BY rowid"
        return {one.subject: one for one in await self._find(where, [to.team, to.channel, *subjects])}

    async def running(self) -> list[RunningMessage]:
        """Everybody's messages that show the progress of something which has not ended."""
        return await self._database.read(_running)

    async def find(self, parcel: str) -> SlackMessage | None:
        """One message."""
        found = await self._find("parcel = ?", [parcel])
        return found[0] if found else None

    async def find_by_ts(self, to: Recipient, ts: str) -> SlackMessage | None:
        """The message that Slack knows by this name."""
        found = await self._find(f"{_TO} AND ts = ?", [to.team, to.channel, ts])
        return found[0] if found else None

    async def exists(self, to: Recipient, subject: str) -> bool:
        """Whether they have, or are about to get, a message about this subject."""
        found = await self._find(
            f"{_TO} AND subject = ? AND status <> 'gone'", [to.team, to.channel, subject]
        )
        return bool(found)

    async def newest_ts(self, to: Recipient) -> str | None:
        """Slack's name for the last message that they are known to have; None where there is none."""
        query = f"SELECT MAX(ts) FROM messages WHERE {_TO} AND status IN ('told', 'gone')"
        [ts] = await self._database.read(lambda db: db.execute(query, [to.team, to.channel]).fetchone())
        return ts or None

    async def enqueue(self, parcel: str, to: Recipient, subject: str, content: str, at: datetime) -> None:
        """Owe somebody a whole message; one about the same subject that was owed before is enough.

        Nobody is owed anything in a workspace that has taken the app out.
        """
        with suppress(WorkspaceGone):
            await self._database.of(to.team).write(
                lambda db: enqueue_message(db, parcel, to, subject, content, at)
            )

    async def refresh(self, parcel: str, note: str | None = None) -> None:
        """Say that what the message says has changed; `note` replaces what people have added to it."""
        await self._database.write(
            lambda db: db.execute(
                "UPDATE messages SET stale = stale + 1, note = IFNULL(?, note)"
                " WHERE parcel = ? AND status IN ('sending', 'told')",
                [note, parcel],
            )
        )

    async def end_snoozes(self, now: datetime) -> datetime | None:
        """Have cards brought up to date whose snooze has run out; returns when the next one does."""
        kept = await self._database.read(lambda db: db.execute(_SNOOZED).fetchall())
        snoozed = [(parcel, note, CardState.read(note)) for parcel, note in kept]
        over = [
            # Somebody may have changed it meanwhile.
            (one.model_copy(update={"snoozed_until": None, "snoozed_by": None}).encode(), parcel, note)
            for parcel, note, one in snoozed
            if not one.is_snoozed(now)
        ]
        if over:
            query = "UPDATE messages SET stale = stale + 1, note = ? WHERE parcel = ? AND note = ?"
            await self._database.write(lambda db: db.conn.executemany(query, over))
        ends = (one.snoozed_until for *_, one in snoozed if one.is_snoozed(now))
        return min((end for end in ends if end is not None), default=None)

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[SlackMessage]:
        return await self._database.read(lambda db: _select(db, where, arguments))


def enqueue_message(
    db: sqlite_utils.Database,
    parcel: str,
    to: Recipient,
    subject: str,
    content: str,
    at: datetime,
    *,
    note: str | None = None,
    thread_ts: str | None = None,
) -> None:
    """Owe somebody a whole message; for use inside a transaction."""
    db.execute(
        "INSERT OR IGNORE INTO messages"
        " (parcel, team_id, channel_id, subject, status, sent_at, content, note, thread_ts)"
        " VALUES (?, ?, ?, ?, 'owed', ?, ?, ?, ?)",
        [parcel, to.team, to.channel, subject, to_text(at), content, note, thread_ts],
    )


def store_app_with_messages(db: sqlite_utils.Database, app: App) -> None:
    """Keep the app with all messages that tell of its builds, which may still change; for use inside a transaction."""
    db.execute(
        "UPDATE messages SET note = json_set(IFNULL(note, '{}'), '$.app', json(?))"
        " WHERE status IN ('sending', 'told') AND json_extract(note, '$.app') IS NULL AND parcel IN"
        " (SELECT parcel FROM builds JOIN notifications USING (provider, build_slug)"
        " WHERE provider = ? AND app_slug = ?)",
        [app.model_dump_json(exclude_none=True), app.provider, app.slug],
    )


def change_messages_about(
    db: sqlite_utils.Database, subject: str, content: str, *, team: str | None = None
) -> None:
    """Let the whole messages about a subject say something else, in one workspace or in all; inside a transaction."""
    db.execute(
        "UPDATE messages SET content = ?, stale = stale + (status IN ('sending', 'told'))"
        " WHERE subject = ? AND team_id = IFNULL(?, team_id)",
        [content, subject, team],
    )


def refresh_messages_before_end(
    db: sqlite_utils.Database, provider: Provider, build_slugs: Sequence[str]
) -> None:
    """Bring up to date what was told of builds before they ended, so that it goes on to be true; in a transaction."""
    db.conn.executemany(
        "UPDATE messages SET stale = stale + 1 WHERE status IN ('sending', 'told') AND parcel IN"
        " (SELECT parcel FROM notifications WHERE provider = ? AND build_slug = ? AND event <> 'ended')",
        [(provider, slug) for slug in build_slugs],
    )


def refresh_messages_of(db: sqlite_utils.Database, provider: Provider, build_slug: str) -> None:
    """Say that an excerpt of a build's log is known; for use inside a transaction."""
    db.execute(
        # Lists of many builds stay as they were told.
        "UPDATE messages SET stale = stale + 1, stale_excerpts = stale_excerpts + 1"
        " WHERE status IN ('sending', 'told')"
        " AND (subject GLOB 'build *' OR subject GLOB 'live *' OR subject GLOB 'reply *' OR subject GLOB 'card *'"
        " OR subject GLOB 'pipeline *')"
        " AND parcel IN"
        " (SELECT parcel FROM notifications WHERE provider = ? AND build_slug = ? AND event = 'ended')",
        [provider, build_slug],
    )


_SNOOZED = (
    "SELECT parcel, note FROM messages WHERE status = 'told' AND subject GLOB 'card *'"
    " AND note LIKE '%\"snoozed_until\"%'"
)

_SHOWN = (
    "SELECT DISTINCT parcel, messages.team_id, messages.channel_id, messages.sent_at FROM notifications"
    " JOIN messages USING (parcel) WHERE notifications.provider = ? AND notifications.build_slug = ?"
    " AND messages.status = 'told' AND messages.content IS NULL AND ({kinds})"
)
_SHOWN_OF_BUILD = _SHOWN.format(
    kinds="subject GLOB 'live *' OR subject GLOB 'build *' OR subject GLOB 'reply *'"
)
_SHOWN_OF_PIPELINE = _SHOWN.format(kinds="subject GLOB 'pipeline *'")


def _running(db: sqlite_utils.Database) -> list[RunningMessage]:
    builds = db.execute("SELECT provider, build_slug, triggered_at FROM builds WHERE ended = 0").fetchall()
    asked = [(_SHOWN_OF_BUILD, provider, slug, since) for provider, slug, since in builds]
    pipelines = db.execute("SELECT body FROM pipelines WHERE ended = 0").fetchall()
    for pipeline in (Pipeline.model_validate_json(body) for (body,) in pipelines):
        slugs = (one.build_slug for one in pipeline.workflows)
        since = to_text(pipeline.began)
        asked += [(_SHOWN_OF_PIPELINE, pipeline.provider, slug, since) for slug in slugs if slug]
    found = {
        parcel: RunningMessage(
            parcel=parcel,
            recipient=Recipient(team=team, channel=channel),
            provider=Provider.named(provider),
            since=from_text(since or sent_at),
            sent_at=from_text(sent_at),
        )
        for query, provider, slug, since in asked
        for parcel, team, channel, sent_at in db.execute(query, [provider, slug])
    }
    return list(found.values())


def _select(db: sqlite_utils.Database, where: str, arguments: Sequence[Any]) -> list[SlackMessage]:
    rows = db.execute(
        "SELECT parcel, team_id, channel_id, subject, status, thread, ts, sent_at, stale, stale_excerpts,"
        " content, note, thread_ts"
        f" FROM messages WHERE {where}",
        arguments,
    )
    return [
        SlackMessage(
            parcel=parcel,
            team=team,
            channel=channel,
            subject=subject,
            status=MessageStatus(status),
            thread=thread,
            ts=ts,
            sent_at=from_text(sent_at),
            stale=stale,
            stale_excerpts=excerpts,
            content=content,
            note=note,
            thread_ts=thread_ts,
        )
        for (
            parcel,
            team,
            channel,
            subject,
            status,
            thread,
            ts,
            sent_at,
            stale,
            excerpts,
            content,
            note,
            thread_ts,
        ) in rows
    ]
