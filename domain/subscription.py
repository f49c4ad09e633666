"""Subscriptions: which channel or person is notified of which builds. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.build import App, FrozenModel
from domain.message import Recipient
from domain.notifications.rule import NotificationRule
from domain.provider import Provider


class StopReason(StrEnum):
    """The reason a subscription is stopped: Slack's error for its channel, a user paused it, or its creator lost access
    to the app.
    """

    NOT_IN_CHANNEL = "not_in_channel"
    NOT_FOUND = "channel_not_found"
    ARCHIVED = "is_archived"
    RESTRICTED = "restricted_action"
    PAUSED = "paused"
    UNSEEN = "unseen"


class AccessSource(StrEnum):
    """The access that a subscription uses: that of the bot's own token, or that of its creator."""

    SERVICE = "service"
    OWN = "own"


class Scope(FrozenModel):
    """The apps and logs that a subscription may show: no more than its creator can see.

    `apps` lists the apps that they can see, if it is for all apps; None means all. `logs`: they may also read logs.
    """

    seen_as: AccessSource = AccessSource.SERVICE
    apps: frozenset[str] | None = None
    logs: bool = True


class Subscription(FrozenModel):
    """One channel's or person's subscription to an app's builds; without an app, to every watched app of the provider.

    `number` is its number in the channel. `confirmed_at`: when the provider last confirmed that its creator has access.
    `unseen_at`: since when they have no access, or none that is known, even if it was stopped for another reason.
    `checked_at`: when access was last checked, and `unsure_since`: since when the check has had no clear result.
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
        """The channel or person that is notified."""
        return Recipient(team=self.team, channel=self.channel)

    def covers(self, app_slug: str) -> bool:
        """Return whether it covers the builds of this app of its provider."""
        if self.app is not None:
            return self.app.slug == app_slug
        return self.scope.apps is None or app_slug in self.scope.apps
