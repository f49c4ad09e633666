"""Deletes old data; what statistics need of a build stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from storage.audit_log import prune_audit
from storage.connection import Connection
from storage.database import Database, Work
from storage.encryption import SecretBox
from storage.timestamps import to_text
from storage.watched_builds import lock_watching

# Rows per transaction, so that other work does not wait long for the database.
AT_ONCE = 2000
_KEPT = "provider, build_slug, app_slug, number, state, ended, triggered_at, finished_at, branch, workflow, abort_kind"
_STEPS = (
    """DELETE FROM notifications WHERE id IN (SELECT id FROM notifications
        WHERE status IN ('told', 'dropped') AND created_at < :before LIMIT :most)""",
    # Pending notifications of builds that the provider has deleted can't be sent any more.
    """DELETE FROM notifications WHERE id IN (SELECT id FROM notifications
        WHERE status IN ('owed', 'sending') AND created_at < :before AND NOT EXISTS (
            SELECT 1 FROM builds WHERE builds.provider = notifications.provider
            AND builds.build_slug = notifications.build_slug) LIMIT :most)""",
    """DELETE FROM messages WHERE parcel IN (SELECT parcel FROM messages
        WHERE status IN ('told', 'gone') AND sent_at < :before LIMIT :most)""",
    """DELETE FROM pipelines WHERE (provider, pipeline_id, attempt) IN (
        SELECT provider, pipeline_id, attempt FROM pipelines WHERE ended = 1 AND seen_at < :before LIMIT :most)""",
    """DELETE FROM build_requests WHERE slug IN (SELECT slug FROM build_requests
        WHERE ended = 1 AND seen_at < :before LIMIT :most)""",
    """DELETE FROM workflow_steps WHERE (team_id, execution) IN (SELECT team_id, execution FROM workflow_steps
        WHERE ended = 1 AND begun_at < :before LIMIT :most)""",
    """DELETE FROM proposals WHERE id IN (SELECT id FROM proposals
        WHERE state <> 'open' AND expires_at < :before LIMIT :most)""",
    # Last triggers, which prefill forms.
    """DELETE FROM starts WHERE (team_id, user_id, app_slug) IN (SELECT team_id, user_id, app_slug FROM starts
        WHERE at < :before LIMIT :most)""",
    # Branches without recent builds. Red ones stay, so that their recovery is notified.
    """DELETE FROM series WHERE (provider, app_slug, workflow, branch) IN (
        SELECT provider, app_slug, workflow, branch FROM series
        WHERE is_red = 0 AND green_at < :before AND NOT EXISTS (
            SELECT 1 FROM builds WHERE builds.provider = series.provider AND builds.app_slug = series.app_slug
            AND COALESCE(builds.workflow, '') = series.workflow AND COALESCE(builds.branch, '') = series.branch
            AND builds.body <> '') LIMIT :most)""",
    "DELETE FROM restarts WHERE asked_at < :before",
    """DELETE FROM sign_ins WHERE fingerprint IN (SELECT fingerprint FROM sign_ins
        WHERE expires_at < :before LIMIT :most)""",
    """DELETE FROM oauth_states WHERE fingerprint IN (SELECT fingerprint FROM oauth_states
        WHERE expires_at < :before LIMIT :most)""",
)


async def prune(
    database: Database,
    *,
    before: datetime,
    audit_before: datetime | None = None,
    vault: SecretBox | None = None,
) -> int:
    """Delete data older than `before`, and audit log entries older than `audit_before`.

    `vault` seals the remaining audit log. Returns how many rows were changed.
    """
    total = 0
    if audit_before is not None:
        total += await database.write(lambda db: prune_audit(db, audit_before, vault))
    limits = {"before": to_text(before), "most": AT_ONCE}
    steps: list[Work[int]] = [lambda db: _empty_builds(db, limits)]
    steps += [partial(_run, step, limits) for step in _STEPS]
    for work in steps:
        changed = AT_ONCE
        while changed == AT_ONCE:
            changed = await database.write(work)
            total += changed
    return total


def _run(step: str, limits: Mapping[str, Any], db: Connection) -> int:
    # PostgreSQL refuses parameters that a statement does not use.
    used = {name: value for name, value in limits.items() if f":{name}" in step}
    lock_watching(db)
    return int(db.execute(step, used).rowcount)


def _empty_builds(db: Connection, limits: Mapping[str, Any]) -> int:
    """Delete the bodies of old builds, of which number, state, branch, workflow, kind of abort and times stay."""
    lock_watching(db)
    rows = db.execute(
        f"""SELECT {_KEPT} FROM builds
        WHERE ended = 1 AND body <> '' AND COALESCE(finished_at, triggered_at) < :before AND NOT EXISTS (
            SELECT 1 FROM notifications WHERE notifications.provider = builds.provider
            AND notifications.build_slug = builds.build_slug AND status IN ('owed', 'sending')) LIMIT :most""",
        limits,
    ).fetchall()
    # Inserted again instead of updated, because SQLite does not reuse the space of rows that only shrink.
    db.executemany("DELETE FROM builds WHERE provider = ? AND build_slug = ?", [row[:2] for row in rows])
    marks = ", ".join("?" * len(_KEPT.split(",")))
    db.executemany(f"INSERT INTO builds ({_KEPT}, body) VALUES ({marks}, '')", rows)
    return len(rows)
