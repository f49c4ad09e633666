"""The schema, as the steps that made it. A step that has been released is never changed; a new one follows it."""

from __future__ import annotations

import sqlite_utils
from sqlite_utils import Migrations

migrations = Migrations("buildbell")


def known_migrations() -> set[str]:
    """The names of all steps that this version knows."""
    memory = sqlite_utils.Database(memory=True)
    try:
        return {step.name for step in migrations.pending(memory)}
    finally:
        memory.close()


@migrations()
def m001_watch_and_tell(db: sqlite_utils.Database) -> None:
    """Apps, builds, subscriptions, the outbox, and what a channel has chosen."""
    for statement in _FIRST:
        db.execute(statement)


# Times are ISO 8601 in UTC with microseconds, so that they sort as text.
_FIRST = (
    # An app that at least one subscription waits for. `baseline_at`: builds triggered before it were there when
    # the watching began. `joined` is 0 until the app was looked at by itself once since then.
    """CREATE TABLE watched_apps (
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
        baseline_at TEXT, joined INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (provider, app_slug)) WITHOUT ROWID""",
    """CREATE TABLE builds (
        provider TEXT NOT NULL, build_slug TEXT NOT NULL, app_slug TEXT NOT NULL, number INTEGER,
        state TEXT NOT NULL, ended INTEGER NOT NULL, triggered_at TEXT, finished_at TEXT,
        misses INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
        PRIMARY KEY (provider, build_slug))""",
    "CREATE INDEX open_builds ON builds (provider, app_slug) WHERE ended = 0",
    "CREATE INDEX builds_by_app ON builds (provider, app_slug, triggered_at)",
    # How one token is looked at: all apps at once or each by itself, and up to which trigger time all is known.
    """CREATE TABLE looks (
        token TEXT PRIMARY KEY, per_app INTEGER NOT NULL DEFAULT 0, seen_until TEXT) WITHOUT ROWID""",
    """CREATE TABLE subscriptions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, team_id TEXT NOT NULL, channel_id TEXT NOT NULL,
        provider TEXT NOT NULL, app_slug TEXT NOT NULL, filter TEXT NOT NULL,
        created_by TEXT NOT NULL, created_at TEXT NOT NULL, stopped_reason TEXT, stopped_at TEXT)""",
    "CREATE INDEX subscriptions_by_app ON subscriptions (provider, app_slug)",
    "CREATE INDEX subscriptions_by_channel ON subscriptions (channel_id)",
    # The outbox. A row is owed, then in a parcel (Slack may or may not have it), then told or given up.
    """CREATE TABLE notifications (
        id INTEGER PRIMARY KEY AUTOINCREMENT, subscription_id INTEGER NOT NULL, channel_id TEXT NOT NULL,
        provider TEXT NOT NULL, build_slug TEXT NOT NULL, event TEXT NOT NULL, created_at TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'owed', parcel TEXT, attempts INTEGER NOT NULL DEFAULT 0,
        sent_at TEXT, ts TEXT, error TEXT,
        UNIQUE (subscription_id, provider, build_slug, event))""",
    "CREATE INDEX notifications_due ON notifications (channel_id, id) WHERE status IN ('owed', 'sending')",
    """CREATE TABLE channels (
        team_id TEXT NOT NULL, channel_id TEXT NOT NULL, provider TEXT NOT NULL, app_slug TEXT NOT NULL,
        set_by TEXT NOT NULL, set_at TEXT NOT NULL,
        PRIMARY KEY (team_id, channel_id, provider)) WITHOUT ROWID""",
)
