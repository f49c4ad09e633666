"""Pipelines as the watcher last saw them, one row an attempt."""

from __future__ import annotations

from collections.abc import Iterable

import sqlite_utils

from domain.build import PipelineRef
from domain.build_sanitizer import sanitize_pipeline
from domain.notifications.rule import NotificationRule
from domain.pipeline import Pipeline
from domain.poll_state import FollowedPipeline
from domain.provider import Provider
from storage.timestamps import to_text


def open_pipelines(db: sqlite_utils.Database, provider: Provider) -> list[Pipeline]:
    """The attempts that had not ended when they were last seen; for use where a database is at hand."""
    query = "SELECT body FROM pipelines WHERE provider = ? AND ended = 0 ORDER BY rowid"
    return [Pipeline.model_validate_json(body) for (body,) in db.execute(query, [provider])]


def followed_pipelines(db: sqlite_utils.Database, provider: Provider) -> list[FollowedPipeline]:
    """The attempts that messages follow, unless they were seen to end; for use where a database is at hand."""
    query = (
        "SELECT app_slug, terms FROM subscriptions WHERE provider = ? AND stopped_reason IS NULL"
        " AND terms LIKE '%\"attempts\":%' ORDER BY id"
    )
    # The end of one that a later attempt has overtaken is not to be seen any more.
    ended = (
        "SELECT 1 FROM pipelines WHERE provider = ? AND pipeline_id = ?"
        " AND (attempt = ? AND ended = 1 OR attempt > ?)"
    )
    followed = (
        FollowedPipeline(app_slug=app, id=identity, attempt=int(attempt))
        for app, terms in db.execute(query, [provider])
        for key in sorted(NotificationRule.model_validate_json(terms).filter.attempts)
        for identity, attempt in [key.rsplit(" ", 1)]
    )
    return [
        one
        for one in followed
        if not db.execute(ended, [provider, one.id, one.attempt, one.attempt]).fetchone()
    ]


def pipeline_of(db: sqlite_utils.Database, provider: Provider, ref: PipelineRef | None) -> Pipeline | None:
    """The attempt that a build belongs to; for use where a database is at hand."""
    if ref is None:
        return None
    query = "SELECT body FROM pipelines WHERE provider = ? AND pipeline_id = ? AND attempt = ?"
    row = db.execute(query, [provider, ref.id, ref.attempt]).fetchone()
    return Pipeline.model_validate_json(row[0]) if row else None


def save_pipelines(db: sqlite_utils.Database, pipelines: Iterable[Pipeline]) -> None:
    """Remember the pipelines as they are now, let messages about them be changed, and let go what waited for their end.

    For use inside a transaction.
    """
    for one in pipelines:
        body = sanitize_pipeline(one).model_dump_json(exclude_none=True)
        changed = db.execute(
            "INSERT INTO pipelines (provider, pipeline_id, attempt, app_slug, ended, seen_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider, pipeline_id, attempt) DO UPDATE SET"
            " ended = excluded.ended, body = excluded.body WHERE body <> excluded.body",
            [
                one.provider,
                one.id,
                one.attempt,
                one.app_slug,
                one.ended,
                to_text(one.attempt_triggered_at or one.triggered_at or one.started_at),
                body,
            ],
        ).rowcount
        if not changed:
            continue
        _refresh_messages(db, one.ref)
        if one.ended:
            _release_notifications(db, one.ref)
        # An attempt that was overtaken before its end was seen will not be seen to end any more.
        _end(db, one.provider, one.id, "attempt < ?", [one.attempt])


def forget_pipelines(db: sqlite_utils.Database, provider: Provider, identities: Iterable[str]) -> None:
    """Those can't be seen any more: nothing waits for their end from now on; for use inside a transaction."""
    for identity in identities:
        _end(db, provider, identity, "1 = 1", [])


def _end(
    db: sqlite_utils.Database, provider: Provider, identity: str, where: str, arguments: list[int]
) -> None:
    open_ones = f"provider = ? AND pipeline_id = ? AND ended = 0 AND {where}"
    given = [provider, identity, *arguments]
    attempts = db.execute(f"SELECT attempt FROM pipelines WHERE {open_ones}", given).fetchall()
    db.execute(f"UPDATE pipelines SET ended = 1 WHERE {open_ones}", given)
    for (attempt,) in attempts:
        _release_notifications(db, PipelineRef(id=identity, attempt=attempt))


def _refresh_messages(db: sqlite_utils.Database, ref: PipelineRef) -> None:
    """Have the messages about it brought up to date."""
    about = f" {ref.id} {ref.attempt}"
    db.execute(
        "UPDATE messages SET stale = stale + 1 WHERE status IN ('sending', 'told')"
        " AND subject GLOB 'pipeline *' AND substr(subject, -length(?)) = ?",
        [about, about],
    )


def _release_notifications(db: sqlite_utils.Database, ref: PipelineRef) -> None:
    """What has waited for its end is due."""
    db.execute(
        "UPDATE notifications SET due_at = NULL, held_for = NULL WHERE held_for = ? AND status = 'owed'",
        [f"{ref.id} {ref.attempt}"],
    )
