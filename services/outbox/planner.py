"""Plans a channel's next message and the notifications in it. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from domain.failure_streak import StreakPosition
from domain.message import CardState, ThreadState
from domain.notification import Notification
from domain.notifications.rule import BuildEvent, DeliveryStyle
from services.outbox.message_key import MessageKey, MessageKind, line_key, message_key, run_keys, thread_key
from services.outbox.rate_limits import RateLimits
from storage.slack_messages import SlackMessage

# Builds that fit into one message in full (Slack's rules: 13,200 characters of blocks).
DIGEST_SIZE = 20
# A backlog that does not fit into one message continues in its thread, within this time.
ONE_BACKLOG = timedelta(minutes=10)
# As many apps that fail within this time look like an outage.
OUTAGE_APPS = 5
OUTAGE_WINDOW = timedelta(minutes=5)
FLOOD_WINDOW = timedelta(hours=1)
# Styles with one message per run, which a message that follows the run can replace. Threads, cards and digests are
# about more than one run.
_SINGLE_RUN_STYLES = (DeliveryStyle.EACH, DeliveryStyle.LIVE)
# Messages that later notifications are added to.
_JOINED = (MessageKind.LIVE, MessageKind.CARD, MessageKind.PIPELINE)
THREADS_LIVE = timedelta(days=30)
# An edit finds out whether a thread's head still exists; it is not repeated for each of many replies within this time.
THREADS_CHECKED = timedelta(minutes=1)


@dataclass(frozen=True)
class PlanContext:
    """The channel's state that a plan depends on.

    `messages` are those in Slack by subject, `build_counts` the number of builds in each rolling message by parcel,
    `posted` the number of messages in the last hour, `failing` the apps with a failure within the outage window.
    """

    now: datetime
    limits: RateLimits
    messages: Mapping[str, SlackMessage] = field(default_factory=dict)
    build_counts: Mapping[str, int] = field(default_factory=dict)
    posted: int = 0
    failing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """One message: a new one, optionally in the thread of `thread`, or an edit of `target`.

    `until`: nothing is sent, and the notifications wait until then. `about`: the notification that a thread's head
    shows without carrying it.
    """

    subject: MessageKey
    notifications: Sequence[Notification]
    target: SlackMessage | None = None
    thread: SlackMessage | None = None
    broadcast: bool = False
    until: datetime | None = None
    about: Notification | None = None


def keys_needed(due: Sequence[Notification]) -> list[str]:
    """Return the subjects whose messages a plan for these notifications needs."""
    head = due[0]
    subjects = [message_key(head), thread_key(head)]
    subjects += [
        MessageKey(kind=kind) for kind in (MessageKind.BACKLOG, MessageKind.OUTAGE, MessageKind.FLOOD)
    ]
    subjects += [
        message_key(notification)
        for notification in due
        if notification.terms.style is DeliveryStyle.LIVE or notification.pipeline is not None
    ]
    subjects += [
        run
        for notification in due
        if notification.terms.style in _SINGLE_RUN_STYLES
        for run in run_keys(notification)
    ]
    return list(dict.fromkeys(str(subject) for subject in subjects))


def plan(due: Sequence[Notification], context: PlanContext) -> Plan:
    """Return the channel's next message. `due` is not empty and in order of ending."""
    head = due[0]
    if (run_edit := _plan_run_edit(due, context)) is not None:
        return run_edit
    if head.due_at is not None and head.terms.style is not DeliveryStyle.CARD:
        return _plan_digest(due)
    plain = [notification for notification in due if _is_plain(notification, context)]
    if plain and plain[0] is head:
        if (outage := _plan_outage(plain, context)) is not None:
            return outage
        if (backlog := _plan_backlog(plain, context)) is not None:
            return backlog
    if (run := _find_run(head, context)) is not None:
        return _plan_run_reply(run, due, context)
    if context.posted >= context.limits.flood and _is_new(head, context):
        return _plan_rolling(
            MessageKind.FLOOD,
            [notification for notification in due if _is_new(notification, context)],
            context,
            FLOOD_WINDOW,
        )
    if head.terms.style is DeliveryStyle.THREAD:
        return _plan_reply(due, context)
    subject = message_key(head)
    same = [notification for notification in due if message_key(notification) == subject]
    target = context.messages.get(str(subject)) if subject.kind in _JOINED else None
    if (
        target is not None
        and subject.kind is MessageKind.CARD
        and (until := _snoozed_until(same, target, context.now))
    ):
        return Plan(subject, same, until=until)
    return Plan(subject, same, target=target)


def _is_plain(notification: Notification, context: PlanContext) -> bool:
    """Return whether the notification can be combined with others in a digest."""
    # A running build with the live style needs its own message, which is edited when the build ends.
    if notification.pipeline is not None and not notification.pipeline.ended:
        return False  # its card is edited as the pipeline continues
    return _is_new(notification, context) and (
        notification.terms.style is not DeliveryStyle.LIVE or notification.build.ended
    )


def _is_new(notification: Notification, context: PlanContext) -> bool:
    """Return whether the notification would be a new message in the channel, other than a failure streak's card."""
    if notification.due_at is not None or notification.terms.style is DeliveryStyle.CARD:
        return False
    if _find_run(notification, context) is not None:
        return False
    subject = message_key(notification)
    return (
        subject.kind not in (MessageKind.LIVE, MessageKind.PIPELINE) or str(subject) not in context.messages
    )


def _find_run(notification: Notification, context: PlanContext) -> SlackMessage | None:
    """Return the message that follows the notification's run, if a user started the run in this channel."""
    if (
        notification.terms.run
        or notification.due_at is not None
        or notification.terms.style not in _SINGLE_RUN_STYLES
    ):
        return None
    return next(
        (run for subject in run_keys(notification) if (run := context.messages.get(str(subject)))), None
    )


def _plan_run_edit(due: Sequence[Notification], context: PlanContext) -> Plan | None:
    """Plan the edit of a run's message; it comes first, so that the message is never behind a reply below it."""
    runs = [_find_run_to_edit(notification, context) for notification in due]
    first = next((run for run in runs if run is not None), None)
    if first is None:
        return None
    edited = [notification for notification, run in zip(due, runs, strict=True) if run is first]
    return Plan(MessageKey.read(first.subject), edited, target=first)


def _find_run_to_edit(notification: Notification, context: PlanContext) -> SlackMessage | None:
    """Return the run's message if this notification is shown by editing it."""
    if notification.terms.run:
        return context.messages.get(str(message_key(notification)))
    return _find_run(notification, context) if _is_shown_by_edits(notification) else None


def _plan_run_reply(run: SlackMessage, due: Sequence[Notification], context: PlanContext) -> Plan:
    """Plan a broadcast reply to the run's message, since Slack does not notify people of edits."""
    subject = message_key(due[0])
    same = [
        notification
        for notification in due
        if message_key(notification) == subject and not _is_shown_by_edits(notification)
    ]
    if subject.kind in _JOINED and (message := context.messages.get(str(subject))) is not None:
        return Plan(subject, same, target=message)
    return Plan(subject, same, thread=run, broadcast=True)


def _is_shown_by_edits(notification: Notification) -> bool:
    return notification.terms.style is DeliveryStyle.LIVE or notification.event == BuildEvent.STARTED


def _plan_digest(due: Sequence[Notification]) -> Plan:
    """Plan one message for all notifications that waited for the same reason, from any subscription of the channel."""
    head = due[0]
    same = [
        notification
        for notification in due
        if notification.due_at is not None
        and notification.terms.style is not DeliveryStyle.CARD
        and _waiting_reason(notification) == _waiting_reason(head)
    ]
    earliest = min(notification.due_at for notification in same if notification.due_at)
    key = f"{head.subscription_id} {earliest:%Y-%m-%dT%H:%M}"
    first = list(dict.fromkeys(notification.build.slug for notification in same))[:DIGEST_SIZE]
    return Plan(
        MessageKey(kind=MessageKind.GATHERED, key=key),
        [notification for notification in same if notification.build.slug in first],
    )


def _waiting_reason(notification: Notification) -> object:
    """Return what the notification waited for: its digest's style, or the quiet hours."""
    terms = notification.terms
    return terms.style if terms.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY) else terms.quiet


def _plan_outage(plain: Sequence[Notification], context: PlanContext) -> Plan | None:
    broke = [
        notification
        for notification in plain
        if notification.broke and context.now - _ended_at(notification) <= OUTAGE_WINDOW
    ]
    if not broke or broke[0] is not plain[0]:
        return None
    # Only up to the first that did not fail, to keep the order of ending.
    first = list(takewhile(lambda notification: notification in broke, plain))
    rolling = context.messages.get(str(MessageKey(kind=MessageKind.OUTAGE)))
    continues = rolling is not None and context.now - rolling.sent_at <= OUTAGE_WINDOW
    apps = context.failing | {notification.build.app_slug for notification in broke}
    if len(apps) < OUTAGE_APPS and not continues:
        return None
    return _plan_rolling(MessageKind.OUTAGE, first, context, OUTAGE_WINDOW)


def _plan_rolling(
    kind: MessageKind, notifications: Sequence[Notification], context: PlanContext, lasts: timedelta
) -> Plan:
    """Plan a message that more notifications are added to for a while (`lasts`)."""
    subject = MessageKey(kind=kind)
    target = context.messages.get(str(subject))
    if target is not None and context.now - target.sent_at > lasts:
        target = None
    room = DIGEST_SIZE - (context.build_counts.get(target.parcel, DIGEST_SIZE) if target else 0)
    if room <= 0:
        return Plan(subject, _take_first_builds(notifications, DIGEST_SIZE))
    return Plan(subject, _take_first_builds(notifications, room), target=target)


def _take_first_builds(notifications: Sequence[Notification], limit: int) -> Sequence[Notification]:
    """Return the notifications of the first `limit` builds; all of a build's go together, since they are one line."""
    return _filter_builds(
        list(dict.fromkeys(line_key(notification) for notification in notifications))[:limit], notifications
    )


def _filter_builds(
    builds: Container[tuple[int, str]], notifications: Sequence[Notification]
) -> Sequence[Notification]:
    return [notification for notification in notifications if line_key(notification) in builds]


def _plan_backlog(plain: Sequence[Notification], context: PlanContext) -> Plan | None:
    """Plan a backlog digest, or its next part in its thread; None if there is no backlog."""
    subject = MessageKey(kind=MessageKind.BACKLOG)
    backlog = context.messages.get(str(subject))
    if backlog is not None and context.now - backlog.sent_at <= ONE_BACKLOG:
        # Only up to the first notification created after the digest, to keep the order of ending; but all
        # notifications of the builds among them.
        waited = {
            line_key(notification)
            for notification in takewhile(
                lambda notification: notification.created_at <= backlog.sent_at, plain
            )
        }
        if waited:
            more = MessageKey(kind=MessageKind.BACKLOG, key="more")
            return Plan(more, _take_first_builds(_filter_builds(waited, plain), DIGEST_SIZE), thread=backlog)
    many = len(plain) > context.limits.backlog
    old = len(plain) > 1 and context.now - plain[0].created_at > context.limits.backlog_age
    return Plan(subject, _take_first_builds(plain, DIGEST_SIZE)) if many or old else None


def _plan_reply(due: Sequence[Notification], context: PlanContext) -> Plan:
    head = due[0]
    subject, topic = message_key(head), thread_key(head)
    parent = context.messages.get(str(topic))
    if parent is None or context.now - parent.sent_at > THREADS_LIVE:
        return Plan(topic, (), about=head)
    if context.now - ThreadState.read(parent.note).shown_at > THREADS_CHECKED:
        # The head is edited before the reply is posted; the edit also finds out whether the head still exists.
        return Plan(topic, (), target=parent, about=head)
    same = [notification for notification in due if message_key(notification) == subject]
    if subject.kind is MessageKind.PIPELINE and (message := context.messages.get(str(subject))) is not None:
        return Plan(subject, same, target=message)
    return Plan(subject, same, thread=parent, broadcast=head.terms.broadcast)


def _snoozed_until(same: Sequence[Notification], card: SlackMessage, now: datetime) -> datetime | None:
    until = CardState.read(card.note).snoozed_until
    still = all(
        notification.standing and notification.standing.position is StreakPosition.STILL_FAILING
        for notification in same
    )
    return until if still and until is not None and until > now else None


def _ended_at(notification: Notification) -> datetime:
    return notification.build.finished_at or notification.created_at
