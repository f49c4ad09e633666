"""Notifications: the messages that changes require, one per subscription, and their delivery status. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from domain.build import App, Build, BuildState, FrozenModel
from domain.failure_streak import StreakState
from domain.log.failure import Failure
from domain.notifications.deploy_link import DeployLink
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.pipeline import Pipeline
from domain.provider import Provider


class NewNotification(FrozenModel):
    """A message to queue for one subscription because of a change; with `due_at` it is not sent before then.

    `held_for` names the pipeline whose end it waits for; when that ends, it is due at once.
    """

    subscription_id: int
    team: str
    channel: str
    provider: Provider
    build_slug: str
    event: str
    due_at: datetime | None = None
    held_for: str | None = None


class DeliveredNotification(FrozenModel):
    """A notification that Slack has just accepted. `ended_at` is the end of its build by the provider's clock.

    `was_held`: it was not due before something else happened, such as the end of its pipeline.
    """

    provider: Provider
    created_at: datetime
    due_at: datetime | None = None
    was_held: bool = False
    ended_at: datetime | None = None

    def lag(self, now: datetime, provider_now: datetime) -> timedelta | None:
        """Return how long it took since the build's end, or since it was due if that is later; None if it was held."""
        if self.was_held:
            return None
        since_end = provider_now - self.ended_at if self.ended_at is not None else now - self.created_at
        since_due = now - self.due_at if self.due_at is not None else since_end
        return max(min(since_end, since_due), timedelta(0))


class NotificationStatus(StrEnum):
    """The delivery status of a notification. SENDING: it was sent to Slack, and no response is known."""

    QUEUED = "owed"
    SENDING = "sending"
    DELIVERED = "told"
    DROPPED = "dropped"


class Notification(FrozenModel):
    """A queued message with its build. `parcel` names the Slack message that contains or contained it.

    `mention` holds the build's authors in Slack who want to be mentioned if it fails; `usual` is how long a build like
    this usually takes, while it runs; `pipeline` is the build's pipeline. `ties` are the channel's current deploy links
    of the build's app. `access_lost`: the creator of the subscription has lost access to the app, so messages already
    posted stay as they are.
    """

    id: int
    subscription_id: int
    team: str
    channel: str
    event: str
    build: Build
    app: App
    created_at: datetime
    status: NotificationStatus
    terms: NotificationRule = NotificationRule()
    standing: StreakState | None = None
    failure: Failure | None = None
    mention: tuple[str, ...] = ()
    usual: timedelta | None = None
    pipeline: Pipeline | None = None
    ties: tuple[DeployLink, ...] = ()
    due_at: datetime | None = None
    parcel: str | None = None
    access_lost: bool = False

    @property
    def broke(self) -> bool:
        """Return whether it reports a failure."""
        return self.event == BuildEvent.ENDED and self.build.state is BuildState.FAILED
