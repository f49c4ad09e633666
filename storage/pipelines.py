"""Pipelines as last polled, one row per attempt."""

from __future__ import annotations

from collections.abc import Iterable

from domain.build import PipelineRef
from domain.build_sanitizer import sanitize_pipeline
from domain.notifications.rule import NotificationRule
from domain.pipeline import Pipeline
from domain.poll_state import FollowedPipeline
from domain.provider import Provider
from storage.connection import Connection
from storage.slack_messages import wake_recipients
from storage.timestamps import to_text


def open_pipelines(db: Connection, provider: Provider) -> list[Pipeline]:
    """Return the attempts that had not ended at the last poll; for use on the database's thread."""
    query = "SELECT body FROM pipelines WHERE provider = ? AND ended = 0 ORDER BY rowid"
    return [Pipeline.model_validate_json(body) for (body,) in db.execute(query, [provider])]


def followed_pipelines(db: Connection, provider: Provider) -> list[FollowedPipeline]:
    """Return the attempts that messages follow and that have not ended; for use on the database's thread."""
    query = (
        "SELECT app_slug, terms FROM subscriptions WHERE provider = ? AND stopped_reason IS NULL"
        " AND terms LIKE '%\"attempts\":%' ORDER BY id"
    )
    # The end of an attempt is not polled any more once there is a later one.
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
        pipeline
        for pipeline in followed
        if not db.execute(ended, [provider, pipeline.id, pipeline.attempt, pipeline.attempt]).fetchone()
    ]


def pipeline_of(db: Connection, provider: Provider, ref: PipelineRef | None) -> Pipeline | None:
    """Return the attempt that a build belongs to; for use on the database's thread."""
    if ref is None:
        return None
    query = "SELECT body FROM pipelines WHERE provider = ? AND pipeline_id = ? AND attempt = ?"
    row = db.execute(query, [provider, ref.id, ref.attempt]).fetchone()
    return Pipeline.model_validate_json(row[0]) if row else None


def save_pipelines(db: Connection, pipelines: Iterable[Pipeline]) -> None:
    """Store the pipelines, mark their messages as stale, and release notifications that waited for their end.

    For use inside a transaction.
    """
    for pipeline in pipelines:
        body = sanitize_pipeline(pipeline).model_dump_json(exclude_none=True)
        changed = db.execute(
            "INSERT INTO pipelines (provider, pipeline_id, attempt, app_slug, ended, seen_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider, pipeline_id, attempt) DO UPDATE SET"
            " ended = excluded.ended, body = excluded.body WHERE pipelines.body <> excluded.body",
            [
                pipeline.provider,
                pipeline.id,
                pipeline.attempt,
                pipeline.app_slug,
                pipeline.ended,
                to_text(pipeline.attempt_triggered_at or pipeline.triggered_at or pipeline.started_at),
                body,
            ],
        ).rowcount
        if not changed:
            continue
        _refresh_messages(db, pipeline.ref)
        if pipeline.ended:
            _release_notifications(db, pipeline.ref)
        # Earlier attempts are not polled any more, so they count as ended.
        _end(db, pipeline.provider, pipeline.id, "attempt < ?", [pipeline.attempt])


def forget_pipelines(db: Connection, provider: Provider, identities: Iterable[str]) -> None:
    """Stop waiting for the end of pipelines that can't be polled any more; for use inside a transaction."""
    for identity in identities:
        _end(db, provider, identity, "1 = 1", [])


def _end(db: Connection, provider: Provider, identity: str, where: str, arguments: list[int]) -> None:
    condition = f"provider = ? AND pipeline_id = ? AND ended = 0 AND {where}"
    values = [provider, identity, *arguments]
    attempts = db.execute(f"SELECT attempt FROM pipelines WHERE {condition}", values).fetchall()
    db.execute(f"UPDATE pipelines SET ended = 1 WHERE {condition}", values)
    for (attempt,) in attempts:
        _release_notifications(db, PipelineRef(id=identity, attempt=attempt))


def _refresh_messages(db: Connection, ref: PipelineRef) -> None:
    """Mark the messages about a pipeline as stale."""
    suffix = f" {ref.id} {ref.attempt}"
    changed = db.execute(
        "UPDATE messages SET stale = stale + 1 WHERE status IN ('sending', 'told')"
        " AND subject LIKE 'pipeline %' AND substr(subject, length(subject) - ?) = ?"
        " RETURNING team_id, channel_id",
        [len(suffix) - 1, suffix],
    )
    wake_recipients(db, changed)


def _release_notifications(db: Connection, ref: PipelineRef) -> None:
    """Make the notifications due that waited for the end of the pipeline."""
    # What has been held keeps the name of the pipeline: its delivery took long on purpose.
    released = db.execute(
        "UPDATE notifications SET due_at = NULL WHERE held_for = ? AND status = 'owed' AND due_at IS NOT NULL"
        " RETURNING team_id, channel_id",
        [f"{ref.id} {ref.attempt}"],
    )
    wake_recipients(db, released)
