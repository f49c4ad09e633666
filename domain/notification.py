"""Notifications: messages that changes require, one for each subscription, and how far each has come. Pure; no I/O."""

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
    """A message that a change owes to one subscription; with `due_at` not before then.

    `held_for` names the pipeline whose end it waits for; that end makes it due at once.
    """

    subscription_id: int
    team: str
    channel: str
    provider: Provider
    build_slug: str
    event: str
    due_at: datetime | None = None
    held_for: str | None = None


class NotificationStatus(StrEnum):
    """How far a notification has come. SENDING: it was handed to Slack, and no answer is known."""

    QUEUED = "owed"
    SENDING = "sending"
    DELIVERED = "told"
    DROPPED = "dropped"


class Notification(FrozenModel):
    """An owed message with what it tells of. `parcel` names the Slack message that carries or carried it.

    `mention` holds the Slack users whose build it is and who want to be mentioned where it fails; `usual` is how long a
    build like this one usually takes, while it runs; `pipeline` is the one that the build belongs to. `ties` are those
    of the channel to the build's app, as they are now. `access_lost`: the maker of the subscription can't see the app
    any more, so that what was told of it stays as it is.
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
        """Whether it tells of a failure."""
        return self.event == BuildEvent.ENDED and self.build.state is BuildState.FAILED
