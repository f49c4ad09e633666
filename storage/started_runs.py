"""Started runs: taking over their messages, and ending runs that can't be followed any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.audit_chain import ERASED
from domain.message import Recipient, RunMessages, RunNote
from domain.subscription import Subscription
from storage.connection import Connection
from storage.slack_messages import NewMessage, wake_recipients
from storage.subscriptions import end_subscription, select_subscriptions
from storage.timestamps import to_text

# A run whose end is never polled must not be followed forever.
LONGEST_RUN = timedelta(days=7)
FOLLOWS_RUN = "terms LIKE '%\"run\":true%'"
ACCESS_LOST = "Buildbell can no longer see it for {by}"
TOO_LONG = f"it didn't finish within {LONGEST_RUN.days} days"


def adopt_message(db: Connection, to: Recipient, subject: str, note: str) -> bool:
    """Use a subscription's message that already shows this run for the user who started it.

    For use inside a transaction. Returns False if there is no such message.
    """
    kind, _, key = subject.split(" ", 2)
    row = db.execute(
        "SELECT parcel FROM messages WHERE team_id = ? AND channel_id = ? AND status IN ('sending', 'told')"
        " AND thread IS NULL AND content IS NULL AND subject LIKE ? AND subject NOT LIKE ?"
        " AND substr(subject, length(subject) - ?) = ?"
        " ORDER BY rowid DESC LIMIT 1",
        [to.team, to.channel, f"{kind} %", f"{kind} run %", len(key), f" {key}"],
    ).fetchone()
    if row is None:
        return False
    db.execute(
        "UPDATE messages SET subject = ?, note = ?, stale = stale + 1 WHERE parcel = ?",
        [subject, note, row[0]],
    )
    wake_recipients(db, [(to.team, to.channel)])
    return True


def is_followed_meanwhile(db: Connection, message: NewMessage) -> bool:
    """Return whether the message of the user who started a run will show what this subscription's message would.

    For use inside a transaction.
    """
    kind, _, rest = message.subject.partition(" ")
    number, _, key = rest.partition(" ")
    if kind not in ("live", "pipeline") or not number.isdecimal() or message.thread is not None:
        return False
    query = (
        "SELECT 1 FROM messages WHERE team_id = ? AND channel_id = ? AND status = 'owed' AND thread_ts IS NULL"
        " AND subject = ?"
    )
    row = [message.team, message.channel, f"{kind} run {key}"]
    return db.execute(query, row).fetchone() is not None


def unfollow(db: Connection, run: Subscription, why: str, run_messages: RunMessages) -> None:
    """Say in the run's message that it is not updated any more, and end its subscription; inside a transaction.

    `why` is the end of a sentence; `{by}` in it is replaced with the user who started the run.
    """
    _drop_pending(db, run)
    # Later notifications in the same message must not show logs that only this user could read.
    db.execute("UPDATE notifications SET sees_logs = 0 WHERE subscription_id = ?", [run.id])
    messages = db.execute(
        "SELECT parcel, channel_id, note FROM messages WHERE team_id = ? AND status IN ('owed', 'sending', 'told')"
        " AND (subject LIKE 'live run %' OR subject LIKE 'pipeline run %')"
        " AND (parcel LIKE ? OR parcel IN (SELECT parcel FROM notifications WHERE subscription_id = ?))",
        [run.team, f"run-{run.id}-%", run.id],
    ).fetchall()
    for parcel, channel, note in messages:
        wake_recipients(db, [(run.team, channel)])
        db.execute(
            "UPDATE messages SET content = ?, stale = stale + CASE status WHEN 'owed' THEN 0 ELSE 1 END"
            " WHERE parcel = ?",
            [run_messages.render_unfollowed(RunNote.read(note), why).encode(), parcel],
        )
    end_subscription(db, run)


def unfollow_forgotten_runs(db: Connection, now: datetime, run_messages: RunMessages) -> int:
    """Stop following runs that were started too long ago. Returns how many. For use inside a transaction."""
    old_runs = select_subscriptions(db, f"{FOLLOWS_RUN} AND created_at < ?", [to_text(now - LONGEST_RUN)])
    for run in old_runs:
        unfollow(db, run, TOO_LONG, run_messages)
    return len(old_runs)


def move_runs_to_starters(db: Connection, to: Recipient) -> list[int]:
    """Move runs that are followed in a channel to direct messages to their starters; inside a transaction.

    Returns the IDs of moved subscriptions. Notifications in delivery are queued again.
    """
    if to.channel.startswith("D"):
        return []
    moved = []
    for run in _runs_in(db, to):
        starter = run.created_by
        if starter in ("", ERASED, to.channel):
            continue
        db.execute("UPDATE subscriptions SET channel_id = ? WHERE id = ?", [starter, run.id])
        db.execute(
            "UPDATE notifications SET channel_id = ?, status = 'owed', parcel = NULL"
            " WHERE subscription_id = ? AND status IN ('owed', 'sending')",
            [starter, run.id],
        )
        db.execute(
            "UPDATE messages SET channel_id = ?, thread_ts = NULL, status = 'owed'"
            " WHERE parcel LIKE ? AND content IS NOT NULL AND status IN ('owed', 'sending')",
            [starter, f"run-{run.id}-%"],
        )
        wake_recipients(db, [(to.team, starter)])
        moved.append(run.id)
    return moved


def end_runs_in(db: Connection, to: Recipient) -> None:
    """Stop following runs for a recipient that can't be sent anything; for use inside a transaction."""
    for run in _runs_in(db, to):
        _drop_pending(db, run)
        end_subscription(db, run)


def _runs_in(db: Connection, to: Recipient) -> list[Subscription]:
    return select_subscriptions(
        db, f"team_id = ? AND channel_id = ? AND {FOLLOWS_RUN}", [to.team, to.channel]
    )


def _drop_pending(db: Connection, run: Subscription) -> None:
    db.execute(
        "UPDATE notifications SET status = 'dropped', error = 'unfollowed'"
        " WHERE subscription_id = ? AND status = 'owed'",
        [run.id],
    )
