"""Subscriptions: which channels are notified of which builds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from domain.build import App, BuildChange
from domain.build_author import NameDirectory
from domain.failure_streak import StreakState
from domain.notifications.rule import NotificationRule
from domain.pipeline import Pipeline
from domain.provider import Provider
from domain.subscription import AccessSource, Scope, Subscription
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database
from storage.polls import raise_watch_revision
from storage.slack_messages import store_app_with_messages
from storage.subscribed_apps import find_candidates, index_subscriptions, remove_from_index
from storage.timestamps import from_text, to_text
from storage.user_profiles import name_directories
from storage.watched_builds import end_watching, lock_watching

# SQLite takes at least 999 parameters in one statement (sqlite.org, "Implementation Limits For SQLite").
_PARAMETERS = 900


class Subscriptions:
    """All subscriptions of all workspaces, for the poller.

    `revision` increases whenever this bot may have changed the set of watched apps. A bot that shares the database
    reads what all bots have changed: PollStatus has that revision.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.revision = 0

    def mark_changed(self) -> None:
        """Note that the set of watched apps may have changed."""
        self.revision += 1

    async def of_app(self, provider: Provider, app_slug: str) -> list[Subscription]:
        """Return the active subscriptions to this single app, oldest first."""
        where = "subscriptions.provider = ? AND subscriptions.app_slug = ? AND stopped_reason IS NULL"
        return await self._find(where, [provider, app_slug])

    async def with_limits(self, provider: Provider) -> list[Subscription]:
        """Return the active subscriptions with time limits at the provider."""
        where = "subscriptions.provider = ? AND stopped_reason IS NULL AND terms LIKE '%_over%'"
        found = await self._find(where, [provider])
        return [
            subscription
            for subscription in found
            if subscription.terms.on_hold_over or subscription.terms.running_over
        ]

    async def to_check(
        self, before: datetime, most: int, *, providers: Collection[Provider], acting: Collection[str] = ()
    ) -> list[Subscription]:
        """Return subscriptions at these providers whose creators' access was not checked since then, oldest first.

        Includes paused ones and those of closed channels, because users can list them. Subscriptions with the bot's own
        access are left out at providers in `acting`, where the bot's token acts for all users.
        """
        if not providers:
            return []
        acting = acting or ("",)  # lists in SQL must not be empty
        where = (
            f"subscriptions.provider IN ({_marks(providers)})"
            f" AND (seen_as = 'own' OR subscriptions.provider NOT IN ({_marks(acting)}))"
            " AND COALESCE(stopped_reason, '') <> 'unseen' AND COALESCE(checked_at, '') < ?"
            " ORDER BY COALESCE(checked_at, ''), subscriptions.id LIMIT ?"
        )
        return await self._find(where, [*providers, *acting, to_text(before), most])

    async def mark_confirmed(
        self, subscription: Subscription, at: datetime, scope: Scope, *, account: datetime
    ) -> bool:
        """Store the scope that the provider has confirmed for the creator's account, connected at `account`.

        Returns False, and changes nothing, if the subscription's creator or their account has changed since.
        """
        seen_as, apps, logs = scope_row(scope)
        query = (
            "UPDATE subscriptions SET checked_at = ?, confirmed_at = ?, unseen_at = NULL, unsure_since = NULL,"
            f" seen_as = ?, apps = ?, sees_logs = ? WHERE {_SAME_CREATOR} AND COALESCE(stopped_reason, '') <> 'unseen'"
        )
        row = [to_text(at), to_text(at), seen_as, apps, logs, *_same_creator(subscription, account)]
        return await self._database.write(lambda db: _update_scope(db, subscription, query, row))

    async def mark_checked(
        self,
        subscription: Subscription,
        at: datetime,
        scope: Scope,
        *,
        account: datetime | None = None,
        unsure_since: datetime | None = None,
    ) -> None:
        """Store a check without a certain result, unless the creator or their account has changed since."""
        query = (
            "UPDATE subscriptions SET checked_at = ?, apps = ?, sees_logs = ?, unsure_since = ?"
            f" WHERE {_SAME_CREATOR}"
        )
        row = [
            to_text(at),
            *scope_row(scope)[1:],
            to_text(unsure_since),
            *_same_creator(subscription, account),
        ]
        await self._database.write(lambda db: _update_scope(db, subscription, query, row))

    async def names(self, subscriptions: Iterable[Subscription]) -> dict[str, NameDirectory]:
        """Return the names of users by workspace, of those where a subscription asks whose build it is."""
        teams = teams_with_authors(subscriptions)
        return await self._database.read(lambda db: name_directories(db, teams)) if teams else {}

    async def count(self) -> int:
        """Return the number of subscriptions."""
        return int(
            await self._database.read(
                lambda db: db.execute("SELECT COUNT(*) FROM subscriptions").fetchone()[0]
            )
        )

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[Subscription]:
        return await self._database.read(lambda db: select_subscriptions(db, where, arguments))


def teams_with_authors(subscriptions: Iterable[Subscription]) -> set[str]:
    """Return the workspaces in which one of the subscriptions asks whose build it is."""
    return {subscription.team for subscription in subscriptions if subscription.terms.filter.by}


def subscriptions_to_match(
    db: Connection, changes: Sequence[BuildChange], streak_states: Mapping[str, StreakState]
) -> list[Subscription]:
    """Return the active subscriptions that could want one of the changes, oldest first; inside a transaction.

    All others want none of them; which of these want which is decided by their rules.
    """
    candidates = find_candidates(db, changes, streak_states)
    chunks = [candidates[start : start + _PARAMETERS] for start in range(0, len(candidates), _PARAMETERS)]
    return [
        subscription
        for chunk in chunks
        for subscription in select_subscriptions(
            db, f"subscriptions.id IN ({_marks(chunk)}) AND stopped_reason IS NULL", chunk
        )
    ]


def subscriptions_to_attempt(db: Connection, pipeline: Pipeline) -> list[Subscription]:
    """Return the active subscriptions to this attempt of a pipeline, oldest first; for use inside a transaction."""
    where = (
        "subscriptions.provider = ? AND stopped_reason IS NULL AND terms LIKE '%\"attempts\":%'"
        " AND subscriptions.app_slug = ?"
    )
    return [
        subscription
        for subscription in select_subscriptions(db, where, [pipeline.provider, pipeline.app_slug])
        if pipeline.ref.key in subscription.terms.filter.attempts
    ]


# The subscription has still the same creator with the same account.
_SAME_CREATOR = (
    "team_id = ? AND id = ? AND created_by = ? AND COALESCE((SELECT connected_at FROM accounts"
    " WHERE accounts.team_id = subscriptions.team_id AND accounts.user_id = subscriptions.created_by"
    " AND accounts.provider = subscriptions.provider), '') = ?"
)


def _update_scope(db: Connection, subscription: Subscription, query: str, row: Sequence[Any]) -> bool:
    """Run an update of the subscription's scope; return whether it has changed the row."""
    db.lock("account", subscription.team, subscription.created_by)
    if not db.execute(query, row).rowcount:
        return False
    index_subscriptions(db, "id = ?", [subscription.id])
    return True


def _same_creator(subscription: Subscription, account: datetime | None) -> list[Any]:
    return [subscription.team, subscription.id, subscription.created_by, to_text(account) or ""]


def mark_access_lost(
    db: Connection, subscription: Subscription, account: datetime | None, at: datetime
) -> bool:
    """Note that the creator's account, connected at `account`, has lost access; for use inside a transaction.

    Returns False, and changes nothing, if the subscription's creator or their account has changed since.
    """
    query = (
        f"UPDATE subscriptions SET unseen_at = COALESCE(unseen_at, ?), checked_at = ? WHERE {_SAME_CREATOR}"
    )
    row = [to_text(at), to_text(at), *_same_creator(subscription, account)]
    return bool(db.execute(query, row).rowcount)


def end_access(
    db: Connection, team: str, user: str, at: datetime, *, provider: Provider | None = None
) -> None:
    """Stop showing data that relies on the user's access at one provider, or at all: the account is gone.

    For use inside a transaction. The subscriptions are checked at once, which stops them and notifies their channels.
    """
    query = (
        "UPDATE subscriptions SET unseen_at = COALESCE(unseen_at, ?), checked_at = NULL"
        " WHERE team_id = ? AND created_by = ? AND seen_as = 'own' AND provider = COALESCE(?, provider)"
    )
    db.execute(query, [to_text(at), team, user, provider])
    db.wake(Unit.CHECK_ACCESS)


def check_soon(db: Connection, team: str, user: str, provider: Provider) -> None:
    """Schedule an access check of the user's subscriptions, because the account changed; inside a transaction."""
    query = "UPDATE subscriptions SET checked_at = NULL WHERE team_id = ? AND created_by = ? AND provider = ?"
    db.execute(query, [team, user, provider])
    db.wake(Unit.CHECK_ACCESS)


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def scope_row(scope: Scope) -> tuple[str, str | None, bool]:
    """Return the scope as the columns seen_as, apps and sees_logs."""
    return scope.seen_as, None if scope.apps is None else json.dumps(sorted(scope.apps)), scope.logs


def end_subscription(db: Connection, subscription: Subscription) -> None:
    """Delete a subscription, and stop watching its app if it was the last; for use inside a transaction."""
    ended = db.execute(
        "DELETE FROM subscriptions WHERE team_id = ? AND id = ?", [subscription.team, subscription.id]
    ).rowcount
    app = subscription.app
    if ended:
        remove_from_index(db, subscription.id)
        raise_watch_revision(db, [subscription.provider])
    if app is None or not ended:
        return
    remaining = db.execute(
        "SELECT 1 FROM subscriptions WHERE provider = ? AND app_slug = ?", [app.provider, app.slug]
    ).fetchone()
    if remaining is None:
        store_app_with_messages(db, app)
        end_watching(db, app)


_ONE_TIME = (
    "terms LIKE '%\"once\":true%'"
    " AND subscriptions.id IN (SELECT subscription_id FROM notifications WHERE parcel = ?)"
)


def lock_one_time_subscriptions(db: Connection, parcel: str) -> bool:
    """Return whether this message may complete one-time subscriptions; they can then be ended in the transaction."""
    query = f"SELECT DISTINCT provider FROM subscriptions WHERE {_ONE_TIME}"
    providers = [provider for (provider,) in db.execute(query, [parcel])]
    lock_watching(db, providers)
    return bool(providers)


def end_one_time_subscriptions(db: Connection, parcel: str) -> None:
    """Delete one-time subscriptions that this message has completed; for use inside a transaction that has the lock."""
    where = (
        f"{_ONE_TIME} AND EXISTS (SELECT 1 FROM notifications WHERE subscription_id = subscriptions.id"
        " AND event = 'ended' AND status IN ('told', 'dropped'))"
    )
    for subscription in select_subscriptions(db, where, [parcel]):
        if not _has_more_to_come(db, subscription):
            end_subscription(db, subscription)


def _has_more_to_come(db: Connection, subscription: Subscription) -> bool:
    """Return whether notifications are pending, or the subscription follows a pipeline that has not ended."""
    pending = "SELECT 1 FROM notifications WHERE subscription_id = ? AND status IN ('owed', 'sending')"
    if db.execute(pending, [subscription.id]).fetchone() is not None:
        return True
    query = "SELECT 1 FROM pipelines WHERE provider = ? AND pipeline_id || ' ' || attempt = ? AND ended = 0"
    return any(
        db.execute(query, [subscription.provider, key]).fetchone() is not None
        for key in subscription.terms.filter.attempts
    )


def select_subscriptions(db: Connection, where: str, arguments: Sequence[Any]) -> list[Subscription]:
    """Return matching subscriptions, oldest first unless `where` orders them; for use on the database's thread."""
    order = "" if "ORDER BY" in where else " ORDER BY subscriptions.id"
    rows = db.execute(
        "SELECT subscriptions.id, team_id, channel_id, watched_apps.body, app_slug, terms,"
        " created_by, created_at, stopped_reason, seen_as, apps, sees_logs, confirmed_at, unseen_at, checked_at,"
        " unsure_since, subscriptions.provider, COALESCE(subscriptions.number, subscriptions.id)"
        " FROM subscriptions LEFT JOIN watched_apps USING (provider, app_slug)"
        f" WHERE {where}{order}",
        arguments,
    )
    return [
        Subscription(
            id=identity,
            number=number,
            team=team,
            channel=channel,
            provider=provider,
            app=_app(provider, slug, app),
            terms=_parse_terms(terms),
            created_by=by,
            created_at=from_text(at),
            stopped=stopped,
            scope=Scope(
                seen_as=AccessSource(seen_as),
                apps=frozenset(json.loads(apps)) if apps is not None else None,
                logs=bool(logs),
            ),
            confirmed_at=from_text(confirmed),
            unseen_at=from_text(unseen),
            checked_at=from_text(checked),
            unsure_since=from_text(unsure),
        )
        for (
            identity,
            team,
            channel,
            app,
            slug,
            terms,
            by,
            at,
            stopped,
            seen_as,
            apps,
            logs,
            confirmed,
            unseen,
            checked,
            unsure,
            provider,
            number,
        ) in rows
    ]


@lru_cache(maxsize=1000)
def _parse_terms(text: str) -> NotificationRule:
    """Parse the terms in a column. Cached: terms are frozen, and the same for most subscriptions."""
    return NotificationRule.model_validate_json(text)


@lru_cache(maxsize=1000)
def _parse_app(body: str) -> App:
    return App.model_validate_json(body)


def _app(provider: str, slug: str, body: str | None) -> App | None:
    if body:
        return _parse_app(body)
    return App(provider=Provider.named(provider), slug=slug, title=slug) if slug else None
