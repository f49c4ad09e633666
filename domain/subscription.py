"""Subscriptions: which channel or person is notified of which builds. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.build import App, FrozenModel
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from domain.recipient import Recipient


class StopReason(StrEnum):
    """Why a subscription is told nothing: by Slack's error for its channel, because somebody paused it, or because
    whoever made it can't see the app any more.
    """

    NOT_IN_CHANNEL = "not_in_channel"
    NOT_FOUND = "channel_not_found"
    ARCHIVED = "is_archived"
    RESTRICTED = "restricted_action"
    PAUSED = "paused"
    UNSEEN = "unseen"


class AccessSource(StrEnum):
    """Whose access a subscription shows: the bot's own token's, or that of the person who made it."""

    SERVICE = "service"
    OWN = "own"


class Scope(FrozenModel):
    """What a subscription may show: no more than its maker sees.

    `apps`, where it is for all apps, names those that they see; None: all. `logs`: they may read logs, too.
    """

    seen_as: AccessSource = AccessSource.SERVICE
    apps: frozenset[str] | None = None
    logs: bool = True


class Subscription(FrozenModel):
    """One channel's or person's standing order for an app's builds; without an app, for those of every watched app of
    the provider.

    `number` is what its channel knows it by. `confirmed_at`: when the provider last said that its maker sees what it
    is about. `unseen_at`: since when they do not, or are not known to; whatever else it was stopped for. `checked_at`:
    when that was asked last, and `unsure_since`: since when nobody could say.
    """

    id: int
    number: int = 0
    team: str
    channel: str
    provider: Provider
    app: App | None
    terms: NotificationRule
    created_by: str
    created_at: datetime
    stopped: str | None = None
    scope: Scope = Scope()
    confirmed_at: datetime | None = None
    unseen_at: datetime | None = None
    checked_at: datetime | None = None
    unsure_since: datetime | None = None

    @property
    def recipient(self) -> Recipient:
        """Who is told."""
        return Recipient(team=self.team, channel=self.channel)

    def covers(self, app_slug: str) -> bool:
        """Whether it is about the builds of this app of its provider."""
        if self.app is not None:
            return self.app.slug == app_slug
        return self.scope.apps is None or app_slug in self.scope.apps
