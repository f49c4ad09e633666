"""The plan of a channel's next message."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from domain.build import App, BuildState
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import DeliveryStyle, NotificationRule
from providers.bitrise.provider import BITRISE
from services.outbox.message_key import MessageKind, build_run_key
from services.outbox.planner import DIGEST_SIZE, PlanContext, plan
from services.outbox.rate_limits import RateLimits
from services.outbox.renderer import render
from storage.slack_messages import MessageStatus, SlackMessage
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.presentations import presentation_of

NUMBERS = itertools.count(1)
NOW = NOON + timedelta(minutes=30)


def make_notification(
    number: int,
    state: BuildState = BuildState.SUCCEEDED,
    *,
    app: App = ANDROID,
    style: DeliveryStyle = DeliveryStyle.EACH,
    **more: Any,
) -> Notification:
    build = make_build(
        number, state, app=app, finished_at=NOW - timedelta(minutes=1) if state.ended else None
    )
    fields: dict[str, Any] = {
        "id": next(NUMBERS),
        "subscription_id": 1,
        "team": "T1",
        "channel": "C1",
        "event": "ended" if state.ended else "started",
        "build": build,
        "app": app,
        "created_at": NOW,
        "status": NotificationStatus.QUEUED,
        "terms": NotificationRule(style=style),
    }
    return Notification(**(fields | more))


def posted_message(subject: str, *, sent_at: datetime = NOW, **more: Any) -> SlackMessage:
    return SlackMessage(
        parcel=f"p-{subject}",
        team="T1",
        channel="C1",
        subject=subject,
        status=MessageStatus.TOLD,
        ts="1.0",
        sent_at=sent_at,
        **more,
    )


def plan_context(*messages: SlackMessage, **more: Any) -> PlanContext:
    fields: dict[str, Any] = {"now": NOW, "limits": RateLimits()} | more
    return PlanContext(messages={message.subject: message for message in messages}, **fields)


def app(number: int) -> App:
    return App(provider=BITRISE, slug=f"app{number}", title=f"App {number}")


def test_a_few_builds_are_sent_in_separate_messages() -> None:
    planned = plan([make_notification(1), make_notification(2)], plan_context())
    assert (planned.subject.kind, [notification.build.number for notification in planned.notifications]) == (
        MessageKind.BUILD,
        [1],
    )


def test_a_backlog_is_one_message_and_continues_in_its_thread() -> None:
    many = [make_notification(number) for number in range(1, 45)]
    first = plan(many, plan_context())
    assert (first.subject.kind, len(first.notifications), first.thread) == (
        MessageKind.BACKLOG,
        DIGEST_SIZE,
        None,
    )
    backlog = posted_message("backlog")
    assert plan(many[DIGEST_SIZE:], plan_context(backlog)).thread == backlog
    assert plan(many[-2:], plan_context(backlog)).thread == backlog
    earlier = plan_context(posted_message("backlog", sent_at=NOW - timedelta(minutes=1)))
    assert plan(many[-2:], earlier).subject.kind is MessageKind.BUILD
    assert plan(many[DIGEST_SIZE:], earlier).thread is None


def test_a_continued_backlog_stops_at_newer_builds_but_includes_all_events_of_a_build() -> None:
    backlog = posted_message("backlog", sent_at=NOW)
    later = NOW + timedelta(seconds=1)
    waited, young, also_waited = (
        make_notification(1),
        make_notification(2, created_at=later),
        make_notification(3),
    )
    end = make_notification(1, created_at=later)
    assert plan([waited, end, young, also_waited], plan_context(backlog)).notifications == [waited, end]


def test_all_events_of_a_build_are_sent_together() -> None:
    both = [make_notification(1, BuildState.RUNNING), make_notification(1, BuildState.FAILED)]
    assert plan(both, plan_context()).notifications == both


def test_many_apps_that_fail_within_minutes_share_one_message() -> None:
    failures = [make_notification(number, BuildState.FAILED, app=app(number)) for number in range(5)]
    assert plan(failures[:4], plan_context()).subject.kind is MessageKind.BUILD
    together = plan(failures, plan_context())
    assert (together.subject.kind, len(together.notifications)) == (MessageKind.OUTAGE, 5)
    fifth = plan(failures[4:], plan_context(failing=frozenset(f"app{number}" for number in range(4))))
    assert fifth.subject.kind is MessageKind.OUTAGE
    card = posted_message("outage")
    more = plan(
        [make_notification(9, BuildState.FAILED, app=app(9))],
        plan_context(card, build_counts={card.parcel: 5}),
    )
    assert more.target == card


def test_an_outage_message_leaves_out_failures_after_an_earlier_success() -> None:
    first, second = (
        [make_notification(number, BuildState.FAILED, app=app(number)) for number in some]
        for some in ((0, 1, 2), (3, 4))
    )
    success = make_notification(9)
    assert plan([*first, success, *second], plan_context()).notifications == first


def test_failures_of_one_app_are_not_an_outage() -> None:
    assert (
        plan(
            [make_notification(number, BuildState.FAILED) for number in range(8)], plan_context()
        ).subject.kind
        is MessageKind.BUILD
    )


def test_a_flood_is_collected_in_one_message_until_it_is_full() -> None:
    flooded = plan_context(posted=60)
    assert plan([make_notification(1)], flooded).subject.kind is MessageKind.FLOOD
    rolling = posted_message("flood")
    assert (
        plan(
            [make_notification(1)], plan_context(rolling, posted=60, build_counts={rolling.parcel: 3})
        ).target
        == rolling
    )
    assert (
        plan(
            [make_notification(1)],
            plan_context(rolling, posted=60, build_counts={rolling.parcel: DIGEST_SIZE}),
        ).target
        is None
    )
    old = posted_message("flood", sent_at=NOW - timedelta(hours=2))
    assert (
        plan([make_notification(1)], plan_context(old, posted=60, build_counts={old.parcel: 3})).target
        is None
    )


def test_a_flood_collects_new_live_messages_but_existing_ones_are_still_edited() -> None:
    starts = [make_notification(number, BuildState.RUNNING, style=DeliveryStyle.LIVE) for number in (1, 2)]
    assert plan(starts, plan_context(posted=60)).subject.kind is MessageKind.FLOOD
    live = posted_message("live 1 " + make_build(1).slug)
    assert (
        plan([make_notification(1, style=DeliveryStyle.LIVE)], plan_context(live, posted=60)).target == live
    )


def test_a_live_message_is_edited_and_never_combined_with_others() -> None:
    live = posted_message("live 1 " + make_build(1).slug)
    ended = make_notification(1, style=DeliveryStyle.LIVE)
    assert plan([ended], plan_context(live)).target == live
    crowd = [ended, *(make_notification(number) for number in range(2, 20))]
    assert plan(crowd, plan_context(live)).target == live
    assert ended not in plan([*crowd[1:], ended], plan_context(live)).notifications


def test_a_runs_message_is_edited_before_a_reply_is_posted_below_it() -> None:
    run = posted_message(str(build_run_key(make_build(1).slug)))
    followed = make_notification(
        1,
        BuildState.FAILED,
        subscription_id=9,
        terms=NotificationRule(style=DeliveryStyle.LIVE, once=True, run=True),
    )
    live = make_notification(1, BuildState.FAILED, subscription_id=3, style=DeliveryStyle.LIVE)
    each = [make_notification(1, BuildState.FAILED, subscription_id=number) for number in (1, 2)]
    gathered = make_notification(5, BuildState.FAILED, subscription_id=4, due_at=NOW)
    first = plan([gathered, *each, live, followed], plan_context(run))
    assert (first.target, first.notifications) == (run, [live, followed])
    below = plan(each, plan_context(run))
    assert (below.thread, below.broadcast, below.notifications) == (run, True, each[:1])


def test_a_failure_streak_is_one_card() -> None:
    red = BuildSummary(slug="b1", url="https://x")
    broken = make_notification(
        1,
        BuildState.FAILED,
        style=DeliveryStyle.CARD,
        standing=StreakState(position=StreakPosition.BROKEN, red=red),
    )
    worse = make_notification(
        2,
        BuildState.FAILED,
        style=DeliveryStyle.CARD,
        standing=StreakState(position=StreakPosition.STILL_FAILING, red=red),
    )
    fixed = make_notification(
        3, style=DeliveryStyle.CARD, standing=StreakState(position=StreakPosition.FIXED, red=red)
    )
    assert plan([broken, worse, fixed], plan_context()).notifications == [broken, worse, fixed]
    card = posted_message("card 1 b1")
    assert plan([worse], plan_context(card)).target == card
    snoozed = posted_message("card 1 b1", note='{"snoozed_until": "2026-11-21T20:00:00Z"}')
    assert plan([worse], plan_context(snoozed)).until is not None
    assert plan([fixed], plan_context(snoozed)).target == snoozed


def test_a_threads_head_is_posted_and_updated_before_a_reply() -> None:
    reply = make_notification(1, style=DeliveryStyle.THREAD)
    head = plan([reply], plan_context())
    assert (head.subject.kind, head.notifications, head.about) == (MessageKind.THREAD, (), reply)
    subject = str(head.subject)
    assert plan([reply], plan_context(posted_message(subject))).target is not None
    fresh = posted_message(subject, note=f'{{"shown_at": "{NOW.isoformat()}"}}')
    planned = plan([reply], plan_context(fresh))
    assert (planned.subject.kind, planned.thread, planned.notifications) == (
        MessageKind.REPLY,
        fresh,
        [reply],
    )


def test_notifications_that_waited_for_their_time_come_in_one_message() -> None:
    waited = [make_notification(number, style=DeliveryStyle.DAILY, due_at=NOW) for number in (1, 2)]
    planned = plan([*waited, make_notification(3)], plan_context())
    assert (planned.subject.kind, planned.notifications) == (MessageKind.GATHERED, waited)


def test_a_channels_digests_are_one_message_with_each_build_once() -> None:
    daily: dict[str, Any] = {"due_at": NOW, "terms": NotificationRule(style=DeliveryStyle.DAILY)}
    waiting = [
        make_notification(1, **daily),
        make_notification(1, subscription_id=2, **daily),
        make_notification(2, subscription_id=2, **daily),
        make_notification(
            3, subscription_id=3, due_at=NOW, terms=NotificationRule(style=DeliveryStyle.WEEKLY)
        ),
    ]
    planned = plan(waiting, plan_context())
    assert planned.notifications == waiting[:3]
    message = render(
        planned.subject.kind, planned.notifications, now=NOW, flood_limit=60, presentation_of=presentation_of
    )
    assert message.text.startswith("Daily summary: 2 builds")
    assert message.text.count("#1 passed") == 1
    many = [make_notification(number, subscription_id=sub, **daily) for number in range(30) for sub in (1, 2)]
    carried = plan(many, plan_context()).notifications
    assert len({notification.build.slug for notification in carried}) == DIGEST_SIZE
    assert len(carried) == 2 * DIGEST_SIZE
