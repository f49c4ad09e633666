"""Matching of changes to subscriptions: to one app, and to all apps that a user can see."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from random import Random

from domain.build import App, BuildChange, BuildState
from domain.notifications.matching import DurationLimits, find_overdue, match_changes
from domain.notifications.rule import BuildEvent, NotificationRule, Result
from domain.subscription import Scope, Subscription
from providers.bitrise.provider import BITRISE
from tests.support.factories import ANDROID, IOS, NOON, make_build

OTHER = App(provider=BITRISE, slug="0123456789abcdef", title="Other")
EVERY_END, FAILURES = NotificationRule(), NotificationRule(results=frozenset({Result.FAILED}))


def make_subscription(
    number: int, app: App | None, terms: NotificationRule, visible_apps: frozenset[str] | None = None
) -> Subscription:
    return Subscription(
        id=number,
        team="T1",
        channel=f"C{number}",
        provider=BITRISE,
        app=app,
        terms=terms,
        created_by="U",
        created_at=NOON,
        scope=Scope(apps=visible_apps),
    )


def test_each_change_is_queued_in_order_for_the_subscriptions_that_cover_and_want_it() -> None:
    targets = [
        (ANDROID, None),
        (IOS, None),
        (None, None),
        (None, frozenset({IOS.slug})),
        (None, frozenset[str]()),
    ]
    subscriptions = [
        make_subscription(number, app, terms, visible_apps)
        for number, ((app, visible_apps), terms) in enumerate(product(targets, (EVERY_END, FAILURES)))
    ]
    generator = Random(1)
    changes = [
        BuildChange(build=make_build(number, state, app=app), was=None)
        for number, (app, state) in enumerate(
            product((ANDROID, IOS, OTHER), (BuildState.SUCCEEDED, BuildState.FAILED))
        )
    ]
    generator.shuffle(changes)
    assert [
        (notification.build_slug, notification.subscription_id)
        for notification in match_changes(changes, {}, subscriptions, {}, NOON)
    ] == [
        (change.build.slug, subscription.id)
        for change in changes
        for subscription in subscriptions
        if subscription.covers(change.build.app_slug)
        and (subscription.terms is EVERY_END or change.build.state is BuildState.FAILED)
    ]


def test_a_limit_is_exceeded_by_what_takes_longer_in_an_app_that_the_subscription_covers() -> None:
    limits = [timedelta(minutes=minutes) for minutes in (30, 10, 20)]
    targets = [(ANDROID, None), (None, None), (None, frozenset({IOS.slug}))]
    subscriptions = [
        make_subscription(number, app, rule, visible_apps)
        for number, ((app, visible_apps), rule) in enumerate(
            [
                *product(targets, [NotificationRule(running_over=limit) for limit in limits]),
                *product(targets, [NotificationRule(on_hold_over=limit) for limit in limits]),
            ]
        )
    ]
    running, waiting, done = (
        make_build(number, state, triggered_at=NOON - timedelta(minutes=20, seconds=1), started_at=None)
        for number, state in enumerate((BuildState.RUNNING, BuildState.ON_HOLD, BuildState.SUCCEEDED))
    )
    started_later = make_build(9, BuildState.RUNNING, app=IOS, started_at=NOON - timedelta(minutes=10))
    exceeded = DurationLimits(subscriptions).exceeded([running, waiting, done, started_later], NOON)
    assert [(one.build, one.event, one.subscription.id) for one in exceeded] == [
        *((running, BuildEvent.RUNNING_TOO_LONG, number) for number in (1, 2, 4, 5)),
        *((waiting, BuildEvent.ON_HOLD_TOO_LONG, number) for number in (10, 11, 13, 14)),
    ]
    assert [notification.subscription_id for notification in find_overdue(exceeded, {}, NOON)] == [
        one.subscription.id for one in exceeded
    ]
