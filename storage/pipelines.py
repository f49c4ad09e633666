"""Pipelines as the watcher last saw them, one row an attempt."""

from __future__ import annotations

from collections.abc import Iterable

import sqlite_utils

from bot.build import PipelineRef, Provider
from bot.pipeline import Pipeline
from storage.times import to_text


def open_pipelines(db: sqlite_utils.Database, provider: Provider) -> list[Pipeline]:
    """The attempts that had not ended when they were last seen; for use where a database is at hand."""
    query = "SELECT body FROM pipelines WHERE provider = ? AND ended = 0 ORDER BY rowid"
    return [Pipeline.model_validate_json(body) for (body,) in db.execute(query, [provider])]


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
        body = one.model_dump_json(exclude_none=True)
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
                to_text(one.triggered_at or one.started_at),
                body,
            ],
        ).rowcount
        if not changed:
            continue
        about = f" {one.id} {one.attempt}"
        db.execute(
            "UPDATE messages SET stale = stale + 1 WHERE status IN ('sending', 'told')"
            " AND subject GLOB 'pipeline *' AND substr(subject, -length(?)) = ?",
            [about, about],
        )
        if one.ended:
            db.execute(
                "UPDATE notifications SET due_at = NULL, held_for = NULL WHERE held_for = ? AND status = 'owed'",
                [f"{one.id} {one.attempt}"],
            )
