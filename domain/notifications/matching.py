"""Whom a change concerns. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.build import Build, BuildChange, BuildState
from domain.build_author import NameDirectory
from domain.build_filter import NOBODY
from domain.failure_streak import StreakState
from domain.notification import NewNotification
from domain.notifications.evaluation import evaluate
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule
from domain.notifications.scheduling import delivery_time
from domain.subscription import Subscription

# However long a pipeline runs, or if its end is never seen: what went well in it is told by then.
LONGEST_HOLD = timedelta(days=1)


def match_changes(
    changes: Sequence[BuildChange],
    standings: Mapping[str, StreakState],
    subscriptions: Sequence[Subscription],
    names: Mapping[str, NameDirectory],
    now: datetime,
) -> list[NewNotification]:
    """What the changes make owed to the subscriptions that want it, in the changes' order.

    `standings` holds the places in their series of those that ended, by slug; `names` what people are known by, for
    each workspace.
    """
    covering = _by_app({change.build.app_slug for change in changes}, subscriptions)
    return [
        _new_notification(subscription, change.build, happening, now)
        for change in changes
        if (happening := event_of_change(change)) is not None
        for subscription in covering[change.build.app_slug]
        if evaluate(
            subscription.terms,
            happening,
            change.build,
            standings.get(change.build.slug),
            names.get(subscription.team, NOBODY),
        ).should_notify
    ]


def find_overdue(
    builds: Sequence[Build],
    subscriptions: Sequence[Subscription],
    names: Mapping[str, NameDirectory],
    now: datetime,
) -> list[NewNotification]:
    """What it makes owed that builds have been on hold, or have run, for too long by now."""
    return [
        _new_notification(subscription, build, happening, now)
        for build in builds
        for subscription in subscriptions
        if subscription.covers(build.app_slug)
        and (happening := _too_long(build, subscription.terms, now)) is not None
        and evaluate(
            subscription.terms, happening, build, None, names.get(subscription.team, NOBODY)
        ).should_notify
    ]


def event_of_change(change: BuildChange) -> BuildEvent | None:
    """What the change is to those who are told; None for one that nobody can ask for."""
    build = change.build
    if build.ended:
        return BuildEvent.ENDED
    if change.was is None:
        return BuildEvent.STARTED
    return BuildEvent.PROGRESSED if build.state is BuildState.RUNNING else None


def _too_long(build: Build, terms: NotificationRule, now: datetime) -> BuildEvent | None:
    if build.state is BuildState.ON_HOLD and _over(build.triggered_at, terms.on_hold_over, now):
        return BuildEvent.ON_HOLD_TOO_LONG
    if build.state is BuildState.RUNNING and _over(
        build.started_at or build.triggered_at, terms.running_over, now
    ):
        return BuildEvent.RUNNING_TOO_LONG
    return None


def _by_app(apps: Iterable[str], subscriptions: Sequence[Subscription]) -> dict[str, list[Subscription]]:
    """The subscriptions that are about each of the apps, in the same order."""
    covering: dict[str, list[Subscription]] = {slug: [] for slug in apps}
    for subscription in subscriptions:
        # One that is about a single app is never compared with all the others.
        own = (subscription.app.slug,) if subscription.app is not None else covering
        for slug in own:
            if slug in covering and subscription.covers(slug):
                covering[slug].append(subscription)
    return covering


def _over(since: datetime | None, most: timedelta | None, now: datetime) -> bool:
    return since is not None and most is not None and now - since > most


def _new_notification(
    subscription: Subscription, build: Build, happening: BuildEvent, now: datetime
) -> NewNotification:
    return NewNotification(
        subscription_id=subscription.id,
        team=subscription.team,
        channel=subscription.channel,
        provider=build.provider,
        build_slug=build.slug,
        event=happening,
        **_due_fields(subscription.terms, build, happening, now),
    )


def _due_fields(
    terms: NotificationRule, build: Build, happening: BuildEvent, now: datetime
) -> dict[str, Any]:
    """When it is due: what went well in a pipeline waits for the pipeline's end, which says it all at once."""
    due, pipeline = delivery_time(terms, now), build.pipeline
    waits = (
        due is None
        and pipeline is not None
        and not pipeline.ended
        and happening is BuildEvent.ENDED
        and build.state is BuildState.SUCCEEDED
        and terms.style in (DeliveryStyle.EACH, DeliveryStyle.THREAD)
        and not terms.filter.builds
    )
    if pipeline is None or not waits:
        return {"due_at": due}
    return {"due_at": now + LONGEST_HOLD, "held_for": f"{pipeline.id} {pipeline.attempt}"}
