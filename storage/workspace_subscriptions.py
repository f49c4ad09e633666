"""The subscriptions of one workspace: made, changed, paused, stopped, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlite_utils

from domain.build import App, FrozenModel
from domain.notification import NewNotification
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.recipient import Recipient
from domain.run_messages import RunMessages
from domain.subscription import AccessSource, Scope, StopReason, Subscription
from storage.database import WorkspaceDatabase
from storage.outbox import enqueue, run_parcel
from storage.slack_messages import enqueue_message
from storage.started_runs import ACCESS_LOST, adopt_message, unfollow
from storage.subscriptions import (
    EVERY_APP,
    Subscriptions,
    end_subscription,
    mark_access_lost,
    scope_row,
    select_subscriptions,
)
from storage.timestamps import to_text
from storage.watched_builds import begin_watching, latest_builds

# What the bot itself sees.
EVERYTHING = Scope()


# What was just started is among so many of an app's latest builds.
_MOST_BUILDS = 50


class StartedRun(FrozenModel):
    """What somebody has just started, as `terms` name it, and the message that says so and follows it.

    `subject` is what the message is about, `content` what it says at first, and `note` what it says above all else;
    `key` is a name that no other run has.
    """

    app: App
    terms: NotificationRule
    key: str
    subject: str
    content: str
    note: str
    thread_ts: str | None = None


class WorkspaceSubscriptions:
    """The first subscription for an app begins the watching, the last one's going ends it."""

    def __init__(
        self,
        database: WorkspaceDatabase,
        team: str,
        everybodys: Subscriptions,
        run_messages: RunMessages,
    ) -> None:
        self._database = database
        self._team = team
        self._everybodys = everybodys
        self._run_messages = run_messages

    async def is_watched(self, provider: Provider, app_slug: str) -> bool:
        """Whether some subscription, of whichever workspace, already waits for the app."""
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
        """Add a subscription, with the app's baseline where the app is not watched yet.

        The same app and terms in the same channel is the same subscription: it is returned, and told again
        if it had been stopped, with what whoever asked now can see.
        """

        def work(db: sqlite_utils.Database) -> int:
            # An app that is watched stays as it is. One whose watching ended just now begins anew from here.
            begin_watching(db, app, baseline or Baseline(at=at))
            return self._add(db, channel, app.provider, app.slug, terms, by, at, scope)

        return await self._added(work)

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
        """Add a subscription for every app of the provider that another one waits for, or for those of its scope.

        The same terms in the same channel are the same subscription, as in `add`.
        """
        return await self._added(lambda db: self._add(db, channel, provider, EVERY_APP, terms, by, at, scope))

    def _add(
        self,
        db: sqlite_utils.Database,
        channel: str,
        provider: Provider,
        slug: str,
        terms: NotificationRule,
        by: str,
        at: datetime,
        scope: Scope,
    ) -> int:
        where = f"{_OURS} AND channel_id = ? AND subscriptions.provider = ? AND subscriptions.app_slug = ?"
        for existing in select_subscriptions(db, where, [self._team, channel, provider, slug]):
            if existing.terms == terms:
                self._resume(db, existing.id, by, scope, at)
                return existing.id
        return self._insert(db, channel, provider, slug, terms, by, at, scope)

    async def _added(self, work: Callable[[sqlite_utils.Database], int]) -> Subscription:
        identity = await self._database.write(work)
        self._everybodys.mark_changed()
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
        """Follow what somebody has just started to its end, in one message, which is owed from now on.

        A look may have seen it before it is followed: then the message is owed that, too; and where the channel has a
        message already that is edited to the end of it, that is the one.
        """
        app = run.app

        def work(db: sqlite_utils.Database) -> None:
            begin_watching(db, app, baseline)
            identity = self._insert(db, channel, app.provider, app.slug, run.terms, by, at, scope)
            to = Recipient(team=self._team, channel=channel)
            parcel = run_parcel(identity, run.key)
            if run.thread_ts is not None or not adopt_message(db, to, run.subject, run.note):
                enqueue_message(
                    db, parcel, to, run.subject, run.content, at, note=run.note, thread_ts=run.thread_ts
                )
            seen = latest_builds(db, app, _MOST_BUILDS)
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
                    for build in seen
                    if run.terms.filter.match(build)
                ],
                at,
            )

        await self._database.write(work)
        self._everybodys.mark_changed()

    def _insert(
        self,
        db: sqlite_utils.Database,
        channel: str,
        provider: Provider,
        slug: str,
        terms: NotificationRule,
        by: str,
        at: datetime,
        scope: Scope,
    ) -> int:
        # What follows one run is in no list, and has no number there.
        highest = "SELECT MAX(number) FROM subscriptions WHERE team_id = ? AND channel_id = ?"
        [last] = db.execute(highest, [self._team, channel]).fetchone()
        number = 0 if terms.run else (last or 0) + 1
        row = [number, self._team, channel, provider, slug, _words(terms), by, to_text(at), *scope_row(scope)]
        cursor = db.execute(
            "INSERT INTO subscriptions (number, team_id, channel_id, provider, app_slug, terms, created_by,"
            " created_at, seen_as, apps, sees_logs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        identity = int(cursor.lastrowid or 0)
        self._mark_confirmed(db, identity, scope, at)
        return identity

    async def change(self, subscription: Subscription, terms: NotificationRule) -> None:
        """Give a subscription other terms."""
        await self._database.write(
            lambda db: db.execute(
                f"UPDATE subscriptions SET terms = ? WHERE id = ? AND {_OURS}",
                [_words(terms), subscription.id, self._team],
            )
        )
        self._everybodys.mark_changed()

    async def pause(self, subscription: Subscription, at: datetime) -> None:
        """Tell the subscription nothing from now on; what it is still owed, and that is not due yet, is dropped."""

        def work(db: sqlite_utils.Database) -> None:
            self._stop(db, [subscription.id], StopReason.PAUSED, at)
            self._drop_pending(db, subscription, "paused")

        await self._database.write(work)
        self._everybodys.mark_changed()

    async def resume(
        self, subscription: Subscription, *, by: str, at: datetime, scope: Scope = EVERYTHING
    ) -> None:
        """Tell a stopped subscription again, from now on; from now on it shows what this person sees."""
        await self._database.write(lambda db: self._resume(db, subscription.id, by, scope, at))
        self._everybodys.mark_changed()

    async def remove(self, subscription: Subscription) -> None:
        """Remove a subscription and what it is still owed."""

        def work(db: sqlite_utils.Database) -> None:
            self._drop_pending(db, subscription, "unsubscribed")
            for there in select_subscriptions(db, f"{_OURS} AND id = ?", [self._team, subscription.id]):
                end_subscription(db, there)

        await self._database.write(work)
        self._everybodys.mark_changed()

    async def stop(self, channel: str, reason: str, at: datetime) -> list[Subscription]:
        """Stop the channel's subscriptions, which can't be told any more; returns those that were running."""
        running = await self._find(f"channel_id = ? AND stopped_reason IS NULL AND {_LASTING}", [channel])
        numbers = [one.id for one in running]
        await self._database.write(lambda db: self._stop(db, numbers, reason, at))
        return running

    async def stop_without_access(
        self, subscription: Subscription, at: datetime, *, account: datetime | None
    ) -> bool:
        """Its maker, with their account of that time, sees it no more: show it no more, and tell it nothing.

        What it is owed is dropped. What follows a run ends, and its message says so. Returns whether it was running.
        One that is another person's meanwhile, or whose maker has another account, stays as it is.
        """

        def work(db: sqlite_utils.Database) -> bool:
            if subscription.team != self._team or not mark_access_lost(db, subscription, account, at):
                return False
            if subscription.terms.run:
                unfollow(db, subscription, ACCESS_LOST, self._run_messages)
                return True
            self._drop_pending(db, subscription, StopReason.UNSEEN)
            return bool(self._stop(db, [subscription.id], StopReason.UNSEEN, at))

        stopped = await self._database.write(work)
        self._everybodys.mark_changed()
        return stopped

    async def find(self, identity: int) -> Subscription | None:
        """The subscription of that id."""
        found = await self._find("subscriptions.id = ?", [identity])
        return found[0] if found else None

    async def of_channel(self, channel: str) -> list[Subscription]:
        """The channel's subscriptions, oldest first; runs that somebody started there are none that it follows."""
        return await self._find(f"channel_id = ? AND {_LASTING}", [channel])

    async def of_channels(self, channels: Sequence[str]) -> list[Subscription]:
        """The subscriptions of several channels, oldest first."""
        marks = ", ".join("?" * len(channels))
        where = f"channel_id IN ({marks}) AND {_LASTING}"
        return await self._find(where, list(channels)) if channels else []

    async def of_all_channels(self) -> list[Subscription]:
        """The subscriptions of all channels; direct messages are nobody else's."""
        return await self._find(f"channel_id NOT LIKE 'D%' AND {_LASTING}", [])

    async def made_by(self, person: str) -> list[Subscription]:
        """The subscriptions that show what this person sees."""
        return await self._find(f"created_by = ? AND seen_as = 'own' AND {_LASTING}", [person])

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[Subscription]:
        return await self._database.read(
            lambda db: select_subscriptions(db, f"{_OURS} AND {where}", [self._team, *arguments])
        )

    def _stop(self, db: sqlite_utils.Database, numbers: Sequence[int], reason: str, at: datetime) -> int:
        marks = ", ".join("?" * len(numbers))
        return int(
            db.execute(
                "UPDATE subscriptions SET stopped_reason = ?, stopped_at = ?"
                f" WHERE {_OURS} AND id IN ({marks}) AND stopped_reason IS NULL",
                [reason, to_text(at), self._team, *numbers],
            ).rowcount
        )

    def _resume(self, db: sqlite_utils.Database, number: int, by: str, scope: Scope, at: datetime) -> None:
        db.execute(
            "UPDATE subscriptions SET stopped_reason = NULL, stopped_at = NULL, unsure_since = NULL,"
            " checked_at = NULL, created_by = ?, seen_as = ?, apps = ?, sees_logs = ?"
            f" WHERE {_OURS} AND id = ?",
            [by, *scope_row(scope), self._team, number],
        )
        self._mark_confirmed(db, number, scope, at)

    def _mark_confirmed(self, db: sqlite_utils.Database, number: int, scope: Scope, at: datetime) -> None:
        """Note that its maker sees it, as was just asked; not where their account has gone since it was asked."""
        asked = to_text(at) if scope.seen_as is AccessSource.OWN else None
        db.execute(
            "UPDATE subscriptions SET confirmed_at = ?, unseen_at = CASE WHEN ? IS NULL OR EXISTS"
            " (SELECT 1 FROM accounts WHERE accounts.team_id = subscriptions.team_id"
            " AND accounts.user_id = subscriptions.created_by AND accounts.provider = subscriptions.provider)"
            f" THEN NULL ELSE ? END WHERE {_OURS} AND id = ?",
            [asked, asked, asked, self._team, number],
        )

    def _drop_pending(self, db: sqlite_utils.Database, subscription: Subscription, why: str) -> None:
        db.execute(
            "UPDATE notifications SET status = 'dropped', error = ?"
            f" WHERE {_OURS} AND subscription_id = ? AND status = 'owed'",
            [why, self._team, subscription.id],
        )


_OURS = "team_id = ?"
# All but those that follow one run to its end.
_LASTING = "terms NOT LIKE '%\"run\":true%'"


def _words(terms: NotificationRule) -> str:
    return terms.model_dump_json(exclude_defaults=True)
