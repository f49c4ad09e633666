"""Watching anew from now on: what was owed is dropped, and what is there now is the beginning. In a transaction.

For a database that has been brought back: what it holds as owed, or as not ended, was told by the bot that went on
after the backup was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlite_utils

from domain.build import App
from domain.build_request import BuildRequest
from domain.poll_state import Baseline
from storage.app_snapshots import forget_snapshot, store_snapshot
from storage.build_requests import remember_request
from storage.failure_streaks import advance_streaks
from storage.subscriptions import end_subscription, select_subscriptions
from storage.timestamps import to_text
from storage.watched_builds import known_states, save_builds

DROP_REASON = "restored"


@dataclass(frozen=True)
class WatchBaseline:
    """What there is at the provider now: each app's newest and open builds by its slug, and what waits for approval."""

    builds: Mapping[str, Baseline] = field(default_factory=dict)
    requests: Sequence[BuildRequest] = ()


def watched_apps(db: sqlite_utils.Database) -> list[App]:
    """The apps that somebody waits for."""
    return [App.model_validate_json(body) for (body,) in db.execute("SELECT body FROM watched_apps")]


def reset_watching(db: sqlite_utils.Database, beginning: WatchBaseline, at: datetime) -> int:
    """Drop what is owed, and begin the watching of each app with what is there, or with the time where that is unknown.

    What has ended by then is told to nobody, what is open is followed to its end. Returns how many notifications were
    dropped.
    """
    dropped = _drop_pending(db)
    db.execute("DELETE FROM builds WHERE ended = 0")
    for app in watched_apps(db):
        baseline = beginning.builds.get(app.slug, Baseline(at=at))
        db.execute(
            "UPDATE watched_apps SET baseline_at = ? WHERE provider = ? AND app_slug = ?",
            [to_text(baseline.at), app.provider, app.slug],
        )
        forget_snapshot(db, app)
        if baseline.snapshot is not None:
            store_snapshot(db, app.provider, app.slug, baseline.snapshot)
        known = known_states(db, app.provider, [one.slug for one in baseline.builds])
        new = [one for one in baseline.builds if one.slug not in known]
        ended = sorted((one for one in new if one.ended), key=lambda one: one.number or 0)
        save_builds(db, new, advance_streaks(db, ended))
    for request in beginning.requests:
        remember_request(db, request, at)
    _end_one_time_subscriptions(db)
    return dropped


def _drop_pending(db: sqlite_utils.Database) -> int:
    dropped = db.execute(
        "UPDATE notifications SET status = 'dropped', error = ? WHERE status IN ('owed', 'sending')",
        [DROP_REASON],
    ).rowcount
    db.execute("UPDATE messages SET status = 'gone' WHERE status IN ('owed', 'sending')")
    # What they say now was written by the bot that went on; this one knows less.
    db.execute("UPDATE messages SET stale = 0 WHERE stale > 0")
    # Whether somebody agreed since is not known, and must not be asked for a second time.
    db.execute("UPDATE proposals SET state = 'expired' WHERE state IN ('open', 'agreed')")
    return int(dropped)


def _end_one_time_subscriptions(db: sqlite_utils.Database) -> None:
    """Those that are over after one end, where none of the builds that they wait for is open any more."""
    still_open = {slug for (slug,) in db.execute("SELECT build_slug FROM builds WHERE ended = 0")}
    for one in select_subscriptions(db, "terms LIKE '%\"once\":true%'", []):
        if one.terms.filter.builds and not one.terms.filter.builds & still_open:
            end_subscription(db, one)
