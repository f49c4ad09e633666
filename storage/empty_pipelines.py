"""Pipelines that ended before one of their workflows had a build: no build tells whoever has started them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlite_utils

from domain.pipeline import Pipeline
from messages import pipeline_card
from messages.kit.message_state import RunNote
from providers.bitrise.builds import action_messages
from storage.outbox import run_parcel
from storage.pipelines import pipeline_of
from storage.subscriptions import Subscription, end_subscription, subscriptions_of_apps


def end_runs_without_builds(db: sqlite_utils.Database, pipelines: Iterable[Pipeline], at: datetime) -> None:
    """Let the messages that follow such pipelines show how those ended, and follow them no more.

    For use inside a transaction, once the pipelines are saved.
    """
    for one in pipelines:
        if not one.ended or any(each.build_slug for each in one.workflows):
            continue
        kept = pipeline_of(db, one.provider, one.ref) or one
        for subscription in subscriptions_of_apps(db, one.provider, [one.app_slug]):
            if one.ref.key in subscription.terms.filter.attempts and not _was_told_of_an_end(
                db, subscription
            ):
                _show_end(db, kept, subscription, at)
                end_subscription(db, subscription)


def _was_told_of_an_end(db: sqlite_utils.Database, subscription: Subscription) -> bool:
    query = "SELECT 1 FROM notifications WHERE subscription_id = ? AND event = 'ended'"
    return db.execute(query, [subscription.id]).fetchone() is not None


def _show_end(db: sqlite_utils.Database, one: Pipeline, subscription: Subscription, at: datetime) -> None:
    if subscription.app is None:
        return
    card = pipeline_card.pipeline_card(one, subscription.app, now=at)
    where = [subscription.team, subscription.channel, run_parcel(subscription.id, "*")]
    query = "SELECT parcel, note FROM messages WHERE team_id = ? AND channel_id = ? AND parcel GLOB ?"
    for parcel, note in db.execute(query, where).fetchall():
        content = action_messages.with_starter(card, RunNote.read(note)).encode()
        db.execute(
            "UPDATE messages SET content = ?, stale = stale + (status IN ('sending', 'told')) WHERE parcel = ?",
            [content, parcel],
        )
    # A build that was seen to begin, and has gone since.
    db.execute(
        "UPDATE notifications SET status = 'dropped', error = 'ended' WHERE subscription_id = ? AND status = 'owed'",
        [subscription.id],
    )
