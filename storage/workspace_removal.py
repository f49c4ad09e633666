"""Deletes a whole workspace. For use inside a transaction."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.audit_log import wipe_audit
from storage.database import Database
from storage.encryption import SecretBox
from storage.secure_deletion import mark_for_rewriting
from storage.subscriptions import end_subscription, select_subscriptions

# Tables with tokens: they are rewritten at once after a deletion, the rest of the file within an hour.
WITH_TOKENS = ("accounts", "installations", "sign_ins")
# Every table with workspaces, except subscriptions, the audit log and installations, which are deleted separately.
WORKSPACE_TABLES = (
    "accounts",
    "channels",
    "deliveries",
    "messages",
    "notifications",
    "passing_files",
    "people",
    "policies",
    "proposals",
    "sign_ins",
    "starts",
    "ties",
    "workflow_steps",
    "workspaces",
)


def known_teams(db: sqlite_utils.Database) -> list[str]:
    """Return every workspace with stored data; for use on the database's thread."""
    tables = ("subscriptions", "audit_chains", *WORKSPACE_TABLES)
    query = " UNION ".join(f"SELECT team_id FROM {table}" for table in tables)
    return [team for (team,) in db.execute(query)]


def wipe_workspace(
    db: sqlite_utils.Database, team: str, database: Database, vault: SecretBox | None, at: datetime
) -> None:
    """Delete all data of a workspace, and stop watching apps without other subscriptions."""
    for subscription in select_subscriptions(db, "team_id = ?", [team]):
        end_subscription(db, subscription)
    for table in WORKSPACE_TABLES:
        db.execute(f"DELETE FROM {table} WHERE team_id = ?", [team])
    wipe_audit(db, team, vault, at)
    mark_for_rewriting(db)
    database.mark_removed(team)
