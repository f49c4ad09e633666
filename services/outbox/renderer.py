"""Renders a message from its notifications. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.build_author import resolve_author
from domain.failure_streak import BuildSummary, StreakState
from domain.message import CardState, Message, RunNote
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import BuildEvent
from messages import notifications, pipeline_card
from messages.notifications import NotificationContent
from messages.provider_presentation import PresentationOf
from messages.started_run import add_starter
from services.outbox.message_key import MessageKind, line_key


def render(
    kind: MessageKind | None,
    carried: Sequence[Notification],
    *,
    now: datetime,
    flood_limit: int,
    presentation_of: PresentationOf,
    note: str | None = None,
) -> Message:
    """Render the message of this kind; `carried` is not empty and in order of ending."""
    # Of several notifications of one build only the last is shown.
    contents = [
        _to_content(item, presentation_of)
        for item in {line_key(notification): notification for notification in carried}.values()
    ]
    match kind:
        case MessageKind.CARD:
            return notifications.streak_card(contents, CardState.read(note), now=now)
        case MessageKind.THREAD:
            return notifications.thread_head(contents[-1])
        case MessageKind.OUTAGE:
            return notifications.outage_digest(contents)
        case MessageKind.FLOOD:
            return notifications.flood_digest(contents, limit=flood_limit)
        case MessageKind.GATHERED:
            return notifications.scheduled_digest(contents, carried[0].terms)
        case MessageKind.PIPELINE if carried[-1].pipeline is not None:
            message = pipeline_card.pipeline_notification(carried[-1].pipeline, contents, now=now)
            return add_starter(message, RunNote.read(note))
        case MessageKind.BUILD | MessageKind.REPLY if _is_outdated(carried):
            return notifications.outdated_notification(contents[-1], carried[-1].event)
        case MessageKind.BUILD | MessageKind.LIVE | MessageKind.REPLY:
            message = notifications.build_notification(contents[-1], now=now)
            return add_starter(message, RunNote.read(note))
        case _:
            if len(contents) == 1:
                return notifications.build_notification(contents[0], now=now)
            return notifications.delayed_digest(contents)


def _to_content(notification: Notification, presentation_of: PresentationOf) -> NotificationContent:
    # An event of a build that has ended since is shown as its end.
    event = BuildEvent.ENDED if notification.build.ended else notification.event
    streak = (
        _hide_other_workspaces(notification.team, notification.standing)
        if notification.standing is not None
        else None
    )
    return NotificationContent(
        notification.build,
        notification.app,
        presentation_of(notification.build.provider),
        event,
        streak,
        notification.failure,
        notification.usual,
        notification.mention,
        notification.ties,
    )


def _is_outdated(notifications: Sequence[Notification]) -> bool:
    """Return whether a delivered message is about a build that has ended since; its end has its own notification."""
    return all(
        notification.build.ended
        and notification.event != BuildEvent.ENDED
        and notification.status is NotificationStatus.DELIVERED
        for notification in notifications
    )


def _hide_other_workspaces(team: str, streak: StreakState) -> StreakState:
    """Return the streak without the names of people from other workspaces."""
    return streak.model_copy(
        update={
            "green": _hide_other_workspace(team, streak.green),
            "red": _hide_other_workspace(team, streak.red),
        }
    )


def _hide_other_workspace(team: str, summary: BuildSummary | None) -> BuildSummary | None:
    if summary is None or summary.by is None or not summary.by.startswith("@"):
        return summary
    person = resolve_author(summary.by, team)
    return summary.model_copy(update={"by": f"@{person}" if person is not None else None})
