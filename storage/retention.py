"""Deletes old data; what statistics need of a build stays."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.audit_log import prune_audit
from storage.database import Database
from storage.encryption import SecretBox
from storage.timestamps import to_text

# Rows per transaction, so that other work does not wait long for the database.
AT_ONCE = 2000
_STEPS = (
    # Number, state, branch, workflow, kind of abort and times of a build stay. The row is inserted again instead of
    # updated, because SQLite does not reuse the space of rows that only shrink.
    """INSERT OR REPLACE INTO builds (provider, build_slug, app_slug, number, state, ended, triggered_at,
            finished_at, branch, workflow, abort_kind, body)
        SELECT provider, build_slug, app_slug, number, state, ended, triggered_at,
            finished_at, branch, workflow, abort_kind, '' FROM builds
        WHERE ended = 1 AND body <> '' AND IFNULL(finished_at, triggered_at) < :before AND NOT EXISTS (
            SELECT 1 FROM notifications WHERE notifications.provider = builds.provider
            AND notifications.build_slug = builds.build_slug AND status IN ('owed', 'sending')) LIMIT :most""",
    """DELETE FROM notifications WHERE rowid IN (SELECT rowid FROM notifications
        WHERE status IN ('told', 'dropped') AND created_at < :before LIMIT :most)""",
    # Pending notifications of builds that the provider has deleted can't be sent any more.
    """DELETE FROM notifications WHERE rowid IN (SELECT rowid FROM notifications
        WHERE status IN ('owed', 'sending') AND created_at < :before AND NOT EXISTS (
            SELECT 1 FROM builds WHERE builds.provider = notifications.provider
            AND builds.build_slug = notifications.build_slug) LIMIT :most)""",
    """DELETE FROM messages WHERE rowid IN (SELECT rowid FROM messages
        WHERE status IN ('told', 'gone') AND sent_at < :before LIMIT :most)""",
    """DELETE FROM pipelines WHERE rowid IN (SELECT rowid FROM pipelines
        WHERE ended = 1 AND seen_at < :before LIMIT :most)""",
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
        SELECT provider, app_slug, workflow, branch FROM series WHERE json_extract(body, '$.red') IS NULL
        AND json_extract(body, '$.green.at') < substr(:before, 1, 19) AND NOT EXISTS (
            SELECT 1 FROM builds WHERE builds.provider = series.provider AND builds.app_slug = series.app_slug
            AND IFNULL(builds.workflow, '') = series.workflow AND IFNULL(builds.branch, '') = series.branch
            AND builds.body <> '') LIMIT :most)""",
    "DELETE FROM restarts WHERE asked_at < :before",
    """DELETE FROM sign_ins WHERE fingerprint IN (SELECT fingerprint FROM sign_ins
        WHERE expires_at < :before LIMIT :most)""",
    """DELETE FROM deliveries WHERE (team_id, fingerprint) IN (SELECT team_id, fingerprint FROM deliveries
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
    for step in _STEPS:
        changed = AT_ONCE
        while changed == AT_ONCE:
            changed = await database.write(lambda db, step=step: _run(db, step, before))  # type: ignore[misc]
            total += changed
    return total


def _run(db: sqlite_utils.Database, step: str, before: datetime) -> int:
    return int(db.execute(step, {"before": to_text(before), "most": AT_ONCE}).rowcount)
