"""Snapshots of apps from the last poll, and restarts requested since. For use inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.build import App
from domain.poll_state import RequestedRestart, Snapshot
from domain.provider import Provider
from storage.connection import Connection
from storage.timestamps import from_text, to_text

# Older restart requests can't explain a process that goes down now.
RESTART_RETENTION = timedelta(minutes=30)


def snapshots(db: Connection, provider: Provider) -> dict[str, str]:
    """Return the provider's snapshots by app slug."""
    query = "SELECT app_slug, body FROM snapshots WHERE provider = ?"
    return dict(db.execute(query, [provider]))


def split_outdated(
    db: Connection, provider: Provider, new: Iterable[Snapshot]
) -> tuple[list[Snapshot], set[str]]:
    """Return the snapshots that were compared with the stored ones, and the slugs of apps where that is not so.

    An app is outdated if it is not watched any more, or its stored snapshot has changed since the comparison.
    """
    query = (
        "SELECT snapshots.body FROM watched_apps LEFT JOIN snapshots USING (provider, app_slug)"
        " WHERE provider = ? AND app_slug = ?"
    )
    current, outdated = [], set()
    for snapshot in new:
        row = db.execute(query, [provider, snapshot.app_slug]).fetchone()
        if row is not None and row[0] == snapshot.was:
            current.append(snapshot)
        else:
            outdated.add(snapshot.app_slug)
    return current, outdated


def store_snapshot(db: Connection, provider: Provider, app_slug: str, body: str) -> None:
    """Store the current snapshot of an app."""
    db.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?)"
        " ON CONFLICT (provider, app_slug) DO UPDATE SET body = excluded.body",
        [provider, app_slug, body],
    )


def forget_snapshot(db: Connection, app: App) -> None:
    """Delete an app's snapshot: the next poll starts from scratch."""
    db.execute("DELETE FROM snapshots WHERE provider = ? AND app_slug = ?", [app.provider, app.slug])


def record_restart(db: Connection, provider: Provider, app_slug: str, dyno: str, at: datetime) -> None:
    """Store a restart request and delete old ones."""
    db.execute("DELETE FROM restarts WHERE asked_at < ?", [to_text(at - RESTART_RETENTION)])
    db.execute(
        "INSERT INTO restarts VALUES (?, ?, ?, ?)"
        " ON CONFLICT (provider, app_slug, dyno) DO UPDATE SET asked_at = excluded.asked_at",
        [provider, app_slug, dyno, to_text(at)],
    )


def restarts(db: Connection, provider: Provider) -> list[RequestedRestart]:
    """Return the restarts that were requested recently."""
    query = "SELECT app_slug, dyno, asked_at FROM restarts WHERE provider = ?"
    return [
        RequestedRestart(app_slug=app, dyno=dyno, at=from_text(at))
        for app, dyno, at in db.execute(query, [provider])
    ]
