"""The key of a message in Slack: notifications with the same key go into the same message. Pure; no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from domain.build import FrozenModel, RunKind
from domain.notification import Notification
from domain.notifications.rule import DeliveryStyle


class MessageKind(StrEnum):
    """The kind of a message; it decides how the message is rendered."""

    BUILD = "build"
    LIVE = "live"
    CARD = "card"
    THREAD = "thread"
    REPLY = "reply"
    PIPELINE = "pipeline"
    GATHERED = "gathered"
    BACKLOG = "backlog"
    OUTAGE = "outage"
    FLOOD = "flood"
    NOTICE = "notice"


# Replaces the subscription's number in the key of a message that follows a run.
RUN = "run"


class MessageKey(FrozenModel):
    """A kind, and the key that is unique among the channel's messages of this kind."""

    kind: MessageKind
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}".strip()

    @classmethod
    def read(cls, subject: str) -> Self:
        """Parse a stored subject. Raises ValueError for a kind of another version of the bot."""
        kind, _, key = subject.partition(" ")
        return cls(kind=MessageKind(kind), key=key)


def read_kind(subject: str) -> MessageKind | None:
    """Return the kind of a stored subject; None for a kind of another version of the bot."""
    name = subject.split(" ", 1)[0]
    return MessageKind(name) if name in set(MessageKind) else None


def line_key(notification: Notification) -> tuple[int, str]:
    """Return the key of a line in a digest: a build, for one subscription."""
    return notification.subscription_id, notification.build.slug


def build_run_key(build_slug: str) -> MessageKey:
    """Return the key of the message that follows a build or deployment that a user started in this channel."""
    return MessageKey(kind=MessageKind.LIVE, key=f"{RUN} {build_slug}")


def pipeline_run_key(attempt: str) -> MessageKey:
    """Return the key of the message that follows a pipeline attempt that a user started in this channel."""
    return MessageKey(kind=MessageKind.PIPELINE, key=f"{RUN} {attempt}")


def run_keys(notification: Notification) -> list[MessageKey]:
    """Return the keys of messages that would follow the notification's build or pipeline if it was started here."""
    ref = notification.pipeline
    return [
        build_run_key(notification.build.slug),
        *([pipeline_run_key(ref.ref.key)] if ref is not None else []),
    ]


def message_key(notification: Notification) -> MessageKey:
    """Return the key of the notification's message, by its subscription's delivery style."""
    number, build = notification.subscription_id, notification.build
    terms, ref = notification.terms, notification.pipeline
    if terms.run:
        return run_keys(notification)[-1] if terms.filter.attempts else build_run_key(build.slug)
    # A subscription to one build is notified of that build, not of its pipeline.
    if ref is not None and terms.style in _PIPELINE_STYLES and not terms.filter.builds:
        return MessageKey(kind=MessageKind.PIPELINE, key=f"{number} {ref.id} {ref.attempt}")
    match notification.terms.style:
        case DeliveryStyle.LIVE:
            return MessageKey(kind=MessageKind.LIVE, key=f"{number} {build.slug}")
        case DeliveryStyle.CARD if (
            notification.standing is not None and notification.standing.red is not None
        ):
            # A failure streak's card is identified by the build that began the streak.
            return MessageKey(kind=MessageKind.CARD, key=f"{number} {notification.standing.red.slug}")
        case DeliveryStyle.THREAD:
            return MessageKey(kind=MessageKind.REPLY, key=f"{number} {build.slug}")
        case _:
            return MessageKey(kind=MessageKind.BUILD, key=f"{number} {build.slug}")


# With these styles a pipeline is one message, however many workflows it has.
_PIPELINE_STYLES = (DeliveryStyle.EACH, DeliveryStyle.LIVE, DeliveryStyle.THREAD)


def thread_key(notification: Notification) -> MessageKey:
    """Return the key of the thread for a reply: the pull request's, the branch's, the tags' or the process's."""
    build = notification.build
    without_branch = "tags" if build.kind is RunKind.BUILD else build.workflow
    topic = f"#{build.pull_request}" if build.pull_request is not None else build.branch or without_branch
    return MessageKey(kind=MessageKind.THREAD, key=f"{notification.subscription_id} {build.app_slug} {topic}")
