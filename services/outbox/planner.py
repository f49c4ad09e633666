"""Which message comes next in a channel, and what it carries. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from domain.failure_streak import StreakPosition
from domain.message_state import CardState, ThreadState
from domain.notification import Notification
from domain.notifications.rule import BuildEvent, DeliveryStyle
from services.outbox.message_key import MessageKey, MessageKind, line_key, message_key, run_keys, thread_key
from services.outbox.rate_limits import RateLimits
from storage.slack_messages import SlackMessage

# So many builds fit into one message with all their words (Slack's rules: 13,200 characters of blocks).
DIGEST_SIZE = 20
# A digest that one message can't hold goes on in its thread.
ONE_BACKLOG = timedelta(minutes=10)
# So many apps that fail within this time look like an outage.
OUTAGE_APPS = 5
OUTAGE_WINDOW = timedelta(minutes=5)
FLOOD_WINDOW = timedelta(hours=1)
# What is told at once and by itself, which a message that follows a run says as well; threads, cards and digests are
# about more than one run.
_BESIDE_A_RUN = (DeliveryStyle.EACH, DeliveryStyle.LIVE)
# Messages that take in what happens next.
_JOINED = (MessageKind.LIVE, MessageKind.CARD, MessageKind.PIPELINE)
THREADS_LIVE = timedelta(days=30)
# Whether the head of a thread is still there is found out by changing it; not before each of many replies.
THREADS_CHECKED = timedelta(minutes=1)


@dataclass(frozen=True)
class PlanContext:
    """What a plan needs to know of the channel.

    `there` holds the messages that are in Slack by subject, `carrying` how many builds the rolling ones carry,
    `posted` the messages of the last hour, `failing` the apps whose failures were told within the outage window.
    """

    now: datetime
    limits: RateLimits
    messages: Mapping[str, SlackMessage] = field(default_factory=dict)
    build_counts: Mapping[str, int] = field(default_factory=dict)
    posted: int = 0
    failing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """One message: new, or `into` one that is there; new ones maybe in the thread of `thread`.

    `until`: nothing is sent; what is carried waits until then. `about`: what heads a thread, and carries nothing.
    """

    subject: MessageKey
    notifications: Sequence[Notification]
    target: SlackMessage | None = None
    thread: SlackMessage | None = None
    broadcast: bool = False
    until: datetime | None = None
    about: Notification | None = None


def keys_needed(due: Sequence[Notification]) -> list[str]:
    """The subjects of which a plan for these must know whether a message is there."""
    head = due[0]
    subjects = [message_key(head), thread_key(head)]
    subjects += [
        MessageKey(kind=kind) for kind in (MessageKind.BACKLOG, MessageKind.OUTAGE, MessageKind.FLOOD)
    ]
    subjects += [
        message_key(one) for one in due if one.terms.style is DeliveryStyle.LIVE or one.pipeline is not None
    ]
    subjects += [run for one in due if one.terms.style in _BESIDE_A_RUN for run in run_keys(one)]
    return list(dict.fromkeys(str(one) for one in subjects))


def plan(due: Sequence[Notification], facts: PlanContext) -> Plan:
    """The channel's next message. `due` is not empty and in order of ending."""
    head = due[0]
    if (into_run := _edit_run(due, facts)) is not None:
        return into_run
    if head.due_at is not None and head.terms.style is not DeliveryStyle.CARD:
        return _digest(due)
    plain = [one for one in due if _is_plain(one, facts)]
    if plain and plain[0] is head:
        if (outage := _outage(plain, facts)) is not None:
            return outage
        if (backlog := _backlog(plain, facts)) is not None:
            return backlog
    if (run := _run_of(head, facts)) is not None:
        return _reply_to_run(run, due, facts)
    if facts.posted >= facts.limits.flood and _is_new(head, facts):
        return _rolling(MessageKind.FLOOD, [one for one in due if _is_new(one, facts)], facts, FLOOD_WINDOW)
    if head.terms.style is DeliveryStyle.THREAD:
        return _reply(due, facts)
    subject = message_key(head)
    same = [one for one in due if message_key(one) == subject]
    into = facts.messages.get(str(subject)) if subject.kind in _JOINED else None
    if into is not None and subject.kind is MessageKind.CARD and (until := _snoozed(same, into, facts.now)):
        return Plan(subject, same, until=until)
    return Plan(subject, same, target=into)


def _is_plain(one: Notification, facts: PlanContext) -> bool:
    """Whether it needs no message of a kind of its own, so that it can be gathered with others."""
    # A live one that still runs needs a message that can be changed when it ends.
    if one.pipeline is not None and not one.pipeline.ended:
        return False  # its card is changed as it goes on
    return _is_new(one, facts) and (one.terms.style is not DeliveryStyle.LIVE or one.build.ended)


def _is_new(one: Notification, facts: PlanContext) -> bool:
    """Whether it would be a new message in the channel, other than the card of a series."""
    if one.due_at is not None or one.terms.style is DeliveryStyle.CARD:
        return False
    if _run_of(one, facts) is not None:
        return False
    subject = message_key(one)
    return subject.kind not in (MessageKind.LIVE, MessageKind.PIPELINE) or str(subject) not in facts.messages


def _run_of(one: Notification, facts: PlanContext) -> SlackMessage | None:
    """The message in the channel that follows what this tells of, since somebody has started it here."""
    if one.terms.run or one.due_at is not None or one.terms.style not in _BESIDE_A_RUN:
        return None
    return next((run for subject in run_keys(one) if (run := facts.messages.get(str(subject)))), None)


def _edit_run(due: Sequence[Notification], facts: PlanContext) -> Plan | None:
    """What the message of a run takes in: before all else, so that it never says less than what is posted below it."""
    runs = [_run_to_edit(one, facts) for one in due]
    first = next((run for run in runs if run is not None), None)
    if first is None:
        return None
    into = [one for one, run in zip(due, runs, strict=True) if run is first]
    return Plan(MessageKey.read(first.subject), into, target=first)


def _run_to_edit(one: Notification, facts: PlanContext) -> SlackMessage | None:
    """The message of a run that is edited to tell of this: it is its own, or the channel would be told by edits too."""
    if one.terms.run:
        return facts.messages.get(str(message_key(one)))
    return _run_of(one, facts) if _is_shown_by_edits(one) else None


def _reply_to_run(run: SlackMessage, due: Sequence[Notification], facts: PlanContext) -> Plan:
    """What people are to be notified of, which no edit does: an answer to the run's message that the channel sees."""
    subject = message_key(due[0])
    same = [one for one in due if message_key(one) == subject and not _is_shown_by_edits(one)]
    if subject.kind in _JOINED and (there := facts.messages.get(str(subject))) is not None:
        return Plan(subject, same, target=there)
    return Plan(subject, same, thread=run, broadcast=True)


def _is_shown_by_edits(one: Notification) -> bool:
    return one.terms.style is DeliveryStyle.LIVE or one.event == BuildEvent.STARTED


def _digest(due: Sequence[Notification]) -> Plan:
    """What waited for the same reason, whichever subscriptions of the channel it is for: one message for all of it."""
    head = due[0]
    same = [
        one
        for one in due
        if one.due_at is not None
        and one.terms.style is not DeliveryStyle.CARD
        and _waits_for(one) == _waits_for(head)
    ]
    key = f"{head.subscription_id} {min(one.due_at for one in same if one.due_at):%Y-%m-%dT%H:%M}"
    first = list(dict.fromkeys(one.build.slug for one in same))[:DIGEST_SIZE]
    return Plan(
        MessageKey(kind=MessageKind.GATHERED, key=key), [one for one in same if one.build.slug in first]
    )


def _waits_for(one: Notification) -> object:
    """What it waited for: its digest, or the end of the quiet hours."""
    terms = one.terms
    return terms.style if terms.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY) else terms.quiet


def _outage(plain: Sequence[Notification], facts: PlanContext) -> Plan | None:
    broke = [one for one in plain if one.broke and facts.now - _end(one) <= OUTAGE_WINDOW]
    if not broke or broke[0] is not plain[0]:
        return None
    # Only up to the first that did not fail, so that none is told before one that ended earlier.
    first = list(takewhile(lambda one: one in broke, plain))
    rolling = facts.messages.get(str(MessageKey(kind=MessageKind.OUTAGE)))
    goes_on = rolling is not None and facts.now - rolling.sent_at <= OUTAGE_WINDOW
    apps = facts.failing | {one.build.app_slug for one in broke}
    if len(apps) < OUTAGE_APPS and not goes_on:
        return None
    return _rolling(MessageKind.OUTAGE, first, facts, OUTAGE_WINDOW)


def _rolling(
    kind: MessageKind, carried: Sequence[Notification], facts: PlanContext, lasts: timedelta
) -> Plan:
    """A message that takes in more for a while."""
    subject = MessageKey(kind=kind)
    into = facts.messages.get(str(subject))
    if into is not None and facts.now - into.sent_at > lasts:
        into = None
    room = DIGEST_SIZE - (facts.build_counts.get(into.parcel, DIGEST_SIZE) if into else 0)
    if room <= 0:
        return Plan(subject, _of_first_builds(carried, DIGEST_SIZE))
    return Plan(subject, _of_first_builds(carried, room), target=into)


def _of_first_builds(gathered: Sequence[Notification], most: int) -> Sequence[Notification]:
    """What is owed of the first so many builds; all moments of one build go together, since they are one line."""
    return _of_builds(list(dict.fromkeys(line_key(one) for one in gathered))[:most], gathered)


def _of_builds(
    builds: Container[tuple[int, str]], gathered: Sequence[Notification]
) -> Sequence[Notification]:
    return [one for one in gathered if line_key(one) in builds]


def _backlog(plain: Sequence[Notification], facts: PlanContext) -> Plan | None:
    """A digest, or the next part of one in its thread; None where there is no backlog."""
    subject = MessageKey(kind=MessageKind.BACKLOG)
    begun = facts.messages.get(str(subject))
    if begun is not None and facts.now - begun.sent_at <= ONE_BACKLOG:
        # Up to the first that is younger, so that none is told before one that ended earlier; but of a build that was
        # owed then, everything.
        waited = {line_key(one) for one in takewhile(lambda one: one.created_at <= begun.sent_at, plain)}
        if waited:
            more = MessageKey(kind=MessageKind.BACKLOG, key="more")
            return Plan(more, _of_first_builds(_of_builds(waited, plain), DIGEST_SIZE), thread=begun)
    many = len(plain) > facts.limits.backlog
    old = len(plain) > 1 and facts.now - plain[0].created_at > facts.limits.backlog_age
    return Plan(subject, _of_first_builds(plain, DIGEST_SIZE)) if many or old else None


def _reply(due: Sequence[Notification], facts: PlanContext) -> Plan:
    head = due[0]
    subject, topic = message_key(head), thread_key(head)
    parent = facts.messages.get(str(topic))
    if parent is None or facts.now - parent.sent_at > THREADS_LIVE:
        return Plan(topic, (), about=head)
    if facts.now - ThreadState.read(parent.note).shown_at > THREADS_CHECKED:
        # What stands above comes first: it is brought up to date, and shows whether it is still there at all.
        return Plan(topic, (), target=parent, about=head)
    same = [one for one in due if message_key(one) == subject]
    if subject.kind is MessageKind.PIPELINE and (there := facts.messages.get(str(subject))) is not None:
        return Plan(subject, same, target=there)
    return Plan(subject, same, thread=parent, broadcast=head.terms.broadcast)


def _snoozed(same: Sequence[Notification], card: SlackMessage, now: datetime) -> datetime | None:
    until = CardState.read(card.note).snoozed_until
    still = all(one.standing and one.standing.position is StreakPosition.STILL_FAILING for one in same)
    return until if still and until is not None and until > now else None


def _end(one: Notification) -> datetime:
    return one.build.finished_at or one.created_at
