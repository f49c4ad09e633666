"""Whom a change concerns, with subscriptions to one app and to all that somebody sees."""

from __future__ import annotations

from itertools import product
from random import Random

from domain.build import App, BuildChange, BuildState
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule, Result
from domain.provider import Provider
from domain.subscription import Scope, Subscription
from tests.support.factories import ANDROID, IOS, NOON, make_build

OTHER = App(slug="0123456789abcdef", title="Other")
EVERY_END, FAILURES = NotificationRule(), NotificationRule(results=frozenset({Result.FAILED}))


def subscribed(
    number: int, app: App | None, terms: NotificationRule, sees: frozenset[str] | None = None
) -> Subscription:
    return Subscription(
        id=number,
        team="T1",
        channel=f"C{number}",
        provider=Provider.BITRISE,
        app=app,
        terms=terms,
        created_by="U",
        created_at=NOON,
        scope=Scope(apps=sees),
    )


def test_each_change_is_owed_to_those_who_cover_its_app_and_ask_for_it_in_its_order() -> None:
    kinds = [
        (ANDROID, None),
        (IOS, None),
        (None, None),
        (None, frozenset({IOS.slug})),
        (None, frozenset[str]()),
    ]
    subscriptions = [
        subscribed(number, app, terms, sees)
        for number, ((app, sees), terms) in enumerate(product(kinds, (EVERY_END, FAILURES)))
    ]
    drawn = Random(1)
    changes = [
        BuildChange(build=make_build(number, state, app=app), was=None)
        for number, (app, state) in enumerate(
            product((ANDROID, IOS, OTHER), (BuildState.SUCCEEDED, BuildState.FAILED))
        )
    ]
    drawn.shuffle(changes)
    assert [
        (one.build_slug, one.subscription_id) for one in match_changes(changes, {}, subscriptions, {}, NOON)
    ] == [
        (change.build.slug, subscription.id)
        for change in changes
        for subscription in subscriptions
        if subscription.covers(change.build.app_slug)
        and (subscription.terms is EVERY_END or change.build.state is BuildState.FAILED)
    ]
