"""How apps stood at the last look, and the restarts that were asked for since: for use inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlite_utils

from domain.build import App
from domain.poll_state import RequestedRestart, Snapshot
from domain.provider import Provider
from storage.timestamps import from_text, to_text

# A restart that was asked for longer ago says nothing of what happens now.
RESTART_RETENTION = timedelta(minutes=30)


def snapshots(db: sqlite_utils.Database, provider: Provider) -> dict[str, str]:
    """How each app of the provider stood, by its slug."""
    query = "SELECT app_slug, body FROM snapshots WHERE provider = ?"
    return dict(db.execute(query, [provider]))


def split_outdated(
    db: sqlite_utils.Database, provider: Provider, seen: Iterable[Snapshot]
) -> tuple[list[Snapshot], set[str]]:
    """Those whose apps are watched and stand as they did when they were compared, and the slugs of the others."""
    query = (
        "SELECT snapshots.body FROM watched_apps LEFT JOIN snapshots USING (provider, app_slug)"
        " WHERE provider = ? AND app_slug = ?"
    )
    good, outdated = [], set()
    for one in seen:
        row = db.execute(query, [provider, one.app_slug]).fetchone()
        if row is not None and row[0] == one.was:
            good.append(one)
        else:
            outdated.add(one.app_slug)
    return good, outdated


def store_snapshot(db: sqlite_utils.Database, provider: Provider, app_slug: str, body: str) -> None:
    """Remember how an app stands now."""
    db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", [provider, app_slug, body])


def forget_snapshot(db: sqlite_utils.Database, app: App) -> None:
    """Forget how an app stood: the next look at it begins anew."""
    db.execute("DELETE FROM snapshots WHERE provider = ? AND app_slug = ?", [app.provider, app.slug])


def record_restart(
    db: sqlite_utils.Database, provider: Provider, app_slug: str, dyno: str, at: datetime
) -> None:
    """Remember that a restart was asked for; those of long ago are forgotten."""
    db.execute("DELETE FROM restarts WHERE asked_at < ?", [to_text(at - RESTART_RETENTION)])
    db.execute("INSERT OR REPLACE INTO restarts VALUES (?, ?, ?, ?)", [provider, app_slug, dyno, to_text(at)])


def restarts(db: sqlite_utils.Database, provider: Provider) -> list[RequestedRestart]:
    """The restarts that were asked for a short while ago."""
    query = "SELECT app_slug, dyno, asked_at FROM restarts WHERE provider = ?"
    return [
        RequestedRestart(app_slug=app, dyno=dyno, at=from_text(at))
        for app, dyno, at in db.execute(query, [provider])
    ]
