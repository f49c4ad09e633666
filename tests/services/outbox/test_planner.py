"""Which message comes next in a channel."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from domain.build import App, State
from domain.failure_streak import Mark, Position, Standing
from domain.notifications.rule import Style, Terms
from services.outbox.message_key import Kind, build_run
from services.outbox.planner import DIGEST_SIZE, Facts, plan
from services.outbox.rate_limits import Limits
from services.outbox.renderer import render
from storage.outbox import Notification, Status
from storage.slack_messages import MessageStatus, SlackMessage
from tests.support.factories import ANDROID, NOON, a_build

NUMBERS = itertools.count(1)
NOW = NOON + timedelta(minutes=30)


def owed(
    number: int, state: State = State.SUCCEEDED, *, app: App = ANDROID, style: Style = Style.EACH, **more: Any
) -> Notification:
    build = a_build(number, state, app=app, finished_at=NOW - timedelta(minutes=1) if state.ended else None)
    fields: dict[str, Any] = {
        "id": next(NUMBERS),
        "subscription_id": 1,
        "team": "T1",
        "channel": "C1",
        "event": "ended" if state.ended else "started",
        "build": build,
        "app": app,
        "created_at": NOW,
        "status": Status.OWED,
        "terms": Terms(style=style),
    }
    return Notification(**(fields | more))


def there(subject: str, *, sent_at: datetime = NOW, **more: Any) -> SlackMessage:
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


def facts(*messages: SlackMessage, **more: Any) -> Facts:
    fields: dict[str, Any] = {"now": NOW, "limits": Limits()} | more
    return Facts(there={one.subject: one for one in messages}, **fields)


def app(number: int) -> App:
    return App(slug=f"app{number}", title=f"App {number}")


def test_builds_are_told_one_by_one_while_they_are_few() -> None:
    planned = plan([owed(1), owed(2)], facts())
    assert (planned.subject.kind, [one.build.number for one in planned.carried]) == (Kind.BUILD, [1])


def test_a_backlog_is_one_message_and_goes_on_in_its_thread() -> None:
    many = [owed(number) for number in range(1, 45)]
    first = plan(many, facts())
    assert (first.subject.kind, len(first.carried), first.thread) == (Kind.BACKLOG, DIGEST_SIZE, None)
    begun = there("backlog")
    assert plan(many[DIGEST_SIZE:], facts(begun)).thread == begun
    assert plan(many[-2:], facts(begun)).thread == begun
    earlier = facts(there("backlog", sent_at=NOW - timedelta(minutes=1)))
    assert plan(many[-2:], earlier).subject.kind is Kind.BUILD
    assert plan(many[DIGEST_SIZE:], earlier).thread is None


def test_a_backlog_that_goes_on_stops_at_what_is_younger_but_leaves_no_moment_of_a_build_behind() -> None:
    begun = there("backlog", sent_at=NOW)
    later = NOW + timedelta(seconds=1)
    waited, young, also_waited = owed(1), owed(2, created_at=later), owed(3)
    end = owed(1, created_at=later)
    assert plan([waited, end, young, also_waited], facts(begun)).carried == [waited, end]


def test_all_moments_of_a_build_go_together() -> None:
    both = [owed(1, State.RUNNING), owed(1, State.FAILED)]
    assert plan(both, facts()).carried == both


def test_many_apps_that_fail_within_minutes_are_one_message() -> None:
    failures = [owed(number, State.FAILED, app=app(number)) for number in range(5)]
    assert plan(failures[:4], facts()).subject.kind is Kind.BUILD
    together = plan(failures, facts())
    assert (together.subject.kind, len(together.carried)) == (Kind.OUTAGE, 5)
    fifth = plan(failures[4:], facts(failing=frozenset(f"app{number}" for number in range(4))))
    assert fifth.subject.kind is Kind.OUTAGE
    card = there("outage")
    more = plan([owed(9, State.FAILED, app=app(9))], facts(card, carrying={card.parcel: 5}))
    assert more.into == card


def test_an_outage_takes_in_no_failure_before_a_success_that_ended_earlier() -> None:
    first, second = (
        [owed(number, State.FAILED, app=app(number)) for number in some] for some in ((0, 1, 2), (3, 4))
    )
    success = owed(9)
    assert plan([*first, success, *second], facts()).carried == first


def test_failures_of_one_app_are_no_outage() -> None:
    assert plan([owed(number, State.FAILED) for number in range(8)], facts()).subject.kind is Kind.BUILD


def test_a_flood_is_gathered_in_a_message_that_grows_until_it_is_full() -> None:
    flooded = facts(posted=60)
    assert plan([owed(1)], flooded).subject.kind is Kind.FLOOD
    rolling = there("flood")
    assert plan([owed(1)], facts(rolling, posted=60, carrying={rolling.parcel: 3})).into == rolling
    assert plan([owed(1)], facts(rolling, posted=60, carrying={rolling.parcel: DIGEST_SIZE})).into is None
    old = there("flood", sent_at=NOW - timedelta(hours=2))
    assert plan([owed(1)], facts(old, posted=60, carrying={old.parcel: 3})).into is None


def test_a_flood_of_live_messages_is_gathered_too_but_those_that_are_there_go_on() -> None:
    starts = [owed(number, State.RUNNING, style=Style.LIVE) for number in (1, 2)]
    assert plan(starts, facts(posted=60)).subject.kind is Kind.FLOOD
    live = there("live 1 " + a_build(1).slug)
    assert plan([owed(1, style=Style.LIVE)], facts(live, posted=60)).into == live


def test_a_live_message_is_changed_and_never_gathered_with_others() -> None:
    live = there("live 1 " + a_build(1).slug)
    ended = owed(1, style=Style.LIVE)
    assert plan([ended], facts(live)).into == live
    crowd = [ended, *(owed(number) for number in range(2, 20))]
    assert plan(crowd, facts(live)).into == live
    assert ended not in plan([*crowd[1:], ended], facts(live)).carried


def test_the_message_of_a_run_is_edited_before_anything_is_posted_below_it() -> None:
    run = there(str(build_run(a_build(1).slug)))
    followed = owed(1, State.FAILED, subscription_id=9, terms=Terms(style=Style.LIVE, once=True, run=True))
    live = owed(1, State.FAILED, subscription_id=3, style=Style.LIVE)
    each = [owed(1, State.FAILED, subscription_id=number) for number in (1, 2)]
    gathered = owed(5, State.FAILED, subscription_id=4, due_at=NOW)
    first = plan([gathered, *each, live, followed], facts(run))
    assert (first.into, first.carried) == (run, [live, followed])
    below = plan(each, facts(run))
    assert (below.thread, below.broadcast, below.carried) == (run, True, each[:1])


def test_a_broken_series_is_one_card() -> None:
    red = Mark(slug="b1", url="https://x")
    broken = owed(1, State.FAILED, style=Style.CARD, standing=Standing(position=Position.BROKEN, red=red))
    worse = owed(
        2, State.FAILED, style=Style.CARD, standing=Standing(position=Position.STILL_FAILING, red=red)
    )
    fixed = owed(3, style=Style.CARD, standing=Standing(position=Position.FIXED, red=red))
    assert plan([broken, worse, fixed], facts()).carried == [broken, worse, fixed]
    card = there("card 1 b1")
    assert plan([worse], facts(card)).into == card
    snoozed = there("card 1 b1", note='{"snoozed_until": "2026-11-21T20:00:00Z"}')
    assert plan([worse], facts(snoozed)).until is not None
    assert plan([fixed], facts(snoozed)).into == snoozed


def test_a_thread_has_a_head_which_is_looked_after_before_a_reply() -> None:
    reply = owed(1, style=Style.THREAD)
    head = plan([reply], facts())
    assert (head.subject.kind, head.carried, head.about) == (Kind.THREAD, (), reply)
    subject = str(head.subject)
    assert plan([reply], facts(there(subject))).into is not None
    fresh = there(subject, note=f'{{"shown_at": "{NOW.isoformat()}"}}')
    planned = plan([reply], facts(fresh))
    assert (planned.subject.kind, planned.thread, planned.carried) == (Kind.REPLY, fresh, [reply])


def test_what_waited_for_its_time_comes_in_one_message() -> None:
    waited = [owed(number, style=Style.DAILY, due_at=NOW) for number in (1, 2)]
    planned = plan([*waited, owed(3)], facts())
    assert (planned.subject.kind, planned.carried) == (Kind.GATHERED, waited)


def test_the_digests_of_a_channel_are_one_message_with_each_build_in_it_once() -> None:
    daily: dict[str, Any] = {"due_at": NOW, "terms": Terms(style=Style.DAILY)}
    waiting = [
        owed(1, **daily),
        owed(1, subscription_id=2, **daily),
        owed(2, subscription_id=2, **daily),
        owed(3, subscription_id=3, due_at=NOW, terms=Terms(style=Style.WEEKLY)),
    ]
    planned = plan(waiting, facts())
    assert planned.carried == waiting[:3]
    message = render(planned.subject.kind, planned.carried, now=NOW, flood_limit=60)
    assert message.text.startswith("The day's builds: 2 builds")
    assert message.text.count("#1 succeeded") == 1
    many = [owed(number, subscription_id=sub, **daily) for number in range(30) for sub in (1, 2)]
    carried = plan(many, facts()).carried
    assert len({one.build.slug for one in carried}) == DIGEST_SIZE
    assert len(carried) == 2 * DIGEST_SIZE
