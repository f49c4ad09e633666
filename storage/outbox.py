"""The outbox: notifications, from the moment they are owed until Slack has taken them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlite_utils

from bot.authors import people_behind
from bot.build import App, Build, Frozen, State
from bot.failure import Failure
from bot.messages import Note
from bot.pipeline import Pipeline
from bot.provider import Provider
from bot.series import Standing
from bot.terms import Happening, Terms
from bot.ties import Tie
from bot.usual import MOST_SUCCESSES, usual_time
from storage.database import Database
from storage.messages import NewMessage
from storage.people import Known, everybody
from storage.pipelines import pipeline_of
from storage.recipient import Recipient
from storage.runs import end_runs_in, is_followed_meanwhile, move_runs_to_starters
from storage.subscriptions import end_those_told_once
from storage.ties import ties_of
from storage.times import from_text, to_text
from storage.watching import successes_like


class Owed(Frozen):
    """A message that a change owes to one subscription; with `due_at` not before then.

    `held_for` names the pipeline whose end it waits for; that end makes it due at once.
    """

    subscription_id: int
    team: str
    channel: str
    provider: Provider
    build_slug: str
    event: str
    due_at: datetime | None = None
    held_for: str | None = None


class Status(StrEnum):
    """How far a notification has come. SENDING: it was handed to Slack, and no answer is known."""

    OWED = "owed"
    SENDING = "sending"
    TOLD = "told"
    DROPPED = "dropped"


class Notification(Frozen):
    """An owed message with what it tells of. `parcel` names the Slack message that carries or carried it.

    `mention` holds the Slack users whose build it is and who want to be mentioned where it fails; `usual` is how long a
    build like this one usually takes, while it runs; `pipeline` is the one that the build belongs to. `ties` are those
    of the channel to the build's app, as they are now. `access_lost`: the maker of the subscription can't see the app
    any more, so that what was told of it stays as it is.
    """

    id: int
    subscription_id: int
    team: str
    channel: str
    event: str
    build: Build
    app: App
    created_at: datetime
    status: Status
    terms: Terms = Terms()
    standing: Standing | None = None
    failure: Failure | None = None
    mention: tuple[str, ...] = ()
    usual: timedelta | None = None
    pipeline: Pipeline | None = None
    ties: tuple[Tie, ...] = ()
    due_at: datetime | None = None
    parcel: str | None = None
    access_lost: bool = False

    @property
    def broke(self) -> bool:
        """Whether it tells of a failure."""
        return self.event == Happening.ENDED and self.build.state is State.FAILED


class Outbox:
    """The notifications of all channels of all workspaces, each channel's in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recipients(self, now: datetime) -> list[Recipient]:
        """Those to whom something is due, in doubt, or out of date."""
        query = (
            "SELECT team_id, channel_id FROM notifications"
            " WHERE status = 'owed' AND (due_at IS NULL OR due_at <= ?)"
            " UNION SELECT team_id, channel_id FROM messages WHERE status IN ('owed', 'sending') OR stale > 0"
        )
        return await self._database.read(
            lambda db: [
                Recipient(team=team, channel=channel) for team, channel in db.execute(query, [to_text(now)])
            ]
        )

    async def next_due(self, now: datetime) -> datetime | None:
        """When the next notification that waits for its time is due."""
        query = "SELECT MIN(due_at) FROM notifications WHERE status = 'owed' AND due_at > ?"
        [at] = await self._database.read(lambda db: db.execute(query, [to_text(now)]).fetchone())
        return from_text(at)

    async def due(self, to: Recipient, limit: int, now: datetime) -> list[Notification]:
        """What they are owed now, in order of ending."""
        where = "team = ? AND channel = ? AND status = 'owed' AND (due_at IS NULL OR due_at <= ?)"
        arguments = [to.team, to.channel, to_text(now)]
        return await self._database.read(lambda db: _notifications(db, where, arguments, limit))

    async def carried(self, parcel: str) -> list[Notification]:
        """All that one Slack message carries, in order of ending."""
        return await self._database.read(lambda db: _notifications(db, "parcel = ?", [parcel], -1))

    async def last_reply(self, head: str) -> list[Notification]:
        """What the newest reply under the head of a thread carries; empty where there is none."""
        newest = (
            "SELECT parcel FROM messages WHERE thread = ? AND status = 'told' ORDER BY rowid DESC LIMIT 1"
        )
        return await self._database.read(lambda db: _notifications(db, f"parcel = ({newest})", [head], -1))

    async def of_build(
        self, to: Recipient, provider: Provider, build_slug: str
    ) -> list[tuple[int, str, str]]:
        """What they were owed for a build: subscription, event and status; `paused` if that is why it was dropped."""
        query = (
            "SELECT subscription_id, event, CASE error WHEN 'paused' THEN error ELSE status END FROM notifications"
            " WHERE team_id = ? AND channel_id = ? AND provider = ? AND build_slug = ? ORDER BY id"
        )
        arguments = [to.team, to.channel, provider, build_slug]
        return await self._database.read(
            lambda db: [(number, event, status) for number, event, status in db.execute(query, arguments)]
        )

    async def failing_apps(self, to: Recipient, since: datetime) -> set[str]:
        """The apps of whose failures they were told in a message of its own since then."""
        query = (
            "SELECT DISTINCT builds.app_slug FROM messages JOIN notifications USING (parcel)"
            " JOIN builds USING (provider, build_slug) WHERE messages.team_id = ? AND messages.channel_id = ?"
            " AND messages.sent_at > ? AND messages.status = 'told' AND builds.state = 'failed'"
            " AND notifications.event = 'ended'"
        )
        return await self._database.read(
            lambda db: {slug for (slug,) in db.execute(query, [to.team, to.channel, to_text(since)])}
        )

    async def defer(self, notifications: Sequence[Notification], until: datetime) -> None:
        """Let what is owed wait."""
        rows = [(to_text(until), one.team, one.id) for one in notifications]
        query = "UPDATE notifications SET due_at = ? WHERE team_id = ? AND id = ?"
        await self._database.write(lambda db: db.conn.executemany(query, rows))

    async def release(self, to: Recipient, until: datetime) -> None:
        """Let nothing wait any longer that was to wait until then."""
        query = (
            "UPDATE notifications SET due_at = NULL"
            " WHERE team_id = ? AND channel_id = ? AND status = 'owed' AND due_at = ?"
        )
        row = [to.team, to.channel, to_text(until)]
        await self._database.write(lambda db: db.execute(query, row))

    async def begin(
        self, carried: Sequence[Notification], message: NewMessage, at: datetime, *, note: str | None = None
    ) -> bool:
        """Note, before Slack is asked, that a new message is about to carry these notifications.

        Returns False, and notes nothing, where what it is for is not owed any more: it was ended meanwhile, or the
        whole workspace has gone, or somebody's own message is to show it.
        """

        def work(db: sqlite_utils.Database) -> bool:
            if not _still_owed(db, carried, message) or is_followed_meanwhile(db, message):
                return False
            db.execute(
                "INSERT INTO messages (parcel, team_id, channel_id, subject, status, thread, sent_at, content, note)"
                " VALUES (?, ?, ?, ?, 'sending', ?, ?, ?, ?) ON CONFLICT (parcel) DO UPDATE SET status = 'sending',"
                " sent_at = excluded.sent_at",
                [
                    message.parcel,
                    message.team,
                    message.channel,
                    message.subject,
                    message.thread,
                    to_text(at),
                    message.content,
                    note,
                ],
            )
            _send(db, carried, message.parcel, at)
            if any(one.broke and one.failure is None for one in carried):
                # It may have been found out since the content was made, when there was no message to mark yet.
                db.execute(_STALE_IF_FOUND_OUT, [message.parcel, message.parcel])
            return True

        return await self._database.write(work)

    async def join(
        self, carried: Sequence[Notification], parcel: str, at: datetime, *, note: str | None = None
    ) -> None:
        """Note, before Slack is asked, that a message which is there is about to carry these notifications too."""

        def work(db: sqlite_utils.Database) -> None:
            db.execute(
                # From here on what it carries says what stands in it, and not what it was begun with.
                "UPDATE messages SET stale = stale + 1, note = IFNULL(?, note), content = NULL WHERE parcel = ?",
                [note, parcel],
            )
            _send(db, carried, parcel, at)

        await self._database.write(work)

    async def told(self, parcel: str, ts: str, *, stale: int = 0, stale_excerpts: int = 0) -> int:
        """Slack has the message; `ts` is its name there. Returns how many notifications it newly told.

        `stale` and `stale_excerpts` are the message's counts from before its content was read: what has changed since
        is still to be said.
        """

        def work(db: sqlite_utils.Database) -> int:
            db.execute(
                "UPDATE messages SET status = 'told', ts = ?, stale = MAX(stale - ?, 0),"
                " stale_excerpts = MAX(stale_excerpts - ?, 0) WHERE parcel = ?",
                [ts, stale, stale_excerpts, parcel],
            )
            newly = db.execute(
                "UPDATE notifications SET status = 'told', error = NULL WHERE parcel = ? AND status = 'sending'",
                [parcel],
            ).rowcount
            end_those_told_once(db, parcel)
            return newly

        return await self._database.write(work)

    async def not_told(self, parcel: str, error: str) -> None:
        """Slack certainly does not have the new message: what it carried is owed again."""

        def work(db: sqlite_utils.Database) -> None:
            _owe_again(db, parcel, error)
            db.execute(
                "UPDATE messages SET status = 'owed' WHERE parcel = ? AND content IS NOT NULL", [parcel]
            )
            db.execute("DELETE FROM messages WHERE parcel = ? AND content IS NULL", [parcel])

        await self._database.write(work)

    async def gone(self, parcel: str, error: str) -> None:
        """Somebody has taken the message out of Slack: what was about to join it is owed again."""

        def work(db: sqlite_utils.Database) -> None:
            _owe_again(db, parcel, error)
            db.execute("UPDATE messages SET status = 'gone', stale = 0 WHERE parcel = ?", [parcel])

        await self._database.write(work)

    async def refused(self, parcel: str, error: str) -> int:
        """Slack will not take the message in any form; returns how many notifications are given up with it."""

        def work(db: sqlite_utils.Database) -> int:
            db.execute("UPDATE messages SET status = 'gone', stale = 0 WHERE parcel = ?", [parcel])
            dropped = db.execute(
                "UPDATE notifications SET status = 'dropped', error = ? WHERE parcel = ? AND status = 'sending'",
                [error, parcel],
            ).rowcount
            end_those_told_once(db, parcel)
            return dropped

        return await self._database.write(work)

    async def note_of_run(self, carried: Sequence[Notification]) -> str | None:
        """What is kept with the message that follows a run, for another one: that one is gone, or can't be edited."""
        run = next((one for one in carried if one.terms.run), None)
        if run is None:
            return None
        # A message that a subscription had posted before has another parcel, and what it carried may be owed again.
        shown = [f"live run {run.build.slug}", f"pipeline run {run.pipeline.ref.key}" if run.pipeline else ""]
        query = (
            "SELECT note FROM messages WHERE team_id = ? AND (parcel GLOB ? OR subject IN (?, ?))"
            " ORDER BY rowid LIMIT 1"
        )
        given = [run.team, f"run-{run.subscription_id}-*", *shown]
        row = await self._database.read(lambda db: db.execute(query, given).fetchone())
        return row[0] if row is not None else None

    async def move_runs(self, to: Recipient, parcel: str, error: str) -> bool:
        """The channel takes no message: let what follows runs in it go to those who started them instead.

        Returns whether this message was about one of those; what else it carried is owed again.
        """

        def work(db: sqlite_utils.Database) -> bool:
            carried = "SELECT DISTINCT subscription_id FROM notifications WHERE parcel = ?"
            about = {run_in(parcel), *(number for (number,) in db.execute(carried, [parcel]))}
            if not about & set(move_runs_to_starters(db, to)):
                return False
            _owe_again(db, parcel, error)
            db.execute("DELETE FROM messages WHERE parcel = ? AND content IS NULL", [parcel])
            return True

        return await self._database.write(work)

    async def drop(self, to: Recipient, error: str) -> int:
        """Give up what is owed to somebody who can't be told any more; returns how many notifications."""

        def work(db: sqlite_utils.Database) -> int:
            db.execute(
                "UPDATE messages SET status = 'gone', stale = 0"
                " WHERE team_id = ? AND channel_id = ? AND (status IN ('owed', 'sending') OR stale > 0)",
                [to.team, to.channel],
            )
            dropped = db.execute(
                "UPDATE notifications SET status = 'dropped', error = ?"
                " WHERE team_id = ? AND channel_id = ? AND status IN ('owed', 'sending')",
                [error, to.team, to.channel],
            ).rowcount
            end_runs_in(db, to)
            return dropped

        return await self._database.write(work)

    async def depth(self) -> int:
        """How many notifications are owed or in doubt, those that wait for their time too."""
        query = "SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def posted_since(self, to: Recipient, since: datetime) -> int:
        """How many messages the channel itself was sent since then; replies in threads are no noise in it."""
        query = (
            "SELECT COUNT(*) FROM messages"
            " WHERE team_id = ? AND channel_id = ? AND sent_at > ? AND thread IS NULL"
        )
        arguments = [to.team, to.channel, to_text(since)]
        return int(await self._database.read(lambda db: db.execute(query, arguments).fetchone()[0]))


def run_parcel(number: int, key: str) -> str:
    """The parcel of the message in which a subscription follows a run; `key` is one of its own."""
    return f"run-{number}-{key}"


def run_in(parcel: str) -> int | None:
    """The subscription that follows a run in this message; None for any other message."""
    name, _, rest = parcel.partition("-")
    number = rest.partition("-")[0]
    return int(number) if name == "run" and number.isdecimal() else None


def owe(db: sqlite_utils.Database, owed: Sequence[Owed], at: datetime) -> int:
    """Put the notifications into the outbox; for use inside a transaction. One that is there stays as it is.

    Returns how many were new.
    """
    now = to_text(at)
    return db.conn.executemany(
        "INSERT OR IGNORE INTO notifications"
        " (subscription_id, team_id, channel_id, provider, build_slug, event, created_at, due_at, held_for, sees_logs)"
        # Who asked for it says where it goes; whoever was looked at before, and is gone by now, is owed nothing.
        " SELECT id, team_id, channel_id, ?, ?, ?, ?, ?, ?, sees_logs FROM subscriptions"
        " WHERE id = ? AND team_id = ? AND channel_id = ?",
        [
            (
                one.provider,
                one.build_slug,
                one.event,
                now,
                to_text(one.due_at),
                one.held_for,
                one.subscription_id,
                one.team,
                one.channel,
            )
            for one in owed
        ],
    ).rowcount


def _still_owed(db: sqlite_utils.Database, carried: Sequence[Notification], message: NewMessage) -> bool:
    """Whether there is still a reason for the message; for use inside a transaction."""
    here = [message.team, message.channel]
    where = "team_id = ? AND channel_id = ? AND status = 'owed'"
    if message.content is not None:
        query = f"SELECT 1 FROM messages WHERE {where} AND parcel = ?"
        return db.execute(query, [*here, message.parcel]).fetchone() is not None
    query = f"SELECT 1 FROM notifications WHERE {where}"
    if not carried:  # what heads a thread is there for what comes next in the channel
        return db.execute(query, here).fetchone() is not None
    return all(db.execute(f"{query} AND id = ?", [*here, one.id]).fetchone() is not None for one in carried)


def _send(db: sqlite_utils.Database, carried: Sequence[Notification], parcel: str, at: datetime) -> None:
    # A message carries nothing but what its own channel is owed.
    db.conn.executemany(
        "UPDATE notifications SET status = 'sending', parcel = ?, sent_at = ?, attempts = attempts + 1"
        " WHERE id = ? AND (team_id, channel_id) = (SELECT team_id, channel_id FROM messages WHERE parcel = ?)",
        [(parcel, to_text(at), notification.id, parcel) for notification in carried],
    )


def _owe_again(db: sqlite_utils.Database, parcel: str, error: str) -> None:
    # What was on its way when the subscription's maker lost the app is owed no more, as all else of it.
    db.execute(
        "UPDATE notifications SET status = 'dropped', parcel = NULL, error = 'unseen'"
        " WHERE parcel = ? AND status = 'sending'"
        " AND subscription_id IN (SELECT id FROM subscriptions WHERE stopped_reason = 'unseen')",
        [parcel],
    )
    db.execute(
        "UPDATE notifications SET status = 'owed', parcel = NULL, error = ? WHERE parcel = ? AND status = 'sending'",
        [error, parcel],
    )


_STALE_IF_FOUND_OUT = """
    UPDATE messages SET stale = 1, stale_excerpts = 1 WHERE parcel = ? AND EXISTS (
        SELECT 1 FROM notifications JOIN builds USING (provider, build_slug) WHERE parcel = ? AND failure IS NOT NULL)
"""

# In order of ending, as the provider dates it; what has not ended stands where it was noticed.
_SELECT = """
    SELECT notifications.id, subscription_id, notifications.team_id AS team, notifications.channel_id AS channel,
        event, builds.body, watched_apps.body, notifications.created_at, status, terms, standing, failure, due_at,
        parcel, IFNULL(subscriptions.sees_logs, notifications.sees_logs), unseen_at,
        (SELECT note FROM messages WHERE messages.parcel = notifications.parcel)
    FROM notifications JOIN builds USING (provider, build_slug)
    LEFT JOIN watched_apps ON watched_apps.provider = builds.provider AND watched_apps.app_slug = builds.app_slug
    LEFT JOIN subscriptions ON subscriptions.id = notifications.subscription_id
    WHERE builds.body <> '' AND {where}
    ORDER BY IFNULL(builds.finished_at, notifications.created_at), notifications.id LIMIT ?
"""


def _notifications(
    db: sqlite_utils.Database, where: str, arguments: Sequence[Any], limit: int
) -> list[Notification]:
    known: dict[str, Known] = {}
    found = []
    for row in db.execute(_SELECT.format(where=where), [*arguments, limit]):
        identity, subscription, team, channel, event, body, app, created_at, status, *more = row
        terms, standing, failure, due, parcel, sees_logs, unseen, note = more
        build = Build.model_validate_json(body)
        if team not in known:
            known[team] = everybody(db, team)
        people = known[team]
        found.append(
            Notification(
                id=identity,
                subscription_id=subscription,
                team=team,
                channel=channel,
                event=event,
                build=build,
                app=App.model_validate_json(app) if app else _unwatched(build, note),
                created_at=from_text(created_at),
                status=Status(status),
                terms=Terms.model_validate_json(terms) if terms else Terms(),
                standing=Standing.model_validate_json(standing) if standing else None,
                # What a log says is for those who may read logs, and still may.
                failure=Failure.model_validate_json(failure)
                if failure and sees_logs and unseen is None
                else None,
                mention=tuple(one for one in people_behind(build, people.names) if one in people.mentioned)
                if people.mentioned
                else (),
                usual=None if build.ended else usual_time(successes_like(db, build, MOST_SUCCESSES)),
                pipeline=pipeline_of(db, build.provider, build.pipeline),
                ties=_ties(db, team, channel, build),
                due_at=from_text(due),
                parcel=parcel,
                access_lost=unseen is not None,
            )
        )
    return found


def _ties(db: sqlite_utils.Database, team: str, channel: str, build: Build) -> tuple[Tie, ...]:
    # A list of many builds is no place to ask for each: only one that has succeeded can be deployed.
    if build.provider is not Provider.BITRISE or build.state is not State.SUCCEEDED:
        return ()
    return tuple(ties_of(db, team, channel, build.app_slug))


def _unwatched(build: Build, note: str | None) -> App:
    """The app of a build that nobody watches any more, as it was kept with the message about it."""
    kept = Note.read(note).app
    if kept is not None and (kept.provider, kept.slug) == (build.provider, build.app_slug):
        return kept
    return App(provider=build.provider, slug=build.app_slug, title=build.app_slug)
