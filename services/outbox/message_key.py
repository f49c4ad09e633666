"""What a message in Slack is about: notifications about the same thing go into the same message. Pure; no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from domain.build import FrozenModel
from domain.build import RunKind as Sort
from domain.notification import Notification
from domain.notifications.rule import DeliveryStyle


class MessageKind(StrEnum):
    """What sort of message it is; it decides how the message is rendered."""

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


# Stands in the place of a subscription's number.
RUN = "run"


class MessageKey(FrozenModel):
    """A kind, and what tells it from others of its kind in the channel."""

    kind: MessageKind
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}".strip()

    @classmethod
    def read(cls, subject: str) -> Self:
        """The subject that was kept as a text. Raises ValueError for one of another version of the bot."""
        kind, _, key = subject.partition(" ")
        return cls(kind=MessageKind(kind), key=key)


def read_kind(subject: str) -> MessageKind | None:
    """The kind of a subject that was kept; None for one of another version of the bot."""
    name = subject.split(" ", 1)[0]
    return MessageKind(name) if name in set(MessageKind) else None


def line_key(notification: Notification) -> tuple[int, str]:
    """What makes one line among many: a build, as one subscription is told of it."""
    return notification.subscription_id, notification.build.slug


def build_run_key(build_slug: str) -> MessageKey:
    """The message that follows a build, or a deployment, which somebody has started here."""
    return MessageKey(kind=MessageKind.LIVE, key=f"{RUN} {build_slug}")


def pipeline_run_key(attempt: str) -> MessageKey:
    """The message that follows an attempt of a pipeline which somebody has started here."""
    return MessageKey(kind=MessageKind.PIPELINE, key=f"{RUN} {attempt}")


def run_keys(notification: Notification) -> list[MessageKey]:
    """The messages that follow what the notification tells of, where somebody has started it here."""
    ref = notification.pipeline
    return [
        build_run_key(notification.build.slug),
        *([pipeline_run_key(ref.ref.key)] if ref is not None else []),
    ]


def message_key(notification: Notification) -> MessageKey:
    """What the notification is about, by the style of its subscription."""
    number, build = notification.subscription_id, notification.build
    terms, ref = notification.terms, notification.pipeline
    if terms.run:
        return run_keys(notification)[-1] if terms.filter.attempts else build_run_key(build.slug)
    # Who waits for one build is told of that one.
    if ref is not None and terms.style in _ONE_A_PIPELINE and not terms.filter.builds:
        return MessageKey(kind=MessageKind.PIPELINE, key=f"{number} {ref.id} {ref.attempt}")
    match notification.terms.style:
        case DeliveryStyle.LIVE:
            return MessageKey(kind=MessageKind.LIVE, key=f"{number} {build.slug}")
        case DeliveryStyle.CARD if (
            notification.standing is not None and notification.standing.red is not None
        ):
            # An episode is named by the build that broke the series.
            return MessageKey(kind=MessageKind.CARD, key=f"{number} {notification.standing.red.slug}")
        case DeliveryStyle.THREAD:
            return MessageKey(kind=MessageKind.REPLY, key=f"{number} {build.slug}")
        case _:
            return MessageKey(kind=MessageKind.BUILD, key=f"{number} {build.slug}")


# However many workflows it has, a pipeline is one message.
_ONE_A_PIPELINE = (DeliveryStyle.EACH, DeliveryStyle.LIVE, DeliveryStyle.THREAD)


def thread_key(notification: Notification) -> MessageKey:
    """The message that a reply belongs under: the pull request's, the branch's, the tags' or the process's."""
    build = notification.build
    without_branch = "tags" if build.kind is Sort.BUILD else build.workflow
    topic = f"#{build.pull_request}" if build.pull_request is not None else build.branch or without_branch
    return MessageKey(kind=MessageKind.THREAD, key=f"{notification.subscription_id} {build.app_slug} {topic}")
