"""Renders a message from the notifications that it carries. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.build_author import resolve_author
from domain.failure_streak import BuildSummary, StreakState
from domain.message import Message
from domain.message_state import CardState, RunNote
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import BuildEvent, DeliveryStyle
from messages import build_text, notifications, pipeline_card
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
    # Several moments of one build: the last one says it all.
    tellings = [_content(one, presentation_of) for one in {line_key(one): one for one in carried}.values()]
    match kind:
        case MessageKind.CARD:
            return notifications.streak_card(tellings, CardState.read(note), now=now)
        case MessageKind.THREAD:
            return notifications.thread_head(tellings[-1])
        case MessageKind.OUTAGE:
            return notifications.outage_digest(tellings)
        case MessageKind.FLOOD:
            return notifications.flood_digest(tellings, limit=flood_limit)
        case MessageKind.GATHERED:
            # Two subscriptions may be about the same build.
            once = list({one.build.slug: one for one in tellings}.values())
            return notifications.build_digest(once, title=_why_gathered(carried))
        case MessageKind.PIPELINE if carried[-1].pipeline is not None:
            told = pipeline_card.pipeline_notification(carried[-1].pipeline, tellings, now=now)
            return add_starter(told, RunNote.read(note))
        case MessageKind.BUILD | MessageKind.REPLY if _is_over(carried):
            return notifications.outdated_notification(tellings[-1], carried[-1].event)
        case MessageKind.BUILD | MessageKind.LIVE | MessageKind.REPLY:
            told = notifications.build_notification(tellings[-1], now=now)
            return add_starter(told, RunNote.read(note))
        case _:
            if len(tellings) == 1:
                return notifications.build_notification(tellings[0], now=now)
            return notifications.build_digest(
                tellings, title=f"{_builds(carried)} ended while I could not tell you"
            )


def _content(one: Notification, presentation_of: PresentationOf) -> NotificationContent:
    # A moment that is over by now is told as what the build has become.
    happening = BuildEvent.ENDED if one.build.ended else one.event
    standing = _seen_from(one.team, one.standing) if one.standing is not None else None
    return NotificationContent(
        one.build,
        one.app,
        presentation_of(one.build.provider),
        happening,
        standing,
        one.failure,
        one.usual,
        one.mention,
        one.ties,
    )


def _is_over(carried: Sequence[Notification]) -> bool:
    """Whether it told of a build that has ended since, and whose end, where it is wanted, is told by itself."""
    return all(
        one.build.ended and one.event != BuildEvent.ENDED and one.status is NotificationStatus.DELIVERED
        for one in carried
    )


def _seen_from(team: str, standing: StreakState) -> StreakState:
    """The standing as this workspace may know it: people of another one are nobody here."""
    return standing.model_copy(
        update={"green": _mark_from(team, standing.green), "red": _mark_from(team, standing.red)}
    )


def _mark_from(team: str, mark: BuildSummary | None) -> BuildSummary | None:
    if mark is None or mark.by is None or not mark.by.startswith("@"):
        return mark
    person = resolve_author(mark.by, team)
    return mark.model_copy(update={"by": f"@{person}" if person is not None else None})


def _why_gathered(carried: Sequence[Notification]) -> str:
    terms = carried[0].terms
    match terms.style:
        case DeliveryStyle.DAILY:
            return f"The day's {_sorts(carried)}: {_builds(carried)}"
        case DeliveryStyle.WEEKLY:
            return f"The week's {_sorts(carried)}: {_builds(carried)}"
        case _:
            hours = f" ({terms.quiet.start:%H:%M} to {terms.quiet.end:%H:%M})" if terms.quiet else ""
            return f"{_builds(carried)} during the quiet hours{hours}"


def _sorts(carried: Sequence[Notification]) -> str:
    return build_text.run_kinds(one.build for one in carried)


def _builds(carried: Sequence[Notification]) -> str:
    return build_text.count_runs(list({one.build.slug: one.build for one in carried}.values()))
