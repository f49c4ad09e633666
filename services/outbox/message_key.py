"""What a message in Slack is about: notifications about the same thing go into the same message. Pure; no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from domain.build import Frozen
from domain.build import Kind as Sort
from domain.notifications.rule import Style
from storage.outbox import Notification


class Kind(StrEnum):
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


class Subject(Frozen):
    """A kind, and what tells it from others of its kind in the channel."""

    kind: Kind
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}".strip()

    @classmethod
    def read(cls, subject: str) -> Self:
        """The subject that was kept as a text. Raises ValueError for one of another version of the bot."""
        kind, _, key = subject.partition(" ")
        return cls(kind=Kind(kind), key=key)


def kind_of(subject: str) -> Kind | None:
    """The kind of a subject that was kept; None for one of another version of the bot."""
    name = subject.split(" ", 1)[0]
    return Kind(name) if name in set(Kind) else None


def told_of(notification: Notification) -> tuple[int, str]:
    """What makes one line among many: a build, as one subscription is told of it."""
    return notification.subscription_id, notification.build.slug


def build_run(build_slug: str) -> Subject:
    """The message that follows a build, or a deployment, which somebody has started here."""
    return Subject(kind=Kind.LIVE, key=f"{RUN} {build_slug}")


def pipeline_run(attempt: str) -> Subject:
    """The message that follows an attempt of a pipeline which somebody has started here."""
    return Subject(kind=Kind.PIPELINE, key=f"{RUN} {attempt}")


def runs_of(notification: Notification) -> list[Subject]:
    """The messages that follow what the notification tells of, where somebody has started it here."""
    ref = notification.pipeline
    return [build_run(notification.build.slug), *([pipeline_run(ref.ref.key)] if ref is not None else [])]


def subject_of(notification: Notification) -> Subject:
    """What the notification is about, by the style of its subscription."""
    number, build = notification.subscription_id, notification.build
    terms, ref = notification.terms, notification.pipeline
    if terms.run:
        return runs_of(notification)[-1] if terms.filter.attempts else build_run(build.slug)
    # Who waits for one build is told of that one.
    if ref is not None and terms.style in _ONE_A_PIPELINE and not terms.filter.builds:
        return Subject(kind=Kind.PIPELINE, key=f"{number} {ref.id} {ref.attempt}")
    match notification.terms.style:
        case Style.LIVE:
            return Subject(kind=Kind.LIVE, key=f"{number} {build.slug}")
        case Style.CARD if notification.standing is not None and notification.standing.red is not None:
            # An episode is named by the build that broke the series.
            return Subject(kind=Kind.CARD, key=f"{number} {notification.standing.red.slug}")
        case Style.THREAD:
            return Subject(kind=Kind.REPLY, key=f"{number} {build.slug}")
        case _:
            return Subject(kind=Kind.BUILD, key=f"{number} {build.slug}")


# However many workflows it has, a pipeline is one message.
_ONE_A_PIPELINE = (Style.EACH, Style.LIVE, Style.THREAD)


def thread_of(notification: Notification) -> Subject:
    """The message that a reply belongs under: the pull request's, the branch's, the tags' or the process's."""
    build = notification.build
    without_branch = "tags" if build.kind is Sort.BUILD else build.workflow
    topic = f"#{build.pull_request}" if build.pull_request is not None else build.branch or without_branch
    return Subject(kind=Kind.THREAD, key=f"{notification.subscription_id} {build.app_slug} {topic}")
