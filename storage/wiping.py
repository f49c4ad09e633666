"""Forgetting: a whole workspace, or one person in it. For use inside a transaction."""

from __future__ import annotations

import sqlite_utils

from storage.audit import wipe_audit
from storage.subscriptions import end_subscription, select_subscriptions

# Every table whose rows belong to a workspace, but for those that are ended with what hangs on them.
OF_A_WORKSPACE = (
    "accounts",
    "channels",
    "messages",
    "notifications",
    "people",
    "policies",
    "proposals",
    "starts",
    "workflow_steps",
    "workspaces",
)


def wipe_workspace(db: sqlite_utils.Database, team: str) -> None:
    """Forget all that a workspace has told the bot; apps that nobody else waits for are watched no longer."""
    for subscription in select_subscriptions(db, "team_id = ?", [team]):
        end_subscription(db, subscription)
    for table in OF_A_WORKSPACE:
        db.execute(f"DELETE FROM {table} WHERE team_id = ?", [team])
    wipe_audit(db, team)
