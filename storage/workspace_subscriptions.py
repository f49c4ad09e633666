"""The subscriptions of one workspace: add, change, pause, stop and remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.build import App, FrozenModel
from domain.message import Recipient, RunMessages
from domain.notification import NewNotification
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.subscription import AccessSource, Scope, StopReason, Subscription
from storage.connection import Connection
from storage.database import WorkspaceDatabase
from storage.outbox import enqueue, run_parcel
from storage.polls import raise_watch_revision
from storage.slack_messages import enqueue_message
from storage.started_runs import ACCESS_LOST, adopt_message, unfollow
from storage.subscribed_apps import EVERY_APP, index_subscriptions
from storage.subscriptions import (
    Subscriptions,
    end_subscription,
    mark_access_lost,
    scope_row,
    select_subscriptions,
)
from storage.timestamps import to_text
from storage.watched_builds import begin_watching, latest_builds, lock_watching

# The access of the bot itself.
EVERYTHING = Scope()


# A run that was just started is among this many latest builds of its app.
_MAX_BUILDS = 50


class StartedRun(FrozenModel):
    """A run that a user has just started, matched by `terms`, and the message that follows it.

    `subject` is the message's subject, `content` its first content, and `note` its heading as JSON; `key` is unique to
    the run.
    """

    app: App
    terms: NotificationRule
    key: str
    subject: str
    content: str
    note: str
    thread_ts: str | None = None


@dataclass(frozen=True)
class _NewSubscription:
    """A subscription to add, with the slug of its app."""

    channel: str
    provider: Provider
    slug: str
    terms: NotificationRule
    by: str
    at: datetime
    scope: Scope


class WorkspaceSubscriptions:
    """The subscriptions of one workspace. An app is watched from its first subscription to the end of its last."""

    def __init__(
        self,
        database: WorkspaceDatabase,
        team: str,
        all_subscriptions: Subscriptions,
        run_messages: RunMessages,
    ) -> None:
        self._database = database
        self._team = team
        self._all_subscriptions = all_subscriptions
        self._run_messages = run_messages

    async def is_watched(self, provider: Provider, app_slug: str) -> bool:
        """Return whether a subscription of any workspace already watches the app."""
        query = "SELECT 1 FROM watched_apps WHERE provider = ? AND app_slug = ?"
        found = await self._database.read(lambda db: db.execute(query, [provider, app_slug]).fetchone())
        return found is not None

    async def add(
        self,
        *,
        channel: str,
        app: App,
        terms: NotificationRule,
        by: str,
        at: datetime,
        baseline: Baseline | None,
        scope: Scope = EVERYTHING,
    ) -> Subscription:
        """Add a subscription; the baseline is needed if the app is not watched yet.

        If the channel has a subscription with the same app and terms, that one is resumed if it was stopped, with the
        access of the user `by`, and returned.
        """

        def work(db: Connection) -> int:
            self._lock(db, app.provider, by)
            # A watched app stays as it is. If watching has just ended, it starts again from here.
            begin_watching(db, app, baseline or Baseline(at=at))
            return self._add(db, new)

        new = _NewSubscription(channel, app.provider, app.slug, terms, by, at, scope)
        return await self._add_and_read(work)

    async def add_for_every_app(
        self,
        *,
        channel: str,
        provider: Provider,
        terms: NotificationRule,
        by: str,
        at: datetime,
        scope: Scope = EVERYTHING,
    ) -> Subscription:
        """Add a subscription for all watched apps of the provider, or those in its scope.

        The same terms in the same channel are the same subscription, as in `add`.
        """

        def work(db: Connection) -> int:
            self._lock(db, provider, by)
            return self._add(db, new)

        new = _NewSubscription(channel, provider, EVERY_APP, terms, by, at, scope)
        return await self._add_and_read(work)

    def _add(self, db: Connection, new: _NewSubscription) -> int:
        where = f"{_IN_WORKSPACE} AND channel_id = ? AND subscriptions.provider = ? AND subscriptions.app_slug = ?"
        for existing in select_subscriptions(db, where, [self._team, new.channel, new.provider, new.slug]):
            if existing.terms == new.terms:
                self._resume(db, existing, new.by, new.scope, new.at)
                return existing.id
        return self._insert(db, new)

    async def _add_and_read(self, work: Callable[[Connection], int]) -> Subscription:
        identity = await self._database.write(work)
        self._all_subscriptions.mark_changed()
        [subscription] = await self._find("subscriptions.id = ?", [identity])
        return subscription

    async def follow(
        self,
        run: StartedRun,
        *,
        channel: str,
        by: str,
        at: datetime,
        baseline: Baseline,
        scope: Scope,
    ) -> None:
        """Follow a started run to its end in one message, which is enqueued.

        If a poll has seen the run before, its notifications are enqueued, too. If the channel already has a message
        that is updated until the run's end, that one is used.
        """
        app = run.app

        def work(db: Connection) -> None:
            self._lock(db, app.provider, by)
            db.lock("channel", self._team, channel)
            begin_watching(db, app, baseline)
            identity = self._insert(
                db, _NewSubscription(channel, app.provider, app.slug, run.terms, by, at, scope)
            )
            to = Recipient(team=self._team, channel=channel)
            parcel = run_parcel(identity, run.key)
            if run.thread_ts is not None or not adopt_message(db, to, run.subject, run.note):
                enqueue_message(
                    db, parcel, to, run.subject, run.content, at, note=run.note, thread_ts=run.thread_ts
                )
            builds = latest_builds(db, app, _MAX_BUILDS)
            enqueue(
                db,
                [
                    NewNotification(
                        subscription_id=identity,
                        team=self._team,
                        channel=channel,
                        provider=app.provider,
                        build_slug=build.slug,
                        event=BuildEvent.ENDED if build.ended else BuildEvent.STARTED,
                    )
                    for build in builds
                    if run.terms.filter.match(build)
                ],
                at,
            )

        await self._database.write(work)
        self._all_subscriptions.mark_changed()

    def _insert(self, db: Connection, new: _NewSubscription) -> int:
        # Subscriptions that follow a single run are not listed, so they have no number.
        highest = "SELECT MAX(number) FROM subscriptions WHERE team_id = ? AND channel_id = ?"
        [last] = db.execute(highest, [self._team, new.channel]).fetchone()
        number = 0 if new.terms.run else (last or 0) + 1
        row = [
            number,
            self._team,
            new.channel,
            new.provider,
            new.slug,
            _encode_terms(new.terms),
            new.by,
            to_text(new.at),
            *scope_row(new.scope),
        ]
        [identity] = db.execute(
            "INSERT INTO subscriptions (number, team_id, channel_id, provider, app_slug, terms, created_by,"
            " created_at, seen_as, apps, sees_logs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            row,
        ).fetchone()
        self._mark_confirmed(db, identity, new.scope, new.at)
        index_subscriptions(db, "id = ?", [identity])
        raise_watch_revision(db, [new.provider])
        return int(identity)

    async def change(self, subscription: Subscription, terms: NotificationRule) -> None:
        """Change the terms of a subscription."""

        def work(db: Connection) -> None:
            lock_watching(db, [subscription.provider])
            db.execute(
                f"UPDATE subscriptions SET terms = ? WHERE id = ? AND {_IN_WORKSPACE}",
                [_encode_terms(terms), subscription.id, self._team],
            )
            index_subscriptions(db, f"id = ? AND {_IN_WORKSPACE}", [subscription.id, self._team])
            raise_watch_revision(db, [subscription.provider])

        await self._database.write(work)
        self._all_subscriptions.mark_changed()

    async def pause(self, subscription: Subscription, at: datetime) -> None:
        """Pause a subscription and drop its pending notifications."""

        def work(db: Connection) -> None:
            lock_watching(db, [subscription.provider])
            self._stop(db, [subscription], StopReason.PAUSED, at)
            self._drop_pending(db, subscription, "paused")

        await self._database.write(work)
        self._all_subscriptions.mark_changed()

    async def resume(
        self, subscription: Subscription, *, by: str, at: datetime, scope: Scope = EVERYTHING
    ) -> None:
        """Resume a stopped subscription with the access of the user `by`."""

        def work(db: Connection) -> None:
            self._lock(db, subscription.provider, by)
            self._resume(db, subscription, by, scope, at)

        await self._database.write(work)
        self._all_subscriptions.mark_changed()

    async def remove(self, subscription: Subscription) -> None:
        """Remove a subscription and its pending notifications."""

        def work(db: Connection) -> None:
            lock_watching(db, [subscription.provider])
            self._drop_pending(db, subscription, "unsubscribed")
            for stored in select_subscriptions(
                db, f"{_IN_WORKSPACE} AND id = ?", [self._team, subscription.id]
            ):
                end_subscription(db, stored)

        await self._database.write(work)
        self._all_subscriptions.mark_changed()

    async def stop(self, channel: str, reason: str, at: datetime) -> list[Subscription]:
        """Stop the subscriptions of a channel that can't be notified any more. Returns those that were active."""
        running = await self._find(f"channel_id = ? AND stopped_reason IS NULL AND {_LASTING}", [channel])

        def work(db: Connection) -> None:
            lock_watching(db, {subscription.provider for subscription in running})
            self._stop(db, running, reason, at)

        await self._database.write(work)
        return running

    async def stop_without_access(
        self, subscription: Subscription, at: datetime, *, account: datetime | None
    ) -> bool:
        """Stop a subscription whose creator's account, connected at `account`, has lost access.

        Pending notifications are dropped. A subscription that follows a run ends, and its message says so. Returns
        whether it was active. Nothing changes if its creator or their account has changed since.
        """

        def work(db: Connection) -> bool:
            self._lock(db, subscription.provider, subscription.created_by)
            if subscription.team != self._team or not mark_access_lost(db, subscription, account, at):
                return False
            if subscription.terms.run:
                unfollow(db, subscription, ACCESS_LOST, self._run_messages)
                return True
            self._drop_pending(db, subscription, StopReason.UNSEEN)
            return bool(self._stop(db, [subscription], StopReason.UNSEEN, at))

        stopped = await self._database.write(work)
        self._all_subscriptions.mark_changed()
        return stopped

    async def find(self, identity: int) -> Subscription | None:
        """Return the subscription with this ID, or None."""
        found = await self._find("subscriptions.id = ?", [identity])
        return found[0] if found else None

    async def of_channel(self, channel: str) -> list[Subscription]:
        """Return the channel's subscriptions, oldest first, without those that follow started runs."""
        return await self._find(f"channel_id = ? AND {_LASTING}", [channel])

    async def of_channels(self, channels: Sequence[str]) -> list[Subscription]:
        """Return the subscriptions of several channels, oldest first."""
        marks = ", ".join("?" * len(channels))
        where = f"channel_id IN ({marks}) AND {_LASTING}"
        return await self._find(where, list(channels)) if channels else []

    async def of_all_channels(self) -> list[Subscription]:
        """Return the subscriptions of all channels, without those in direct messages, which are private."""
        return await self._find(f"channel_id NOT LIKE 'D%' AND {_LASTING}", [])

    async def made_by(self, person: str) -> list[Subscription]:
        """Return the subscriptions with this user's access."""
        return await self._find(f"created_by = ? AND seen_as = 'own' AND {_LASTING}", [person])

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[Subscription]:
        return await self._database.read(
            lambda db: select_subscriptions(db, f"{_IN_WORKSPACE} AND {where}", [self._team, *arguments])
        )

    def _lock(self, db: Connection, provider: Provider, creator: str) -> None:
        """Keep polls, other changes of subscriptions, and changes of their creator's accounts away."""
        lock_watching(db, [provider])
        db.lock("account", self._team, creator)

    def _stop(self, db: Connection, subscriptions: Sequence[Subscription], reason: str, at: datetime) -> int:
        ids = [subscription.id for subscription in subscriptions]
        if not ids:
            return 0
        chosen = f"{_IN_WORKSPACE} AND id IN ({', '.join('?' * len(ids))})"
        stopped = db.execute(
            f"UPDATE subscriptions SET stopped_reason = ?, stopped_at = ? WHERE {chosen} AND stopped_reason IS NULL",
            [reason, to_text(at), self._team, *ids],
        ).rowcount
        index_subscriptions(db, chosen, [self._team, *ids])
        raise_watch_revision(db, {subscription.provider for subscription in subscriptions})
        return int(stopped)

    def _resume(
        self, db: Connection, subscription: Subscription, by: str, scope: Scope, at: datetime
    ) -> None:
        identity = subscription.id
        db.execute(
            "UPDATE subscriptions SET stopped_reason = NULL, stopped_at = NULL, unsure_since = NULL,"
            " checked_at = NULL, created_by = ?, seen_as = ?, apps = ?, sees_logs = ?"
            f" WHERE {_IN_WORKSPACE} AND id = ?",
            [by, *scope_row(scope), self._team, identity],
        )
        self._mark_confirmed(db, identity, scope, at)
        index_subscriptions(db, f"{_IN_WORKSPACE} AND id = ?", [self._team, identity])
        raise_watch_revision(db, [subscription.provider])

    def _mark_confirmed(self, db: Connection, identity: int, scope: Scope, at: datetime) -> None:
        """Note that the creator's access was just checked, unless their account was removed since."""
        checked_at = to_text(at) if scope.seen_as is AccessSource.OWN else None
        db.execute(
            "UPDATE subscriptions SET confirmed_at = ?, unseen_at = CASE WHEN EXISTS"
            " (SELECT 1 FROM accounts WHERE accounts.team_id = subscriptions.team_id"
            " AND accounts.user_id = subscriptions.created_by AND accounts.provider = subscriptions.provider)"
            f" THEN NULL ELSE ? END WHERE {_IN_WORKSPACE} AND id = ?",
            [checked_at, checked_at, self._team, identity],
        )

    def _drop_pending(self, db: Connection, subscription: Subscription, why: str) -> None:
        db.execute(
            "UPDATE notifications SET status = 'dropped', error = ?"
            f" WHERE {_IN_WORKSPACE} AND subscription_id = ? AND status = 'owed'",
            [why, self._team, subscription.id],
        )


_IN_WORKSPACE = "team_id = ?"
# All except those that follow a single run.
_LASTING = "terms NOT LIKE '%\"run\":true%'"


def _encode_terms(terms: NotificationRule) -> str:
    return terms.model_dump_json(exclude_defaults=True)
