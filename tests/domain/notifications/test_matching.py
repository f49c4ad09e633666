"""Matching of changes to subscriptions: to one app, and to all apps that a user can see."""

from __future__ import annotations

from itertools import product
from random import Random

from domain.build import App, BuildChange, BuildState
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule, Result
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
