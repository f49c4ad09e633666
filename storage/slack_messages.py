"""The bot's messages in Slack, which can be edited, replied to, or extended by more notifications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.build import App, FrozenModel
from domain.message import CardState, Recipient
from domain.pipeline import Pipeline
from domain.provider import Provider
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database, WorkspaceGone
from storage.timestamps import from_text, to_text

_RECIPIENT = "team_id = ? AND channel_id = ?"


class MessageStatus(StrEnum):
    """The state of a message: to be sent, sent without a known response, delivered, or deleted."""

    OWED = "owed"
    SENDING = "sending"
    TOLD = "told"
    GONE = "gone"


class NewMessage(FrozenModel):
    """A message about to be sent. `thread` is the parcel that it replies to; `content` a whole message as JSON.

    `thread_ts` is the ts of another user's message that it replies to.
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
        """The recipient."""
        return Recipient(team=self.team, channel=self.channel)


class SlackMessage(NewMessage):
    """A message that was sent or will be. `note` is what users have added to it, as JSON.

    `stale` counts changes that it does not show yet, so that changes during an update are not lost; `stale_excerpts`
    is how many of them only add an excerpt of a log. `edit_begun_at`: since when a bot edits it, if several share the
    database.
    """

    status: MessageStatus
    ts: str | None = None
    sent_at: datetime
    stale: int = 0
    stale_excerpts: int = 0
    note: str | None = None
    edit_begun_at: datetime | None = None

    @property
    def thread_head(self) -> str | None:
        """The ts for replies: its own, or that of the message that it replies to (Slack, "chat.postMessage")."""
        return self.thread_ts or self.ts


class RunningMessage(FrozenModel):
    """A message in Slack about a build or pipeline in progress, which started at `since` by the provider's clock."""

    parcel: str
    recipient: Recipient
    provider: Provider
    since: datetime
    sent_at: datetime


class SlackMessages:
    """The messages of all workspaces, as long as they may still change."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unfinished(self, to: Recipient) -> list[SlackMessage]:
        """Return the recipient's messages that are pending, in doubt or out of date, oldest first."""
        where = f"{_RECIPIENT} AND (status IN ('owed', 'sending') OR stale > 0) ORDER BY rowid"
        return await self._find(where, [to.team, to.channel])

    async def begin_edit(self, parcel: str) -> None:
        """Store that this bot begins to edit the message; `Outbox.mark_delivered` and `end_edit` end that."""
        query = "UPDATE messages SET edit_begun_at = ? WHERE parcel = ?"
        await self._database.write(lambda db: db.execute(query, [to_text(db.now()), parcel]))

    async def end_edit(self, parcel: str) -> None:
        """Store that Slack has not carried out the edit, and will not."""
        query = "UPDATE messages SET edit_begun_at = NULL WHERE parcel = ?"
        await self._database.write(lambda db: db.execute(query, [parcel]))

    async def seconds_since(self, time: datetime) -> float:
        """Return how long ago a time of the database was."""
        return await self._database.read(lambda db: (db.now() - time).total_seconds())

    async def newest_about(self, to: Recipient, subjects: Sequence[str]) -> dict[str, SlackMessage]:
        """Return the recipient's newest delivered message about each subject."""
        marks = ", ".join("?" * len(subjects))
        where = f"{_RECIPIENT} AND status = 'told' AND subject IN ({marks}) ORDER BY rowid"
        messages = await self._find(where, [to.team, to.channel, *subjects])
        return {message.subject: message for message in messages}

    async def running(self) -> list[RunningMessage]:
        """Return all messages that show the progress of a build or pipeline."""
        return await self._database.read(_running)

    async def find(self, parcel: str) -> SlackMessage | None:
        """Return a message, or None."""
        found = await self._find("parcel = ?", [parcel])
        return found[0] if found else None

    async def find_by_ts(self, to: Recipient, ts: str) -> SlackMessage | None:
        """Return the message with this ts, or None."""
        found = await self._find(f"{_RECIPIENT} AND ts = ?", [to.team, to.channel, ts])
        return found[0] if found else None

    async def sending(self, to: Recipient) -> set[str]:
        """Return the parcels of the recipient's messages that are being sent, so that their ts is not known yet."""
        query = f"SELECT parcel FROM messages WHERE {_RECIPIENT} AND status = 'sending'"
        arguments = [to.team, to.channel]
        return await self._database.read(lambda db: {parcel for (parcel,) in db.execute(query, arguments)})

    async def exists(self, to: Recipient, subject: str) -> bool:
        """Return whether the recipient has or will get a message about this subject."""
        found = await self._find(
            f"{_RECIPIENT} AND subject = ? AND status <> 'gone'", [to.team, to.channel, subject]
        )
        return bool(found)

    async def newest_ts(self, to: Recipient) -> str | None:
        """Return the ts of the last message that the recipient is known to have, or None."""
        query = f"SELECT MAX(ts) FROM messages WHERE {_RECIPIENT} AND status IN ('told', 'gone')"
        [ts] = await self._database.read(lambda db: db.execute(query, [to.team, to.channel]).fetchone())
        return ts or None

    async def enqueue(self, parcel: str, to: Recipient, subject: str, content: str, at: datetime) -> None:
        """Enqueue a whole message, unless its parcel is enqueued already.

        Does nothing if the app was removed from the workspace.
        """
        with suppress(WorkspaceGone):
            await self._database.of(to.team).write(
                lambda db: enqueue_message(db, parcel, to, subject, content, at)
            )

    async def refresh(self, parcel: str) -> None:
        """Mark the message as stale."""
        query = (
            "UPDATE messages SET stale = stale + 1 WHERE parcel = ? AND status IN ('sending', 'told')"
            " RETURNING team_id, channel_id"
        )
        await self._database.write(lambda db: wake_recipients(db, db.execute(query, [parcel])))

    async def update_card(self, parcel: str, changes: Mapping[str, Any]) -> CardState:
        """Change what users have added to a card, and mark it as stale; return its state before."""
        return await self._database.write(lambda db: _update_card(db, parcel, changes))

    async def end_snoozes(self, now: datetime) -> datetime | None:
        """Mark cards as stale whose snooze has ended. Returns when the next snooze ends."""
        rows = await self._database.read(lambda db: db.execute(_SELECT_SNOOZED).fetchall())
        cards = [(parcel, note, CardState.read(note)) for parcel, note in rows]
        ended = [
            # The note is compared, because a user may have changed it in the meantime.
            (state.model_copy(update={"snoozed_until": None, "snoozed_by": None}).encode(), parcel, note)
            for parcel, note, state in cards
            if not state.is_snoozed(now)
        ]
        if ended:
            await self._database.write(lambda db: _replace_notes(db, ended))
        ends = (state.snoozed_until for *_, state in cards if state.is_snoozed(now))
        return min((end for end in ends if end is not None), default=None)

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[SlackMessage]:
        return await self._database.read(lambda db: _select(db, where, arguments))


def wake_recipients(
    db: Connection, recipients: Iterable[tuple[str, str]], *, at: datetime | None = None
) -> None:
    """Deliver what is due to these pairs of workspace and channel, at this time or at once; inside a transaction.

    To be called by everything that queues a message or notification, or makes a message out of date.
    """
    for team, channel in dict.fromkeys(recipients):
        db.wake(Unit.DELIVER, Recipient(team=team, channel=channel).key, at=at)


def enqueue_message(
    db: Connection,
    parcel: str,
    to: Recipient,
    subject: str,
    content: str,
    at: datetime,
    *,
    note: str | None = None,
    thread_ts: str | None = None,
) -> None:
    """Enqueue a whole message; for use inside a transaction."""
    db.execute(
        "INSERT INTO messages"
        " (parcel, team_id, channel_id, subject, status, sent_at, content, note, thread_ts)"
        " VALUES (?, ?, ?, ?, 'owed', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [parcel, to.team, to.channel, subject, to_text(at), content, note, thread_ts],
    )
    wake_recipients(db, [(to.team, to.channel)])


def store_app_with_messages(db: Connection, app: App) -> None:
    """Store the app with all messages about its builds, which may still change; for use inside a transaction."""
    query = (
        "SELECT parcel, note FROM messages WHERE status IN ('sending', 'told') AND parcel IN"
        " (SELECT parcel FROM builds JOIN notifications USING (provider, build_slug)"
        " WHERE provider = ? AND app_slug = ?)"
    )
    stored = app.model_dump(mode="json", exclude_none=True)
    while changes := [
        (json.dumps({**content, "app": stored}, ensure_ascii=False), parcel, note or "")
        for parcel, note in db.execute(query, [app.provider, app.slug]).fetchall()
        if (content := json.loads(note or "{}")).get("app") is None
    ]:
        # Users may change a card at the same time. Then this is repeated for it.
        db.executemany("UPDATE messages SET note = ? WHERE parcel = ? AND COALESCE(note, '') = ?", changes)


def change_messages_about(
    db: Connection, subject: str, content: str, *, team: str | None = None, was: str | None = None
) -> None:
    """Change the content of messages about a subject, in one workspace or in all; inside a transaction.

    `was`: only if this is their content.
    """
    changed = db.execute(
        "UPDATE messages SET content = ?, stale = stale + CASE WHEN status IN ('sending', 'told') THEN 1 ELSE 0 END"
        " WHERE subject = ? AND team_id = COALESCE(?, team_id) AND COALESCE(content, '') = COALESCE(?, content, '')"
        " RETURNING team_id, channel_id",
        [content, subject, team, was],
    )
    wake_recipients(db, changed)


def refresh_messages_before_end(db: Connection, provider: Provider, build_slugs: Sequence[str]) -> None:
    """Mark messages as stale that were sent before these builds ended; for use inside a transaction."""
    query = (
        "UPDATE messages SET stale = stale + 1 WHERE status IN ('sending', 'told') AND parcel IN"
        " (SELECT parcel FROM notifications WHERE provider = ? AND build_slug = ? AND event <> 'ended')"
        " RETURNING team_id, channel_id"
    )
    for slug in build_slugs:
        wake_recipients(db, db.execute(query, [provider, slug]))


def refresh_messages_of(db: Connection, provider: Provider, build_slug: str) -> None:
    """Mark the messages of a build as stale because its log excerpt is known; for use inside a transaction."""
    changed = db.execute(
        # Lists of many builds are not updated.
        "UPDATE messages SET stale = stale + 1, stale_excerpts = stale_excerpts + 1"
        " WHERE status IN ('sending', 'told')"
        " AND (subject LIKE 'build %' OR subject LIKE 'live %' OR subject LIKE 'reply %' OR subject LIKE 'card %'"
        " OR subject LIKE 'pipeline %')"
        " AND parcel IN"
        " (SELECT parcel FROM notifications WHERE provider = ? AND build_slug = ? AND event = 'ended')"
        " RETURNING team_id, channel_id",
        [provider, build_slug],
    )
    wake_recipients(db, changed)


_SELECT_SNOOZED = (
    "SELECT parcel, note FROM messages WHERE status = 'told' AND subject LIKE 'card %'"
    " AND note LIKE '%\"snoozed_until\"%'"
)

_SELECT_SHOWN = (
    "SELECT DISTINCT parcel, messages.team_id, messages.channel_id, messages.sent_at FROM notifications"
    " JOIN messages USING (parcel) WHERE notifications.provider = ? AND notifications.build_slug = ?"
    " AND messages.status = 'told' AND messages.content IS NULL AND ({kinds})"
)
_SELECT_SHOWN_OF_BUILD = _SELECT_SHOWN.format(
    kinds="subject LIKE 'live %' OR subject LIKE 'build %' OR subject LIKE 'reply %'"
)
_SELECT_SHOWN_OF_PIPELINE = _SELECT_SHOWN.format(kinds="subject LIKE 'pipeline %'")


def _update_card(db: Connection, parcel: str, changes: Mapping[str, Any]) -> CardState:
    # Read in the transaction that writes: several users may press buttons of a card at the same time.
    team = db.execute("SELECT team_id FROM messages WHERE parcel = ?", [parcel]).fetchone()
    db.lock("workspace", team[0] if team is not None else "", shared=True)
    db.lock("message", parcel)
    row = db.execute("SELECT note FROM messages WHERE parcel = ?", [parcel]).fetchone()
    before = CardState.read(row[0] if row is not None else None)
    card = before.model_copy(update=changes)
    changed = db.execute(
        "UPDATE messages SET stale = stale + 1, note = ? WHERE parcel = ? AND status IN ('sending', 'told')"
        " RETURNING team_id, channel_id",
        [card.encode(), parcel],
    )
    wake_recipients(db, changed)
    if card.snoozed_until is not None:
        db.wake(Unit.DELIVER, at=card.snoozed_until)
    return before


def _replace_notes(db: Connection, rows: Sequence[tuple[str, str, str]]) -> None:
    """Replace the notes of messages, given as new note, parcel and old note, and mark them as stale."""
    query = (
        "UPDATE messages SET stale = stale + 1, note = ? WHERE parcel = ? AND note = ?"
        " RETURNING team_id, channel_id"
    )
    for row in rows:
        wake_recipients(db, db.execute(query, row))


def _running(db: Connection) -> list[RunningMessage]:
    builds = db.execute("SELECT provider, build_slug, triggered_at FROM builds WHERE ended = 0").fetchall()
    searches = [(_SELECT_SHOWN_OF_BUILD, provider, slug, since) for provider, slug, since in builds]
    pipelines = db.execute("SELECT body FROM pipelines WHERE ended = 0").fetchall()
    for pipeline in (Pipeline.model_validate_json(body) for (body,) in pipelines):
        slugs = (workflow.build_slug for workflow in pipeline.workflows)
        since = to_text(pipeline.began)
        searches += [(_SELECT_SHOWN_OF_PIPELINE, pipeline.provider, slug, since) for slug in slugs if slug]
    found = {
        parcel: RunningMessage(
            parcel=parcel,
            recipient=Recipient(team=team, channel=channel),
            provider=Provider.named(provider),
            since=from_text(since or sent_at),
            sent_at=from_text(sent_at),
        )
        for query, provider, slug, since in searches
        for parcel, team, channel, sent_at in db.execute(query, [provider, slug])
    }
    return list(found.values())


def _select(db: Connection, where: str, arguments: Sequence[Any]) -> list[SlackMessage]:
    rows = db.execute(
        "SELECT parcel, team_id, channel_id, subject, status, thread, ts, sent_at, stale, stale_excerpts,"
        " content, note, thread_ts, edit_begun_at"
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
            edit_begun_at=from_text(edit_begun_at),
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
            edit_begun_at,
        ) in rows
    ]
