"""Checks that each transaction that makes something due to a channel wakes its delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from domain.message import Recipient
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database, Work

T = TypeVar("T")


def check_wakes(database: Database) -> None:
    """Let each write of the database fail that queues a message or notification, or makes a message stale, silently.

    What the dispatcher itself is about to send, or has sent, it takes up again without a wake.
    """
    write: Callable[[Work[Any]], Awaitable[Any]] = database.write

    def checked_write(work: Work[T]) -> Awaitable[T]:
        def checked_work(db: Connection) -> T:
            woken: set[str] = set()
            on_wake = db.on_wake  # type: ignore[attr-defined]

            def note_wake(connection: Connection, unit: Unit, key: str, at: Any) -> None:
                if unit is Unit.DELIVER:
                    woken.add(key)
                if on_wake is not None:
                    on_wake(connection, unit, key, at)

            before = _due(db)
            db.on_wake = note_wake  # type: ignore[attr-defined]
            try:
                result = work(db)
            finally:
                db.on_wake = on_wake  # type: ignore[attr-defined]
            sending = _sending(db)
            forgotten = {
                (recipient, item)
                for (recipient, item), stale in _due(db).items()
                if recipient not in woken
                and item not in sending
                and stale > before.get((recipient, item), -1)
            }
            assert not forgotten, f"made due, but not woken: {forgotten}"
            return result

        return write(checked_work)

    database.write = checked_write  # type: ignore[method-assign]


def _due(db: Connection) -> dict[tuple[str, str], int]:
    """Return what is due or in delivery, as the recipient's key and the message or notification, and how stale it is."""
    messages = db.execute(
        "SELECT team_id, channel_id, parcel, stale FROM messages"
        " WHERE status IN ('owed', 'sending') OR stale > 0"
    ).fetchall()
    notifications = db.execute(
        "SELECT team_id, channel_id, id, 0 FROM notifications WHERE status IN ('owed', 'sending')"
    ).fetchall()
    return {
        (Recipient(team=team, channel=channel).key, str(item)): stale
        for team, channel, item, stale in (*messages, *notifications)
    }


def _sending(db: Connection) -> set[str]:
    """Return the messages that are being sent or extended."""
    rows = db.execute(
        "SELECT parcel FROM messages WHERE status = 'sending'"
        " UNION SELECT parcel FROM notifications WHERE status = 'sending'"
    )
    return {parcel for (parcel,) in rows}
