"""Restarts watching from the current state and drops pending notifications. For use inside a transaction.

For a restored database: its pending notifications, and ends of its open builds, were already sent by the bot that kept
running after the backup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.build import App, BuildRequest
from domain.poll_state import Baseline
from storage.app_snapshots import forget_snapshot, store_snapshot
from storage.build_requests import remember_request
from storage.connection import Connection
from storage.subscriptions import end_subscription, select_subscriptions
from storage.timestamps import to_text
from storage.watched_builds import advance_streaks, known_states, save_builds

DROP_REASON = "restored"


@dataclass(frozen=True)
class WatchBaseline:
    """The current state at the provider: newest and open builds by app slug, and builds that wait for approval."""

    builds: Mapping[str, Baseline] = field(default_factory=dict)
    requests: Sequence[BuildRequest] = ()


def watched_apps(db: Connection) -> list[App]:
    """Return all watched apps."""
    return [App.model_validate_json(body) for (body,) in db.execute("SELECT body FROM watched_apps")]


def reset_watching(db: Connection, watch_baseline: WatchBaseline, at: datetime) -> int:
    """Drop pending notifications, and restart watching each app from its baseline, or from `at` if it has none.

    Builds that have ended are not notified; open builds are followed to their end. Returns how many notifications were
    dropped.
    """
    dropped = _drop_pending(db)
    db.execute("DELETE FROM builds WHERE ended = 0")
    for app in watched_apps(db):
        baseline = watch_baseline.builds.get(app.slug, Baseline(at=at))
        db.execute(
            "UPDATE watched_apps SET baseline_at = ? WHERE provider = ? AND app_slug = ?",
            [to_text(baseline.at), app.provider, app.slug],
        )
        forget_snapshot(db, app)
        if baseline.snapshot is not None:
            store_snapshot(db, app.provider, app.slug, baseline.snapshot)
        known = known_states(db, app.provider, [build.slug for build in baseline.builds])
        new = [build for build in baseline.builds if build.slug not in known]
        ended = sorted((build for build in new if build.ended), key=lambda build: build.number or 0)
        save_builds(db, new, advance_streaks(db, ended))
    for request in watch_baseline.requests:
        remember_request(db, request, at)
    _end_one_time_subscriptions(db)
    return dropped


def _drop_pending(db: Connection) -> int:
    dropped = db.execute(
        "UPDATE notifications SET status = 'dropped', error = ? WHERE status IN ('owed', 'sending')",
        [DROP_REASON],
    ).rowcount
    db.execute("UPDATE messages SET status = 'gone' WHERE status IN ('owed', 'sending')")
    # Their current text was written by the bot that kept running, which knew more.
    db.execute("UPDATE messages SET stale = 0 WHERE stale > 0")
    # An approval since the backup is not known, and the action must not be run twice.
    db.execute("UPDATE proposals SET state = 'expired' WHERE state IN ('open', 'agreed')")
    return int(dropped)


def _end_one_time_subscriptions(db: Connection) -> None:
    """Delete one-time subscriptions whose builds have all ended."""
    still_open = {slug for (slug,) in db.execute("SELECT build_slug FROM builds WHERE ended = 0")}
    for subscription in select_subscriptions(db, "terms LIKE '%\"once\":true%'", []):
        builds = subscription.terms.filter.builds
        if builds and not builds & still_open:
            end_subscription(db, subscription)
