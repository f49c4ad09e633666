"""Forgetting: a whole workspace, or one person in it. For use inside a transaction."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.audit_log import wipe_audit
from storage.database import Database
from storage.encryption import SecretBox
from storage.secure_deletion import mark_for_rewriting
from storage.subscriptions import end_subscription, select_subscriptions

# Tables that hold tokens: they are written anew at once when some go, the rest of the file within the hour.
WITH_TOKENS = ("accounts", "installations", "sign_ins")
# Every table whose rows belong to a workspace, but for those that are ended with what hangs on them.
OF_A_WORKSPACE = (
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
    """Every workspace of which there is anything; for use where a database is at hand."""
    tables = ("subscriptions", "audit_chains", *OF_A_WORKSPACE)
    query = " UNION ".join(f"SELECT team_id FROM {table}" for table in tables)
    return [team for (team,) in db.execute(query)]


def wipe_workspace(
    db: sqlite_utils.Database, team: str, database: Database, vault: SecretBox | None, at: datetime
) -> None:
    """Forget all that a workspace has told the bot; apps that nobody else waits for are watched no longer."""
    for subscription in select_subscriptions(db, "team_id = ?", [team]):
        end_subscription(db, subscription)
    for table in OF_A_WORKSPACE:
        db.execute(f"DELETE FROM {table} WHERE team_id = ?", [team])
    wipe_audit(db, team, vault, at)
    mark_for_rewriting(db)
    database.mark_removed(team)
