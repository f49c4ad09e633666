"""Pipelines that ended before any workflow had a build, so that no build notifies the user who started them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.message import RunMessages, RunNote
from domain.pipeline import Pipeline
from domain.subscription import Subscription
from storage.connection import Connection
from storage.outbox import run_parcel
from storage.pipelines import pipeline_of
from storage.subscriptions import end_subscription, subscriptions_to_attempt


def end_runs_without_builds(
    db: Connection, pipelines: Iterable[Pipeline], at: datetime, run_messages: RunMessages
) -> None:
    """Show the end of such pipelines in the messages that follow them, and stop following.

    For use inside a transaction, after the pipelines are saved.
    """
    for pipeline in pipelines:
        if not pipeline.ended or any(workflow.build_slug for workflow in pipeline.workflows):
            continue
        stored = pipeline_of(db, pipeline.provider, pipeline.ref) or pipeline
        for subscription in subscriptions_to_attempt(db, pipeline):
            if not _was_notified_of_an_end(db, subscription):
                _show_end(db, stored, subscription, at, run_messages)
                end_subscription(db, subscription)


def _was_notified_of_an_end(db: Connection, subscription: Subscription) -> bool:
    query = "SELECT 1 FROM notifications WHERE subscription_id = ? AND event = 'ended'"
    return db.execute(query, [subscription.id]).fetchone() is not None


def _show_end(
    db: Connection,
    pipeline: Pipeline,
    subscription: Subscription,
    at: datetime,
    run_messages: RunMessages,
) -> None:
    if subscription.app is None:
        return
    where = [subscription.team, subscription.channel, run_parcel(subscription.id, "%")]
    query = "SELECT parcel, note FROM messages WHERE team_id = ? AND channel_id = ? AND parcel LIKE ?"
    for parcel, note in db.execute(query, where).fetchall():
        message = run_messages.render_ended_pipeline(pipeline, subscription.app, RunNote.read(note), now=at)
        db.execute(
            "UPDATE messages SET content = ?,"
            " stale = stale + CASE WHEN status IN ('sending', 'told') THEN 1 ELSE 0 END WHERE parcel = ?",
            [message.encode(), parcel],
        )
    # The start of a build that has disappeared since.
    db.execute(
        "UPDATE notifications SET status = 'dropped', error = 'ended' WHERE subscription_id = ? AND status = 'owed'",
        [subscription.id],
    )
