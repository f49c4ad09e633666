"""The outbox: notifications from when they are enqueued until Slack has accepted them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.message import Recipient
from domain.notification import DeliveredNotification, NewNotification, Notification
from domain.notifications.rule import BuildEvent
from domain.provider import Provider
from storage.connection import Connection
from storage.database import Database
from storage.notifications import select_notifications
from storage.slack_messages import NewMessage, wake_recipients
from storage.started_runs import end_runs_in, is_followed_meanwhile, move_runs_to_starters
from storage.subscriptions import end_one_time_subscriptions, lock_one_time_subscriptions
from storage.timestamps import from_text, to_text
from storage.watched_builds import lock_watching

# The notice that a message was posted or edited; its payload is the message's key.
DELIVERED = "delivered"


class Outbox:
    """The notifications of all channels of all workspaces, in order within each channel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recipients(self, now: datetime) -> list[Recipient]:
        """Return recipients with due notifications, or with messages that are pending, in doubt or out of date."""
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
        """Return when the next deferred notification is due."""
        query = "SELECT MIN(due_at) FROM notifications WHERE status = 'owed' AND due_at > ?"
        [at] = await self._database.read(lambda db: db.execute(query, [to_text(now)]).fetchone())
        return from_text(at)

    async def oldest_due(self, now: datetime) -> datetime | None:
        """Return since when the oldest notification is due that Slack has not accepted yet; None if none is due."""
        query = (
            "SELECT MIN(COALESCE(due_at, created_at)) FROM notifications"
            " WHERE status IN ('owed', 'sending') AND (due_at IS NULL OR due_at <= ?)"
        )
        [since] = await self._database.read(lambda db: db.execute(query, [to_text(now)]).fetchone())
        return from_text(since)

    async def due(self, to: Recipient, limit: int, now: datetime) -> list[Notification]:
        """Return the recipient's due notifications, in the order in which the builds ended."""
        where = (
            "notifications.team_id = ? AND notifications.channel_id = ? AND status = 'owed'"
            " AND (due_at IS NULL OR due_at <= ?)"
        )
        arguments = [to.team, to.channel, to_text(now)]
        return await self._database.read(lambda db: select_notifications(db, where, arguments, limit))

    async def in_message(self, parcel: str) -> list[Notification]:
        """Return the notifications in one Slack message, in the order in which the builds ended."""
        return await self._database.read(lambda db: select_notifications(db, "parcel = ?", [parcel]))

    async def last_reply(self, head: str) -> list[Notification]:
        """Return the notifications in the newest reply of a thread; empty if there is none."""
        newest = (
            "SELECT parcel FROM messages WHERE thread = ? AND status = 'told' ORDER BY rowid DESC LIMIT 1"
        )
        return await self._database.read(lambda db: select_notifications(db, f"parcel = ({newest})", [head]))

    async def of_build(
        self, to: Recipient, provider: Provider, build_slug: str
    ) -> list[tuple[int, str, str]]:
        """Return a build's notifications to the recipient: subscription ID, event and status.

        The status is `paused` if a notification was dropped because its subscription was paused.
        """
        query = (
            "SELECT subscription_id, event, CASE error WHEN 'paused' THEN error ELSE status END FROM notifications"
            " WHERE team_id = ? AND channel_id = ? AND provider = ? AND build_slug = ? ORDER BY id"
        )
        arguments = [to.team, to.channel, provider, build_slug]
        return await self._database.read(
            lambda db: [(number, event, status) for number, event, status in db.execute(query, arguments)]
        )

    async def failing_apps(self, to: Recipient, since: datetime) -> set[str]:
        """Return the apps with failures that were posted to the recipient since then."""
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
        """Defer pending notifications."""
        rows = [(to_text(until), notification.team, notification.id) for notification in notifications]
        query = "UPDATE notifications SET due_at = ? WHERE team_id = ? AND id = ?"

        def work(db: Connection) -> None:
            db.executemany(query, rows)
            wake_recipients(
                db, [(notification.team, notification.channel) for notification in notifications], at=until
            )

        await self._database.write(work)

    async def release(self, to: Recipient, until: datetime) -> None:
        """Make the notifications due that were deferred until then."""
        query = (
            "UPDATE notifications SET due_at = NULL, held_for = 'snooze'"
            " WHERE team_id = ? AND channel_id = ? AND status = 'owed' AND due_at = ?"
        )

        def work(db: Connection) -> None:
            db.execute(query, [to.team, to.channel, to_text(until)])
            wake_recipients(db, [(to.team, to.channel)])

        await self._database.write(work)

    async def begin(
        self,
        notifications: Sequence[Notification],
        message: NewMessage,
        at: datetime,
        *,
        note: str | None = None,
    ) -> bool:
        """Note that a new message with these notifications is about to be posted; called before Slack is.

        Returns False and notes nothing if the message is not needed any more: it was dropped or changed, the workspace
        was removed, or the message of a started run shows the same.
        """

        def work(db: Connection) -> bool:
            db.lock("workspace", message.team, shared=True)
            _lock_watching_of(db, notifications)
            db.lock("channel", message.team, message.channel)
            if not _is_still_pending(db, notifications, message) or is_followed_meanwhile(db, message):
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
            _mark_sending(db, notifications, message.parcel, at)
            if any(notification.broke and notification.failure is None for notification in notifications):
                # The cause may have been found after rendering, when there was no message to mark as stale yet.
                db.execute(_STALE_IF_CAUSE_KNOWN, [message.parcel, message.parcel])
            return True

        return await self._database.write(work)

    async def join(
        self, notifications: Sequence[Notification], parcel: str, at: datetime, *, note: str | None = None
    ) -> bool:
        """Note that these notifications are about to be added to an existing message; called before Slack is.

        Returns False and notes nothing if one of them was dropped.
        """

        def work(db: Connection) -> bool:
            _lock_watching_of(db, notifications)
            if not _are_pending(db, notifications):
                return False
            changed = db.execute(
                # From now on the message is rendered from its notifications and not from its first content.
                "UPDATE messages SET stale = stale + 1, note = COALESCE(?, note), content = NULL WHERE parcel = ?"
                " RETURNING team_id, channel_id",
                [note, parcel],
            ).fetchall()
            if not notifications:
                # A thread's head: no notification would bring the dispatcher back if its edit fails.
                wake_recipients(db, changed)
            _mark_sending(db, notifications, parcel, at)
            return True

        return await self._database.write(work)

    async def mark_delivered(
        self,
        parcel: str,
        ts: str,
        *,
        stale: int = 0,
        stale_excerpts: int = 0,
        check: Callable[[], None] = lambda: None,
    ) -> list[DeliveredNotification]:
        """Mark the message as delivered with its `ts` in Slack. Returns the notifications that it has newly delivered.

        `stale` and `stale_excerpts` are the message's counts from before its content was read: later changes still have
        to be shown. `check` is called when the transaction begins, however late that is, and may raise.
        """

        def work(db: Connection) -> list[DeliveredNotification]:
            check()
            has_one_time = lock_one_time_subscriptions(db, parcel)
            db.execute(
                "UPDATE messages SET status = 'told', ts = ?, stale = CASE WHEN stale > ? THEN stale - ? ELSE 0 END,"
                " stale_excerpts = CASE WHEN stale_excerpts > ? THEN stale_excerpts - ? ELSE 0 END,"
                " edit_begun_at = NULL WHERE parcel = ?",
                [ts, stale, stale, stale_excerpts, stale_excerpts, parcel],
            )
            newly = [
                DeliveredNotification(
                    provider=provider,
                    created_at=from_text(created_at),
                    due_at=from_text(due_at),
                    was_held=held_for is not None,
                    ended_at=from_text(ended_at) if event == BuildEvent.ENDED else None,
                )
                for provider, event, created_at, due_at, held_for, ended_at in db.execute(
                    "UPDATE notifications SET status = 'told', error = NULL WHERE parcel = ? AND status = 'sending'"
                    " RETURNING provider, event, created_at, due_at, held_for, (SELECT finished_at FROM builds WHERE"
                    " builds.provider = notifications.provider AND builds.build_slug = notifications.build_slug)",
                    [parcel],
                ).fetchall()
            ]
            if has_one_time:
                end_one_time_subscriptions(db, parcel)
            db.notify(DELIVERED, parcel)
            return newly

        return await self._database.write(work)

    async def mark_not_delivered(self, parcel: str, error: str) -> None:
        """Note that Slack certainly does not have the new message, and queue its notifications again."""

        def work(db: Connection) -> None:
            lock_watching(db, shared=True)
            _requeue(db, parcel, error)
            # Another bot, which has taken the channel over, may have found out meanwhile.
            is_unknown = "parcel = ? AND status = 'sending'"
            db.execute(
                f"UPDATE messages SET status = 'owed' WHERE {is_unknown} AND content IS NOT NULL", [parcel]
            )
            db.execute(f"DELETE FROM messages WHERE {is_unknown} AND content IS NULL", [parcel])

        await self._database.write(work)

    async def mark_deleted(self, parcel: str, error: str) -> None:
        """Note that the message was deleted in Slack, and queue the notifications again that were being added to it."""

        def work(db: Connection) -> None:
            lock_watching(db, shared=True)
            _requeue(db, parcel, error)
            db.execute("UPDATE messages SET status = 'gone', stale = 0 WHERE parcel = ?", [parcel])

        await self._database.write(work)

    async def mark_refused(self, parcel: str, error: str) -> int:
        """Note that Slack refuses the message in any form. Returns how many notifications are dropped with it."""

        def work(db: Connection) -> int:
            has_one_time = lock_one_time_subscriptions(db, parcel)
            db.execute("UPDATE messages SET status = 'gone', stale = 0 WHERE parcel = ?", [parcel])
            dropped = db.execute(
                "UPDATE notifications SET status = 'dropped', error = ? WHERE parcel = ? AND status = 'sending'",
                [error, parcel],
            ).rowcount
            if has_one_time:
                end_one_time_subscriptions(db, parcel)
            return dropped

        return await self._database.write(work)

    async def run_note(self, notifications: Sequence[Notification]) -> str | None:
        """Return the note of the message that follows a run, for a new message if that one is gone or not editable."""
        run = next((notification for notification in notifications if notification.terms.run), None)
        if run is None:
            return None
        # A message that a subscription posted before has another parcel, and its notifications may be pending again.
        subjects = [
            f"live run {run.build.slug}",
            f"pipeline run {run.pipeline.ref.key}" if run.pipeline else "",
        ]
        query = (
            "SELECT note FROM messages WHERE team_id = ? AND (parcel LIKE ? OR subject IN (?, ?))"
            " ORDER BY rowid LIMIT 1"
        )
        arguments = [run.team, f"run-{run.subscription_id}-%", *subjects]
        row = await self._database.read(lambda db: db.execute(query, arguments).fetchone())
        return row[0] if row is not None else None

    async def move_runs(self, to: Recipient, parcel: str, error: str) -> bool:
        """Move runs that are followed in a channel that takes no messages to direct messages to their starters.

        Returns whether this message was about one of them; its other notifications are queued again.
        """

        def work(db: Connection) -> bool:
            lock_watching(db)
            query = "SELECT DISTINCT subscription_id FROM notifications WHERE parcel = ?"
            subscriptions = {run_of_parcel(parcel), *(number for (number,) in db.execute(query, [parcel]))}
            if not subscriptions & set(move_runs_to_starters(db, to)):
                return False
            _requeue(db, parcel, error)
            db.execute("DELETE FROM messages WHERE parcel = ? AND content IS NULL", [parcel])
            return True

        return await self._database.write(work)

    async def drop(self, to: Recipient, error: str) -> int:
        """Drop everything for a recipient that can't be notified any more. Returns how many notifications."""

        def work(db: Connection) -> int:
            lock_watching(db)
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
        """Return how many notifications are pending or in doubt, deferred ones included."""
        query = "SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def posted_since(self, to: Recipient, since: datetime) -> int:
        """Return how many messages were posted to the channel since then, not counting replies in threads."""
        query = (
            "SELECT COUNT(*) FROM messages"
            " WHERE team_id = ? AND channel_id = ? AND sent_at > ? AND thread IS NULL"
        )
        arguments = [to.team, to.channel, to_text(since)]
        return int(await self._database.read(lambda db: db.execute(query, arguments).fetchone()[0]))


def run_parcel(number: int, key: str) -> str:
    """Return the parcel of the message in which a subscription follows a run; `key` is unique to the run."""
    return f"run-{number}-{key}"


def run_of_parcel(parcel: str) -> int | None:
    """Return the ID of the subscription that follows a run in this message; None for any other message."""
    name, _, rest = parcel.partition("-")
    number = rest.partition("-")[0]
    return int(number) if name == "run" and number.isdecimal() else None


def enqueue(db: Connection, notifications: Sequence[NewNotification], at: datetime) -> int:
    """Enqueue notifications; for use inside a transaction. Existing ones are not changed.

    Returns how many were new.
    """
    now = to_text(at)
    for notification in notifications:
        wake_recipients(db, [(notification.team, notification.channel)], at=notification.due_at)
    return db.executemany(
        "INSERT INTO notifications"
        " (subscription_id, team_id, channel_id, provider, build_slug, event, created_at, due_at, held_for, sees_logs)"
        # The subscription decides the recipient. One that was matched before, but has been removed since, gets nothing.
        " SELECT id, team_id, channel_id, ?, ?, ?, ?, ?, ?, sees_logs FROM subscriptions"
        " WHERE id = ? AND team_id = ? AND channel_id = ? ON CONFLICT DO NOTHING",
        [
            (
                notification.provider,
                notification.build_slug,
                notification.event,
                now,
                to_text(notification.due_at),
                notification.held_for,
                notification.subscription_id,
                notification.team,
                notification.channel,
            )
            for notification in notifications
        ],
    )


def _is_still_pending(db: Connection, notifications: Sequence[Notification], message: NewMessage) -> bool:
    """Return whether the message is still needed; for use inside a transaction."""
    recipient = [message.team, message.channel]
    where = "team_id = ? AND channel_id = ? AND status = 'owed'"
    if message.content is not None:
        # Marked here, so that no other transaction can change the content any more without marking it as stale.
        query = f"UPDATE messages SET status = 'sending' WHERE {where} AND parcel = ? AND content = ?"
        return bool(db.execute(query, [*recipient, message.parcel, message.content]).rowcount)
    if not notifications:  # the head of a thread is posted for the notifications that follow
        query = f"SELECT 1 FROM notifications WHERE {where}"
        return db.execute(query, recipient).fetchone() is not None
    return _are_pending(db, notifications) and all(
        (notification.team, notification.channel) == (message.team, message.channel)
        for notification in notifications
    )


def _are_pending(db: Connection, notifications: Sequence[Notification]) -> bool:
    """Return whether none of the notifications was dropped, moved or deleted; inside a transaction."""
    query = "SELECT 1 FROM notifications WHERE id = ? AND team_id = ? AND channel_id = ? AND status = 'owed'"
    return all(
        db.execute(query, [notification.id, notification.team, notification.channel]).fetchone() is not None
        for notification in notifications
    )


def _lock_watching_of(db: Connection, notifications: Sequence[Notification]) -> None:
    """Keep polls and changes of subscriptions away that would change or drop these notifications."""
    lock_watching(db, {notification.build.provider for notification in notifications}, shared=True)


def _mark_sending(db: Connection, notifications: Sequence[Notification], parcel: str, at: datetime) -> None:
    # A message contains only notifications of its own channel.
    db.executemany(
        "UPDATE notifications SET status = 'sending', parcel = ?, sent_at = ?, attempts = attempts + 1"
        " WHERE id = ? AND (team_id, channel_id) = (SELECT team_id, channel_id FROM messages WHERE parcel = ?)",
        [(parcel, to_text(at), notification.id, parcel) for notification in notifications],
    )


def _requeue(db: Connection, parcel: str, error: str) -> None:
    # If the subscription's creator has lost access, notifications in delivery are dropped like all others.
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


_STALE_IF_CAUSE_KNOWN = """
    UPDATE messages SET stale = 1, stale_excerpts = 1 WHERE parcel = ? AND EXISTS (
        SELECT 1 FROM notifications JOIN builds USING (provider, build_slug) WHERE parcel = ? AND failure IS NOT NULL)
"""
