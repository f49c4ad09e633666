"""Matching of build changes to subscriptions, and when the notifications are delivered. Pure; no I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.build import Build, BuildChange, BuildState
from domain.build_author import NameDirectory
from domain.build_filter import NOBODY
from domain.failure_streak import StreakState
from domain.notification import NewNotification
from domain.notifications.evaluation import evaluate
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule
from domain.subscription import Subscription


def delivery_time(rule: NotificationRule, now: datetime) -> datetime | None:
    """Return when to notify of an event now: at the next digest, after the quiet hours, or at once (None)."""
    local = now.astimezone(ZoneInfo(rule.zone))
    if rule.style is DeliveryStyle.DAILY:
        return _next_digest(local, rule)
    if rule.style is DeliveryStyle.WEEKLY:
        at = _next_digest(local, rule)
        while at.astimezone(local.tzinfo).weekday() != rule.on:
            at = _next_digest(at.astimezone(local.tzinfo), rule)
        return at
    return _end_of_quiet_hours(rule, local)


def _next_digest(after: datetime, rule: NotificationRule) -> datetime:
    """Return the next time after `after` at which the clock shows `rule.at`."""
    day = after.replace(hour=rule.at.hour, minute=rule.at.minute, second=0, microsecond=0)
    if day <= after:
        # A calendar day, not 24 hours: when summer time begins or ends, the time on the clock stays the same.
        day = day + timedelta(days=1)
    return day.astimezone(ZoneInfo("UTC"))


def _end_of_quiet_hours(rule: NotificationRule, local: datetime) -> datetime | None:
    quiet, clock = rule.quiet, local.time().replace(microsecond=0)
    if quiet is None or quiet.start == quiet.end:
        return None
    over_midnight = quiet.end < quiet.start
    inside = clock >= quiet.start or clock < quiet.end if over_midnight else quiet.start <= clock < quiet.end
    if not inside:
        return None
    end = local.replace(hour=quiet.end.hour, minute=quiet.end.minute, second=0, microsecond=0)
    if end <= local:
        end += timedelta(days=1)
    return end.astimezone(ZoneInfo("UTC"))


# Successes in a pipeline are notified after this time, even if the pipeline still runs or its end is never seen.
LONGEST_HOLD = timedelta(days=1)


def match_changes(
    changes: Sequence[BuildChange],
    streak_states: Mapping[str, StreakState],
    subscriptions: Sequence[Subscription],
    names: Mapping[str, NameDirectory],
    now: datetime,
) -> list[NewNotification]:
    """Return the notifications that the changes require, in the order of the changes.

    `streak_states` holds the streak positions of ended builds, by slug; `names` the name directory of each workspace.
    """
    subscriptions_by_app = _group_by_app({change.build.app_slug for change in changes}, subscriptions)
    return [
        _new_notification(subscription, change.build, event, now)
        for change in changes
        if (event := event_of_change(change)) is not None
        for subscription in subscriptions_by_app[change.build.app_slug]
        if evaluate(
            subscription.terms,
            event,
            change.build,
            streak_states.get(change.build.slug),
            names.get(subscription.team, NOBODY),
        ).should_notify
    ]


@dataclass(frozen=True)
class ExceededLimit:
    """A build that has been on hold or running for longer than a subscription allows."""

    subscription: Subscription
    build: Build
    event: BuildEvent


class DurationLimits:
    """The time limits of subscriptions, sorted, so that only those that a build exceeds cost anything."""

    def __init__(self, subscriptions: Sequence[Subscription] = ()) -> None:
        self._subscriptions = subscriptions
        self._by_app: dict[tuple[str, BuildEvent], list[tuple[timedelta, int, Subscription]]] = {}

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    def exceeded(self, builds: Iterable[Build], now: datetime) -> list[ExceededLimit]:
        """Return the limits that the builds have exceeded by now; the order is that of the builds and subscriptions."""
        found = []
        for build in builds:
            for event, since in _waits(build):
                limits = self._limits(build.app_slug, event)
                lower = limits[: bisect_left(limits, (now - since,))]
                ordered = sorted((number, subscription) for _, number, subscription in lower)
                found += [ExceededLimit(subscription, build, event) for _, subscription in ordered]
        return found

    def _limits(self, app_slug: str, event: BuildEvent) -> list[tuple[timedelta, int, Subscription]]:
        """Return the limits for an app, lowest first, with the position of each subscription, which is unique."""
        key = (app_slug, event)
        if key not in self._by_app:
            self._by_app[key] = sorted(
                (limit, number, subscription)
                for number, subscription in enumerate(self._subscriptions)
                if subscription.covers(app_slug) and (limit := _limit(subscription.terms, event)) is not None
            )
        return self._by_app[key]


def find_overdue(
    exceeded: Sequence[ExceededLimit], names: Mapping[str, NameDirectory], now: datetime
) -> list[NewNotification]:
    """Return the notifications for builds that have been on hold or running for too long."""
    return [
        _new_notification(one.subscription, one.build, one.event, now)
        for one in exceeded
        if evaluate(
            one.subscription.terms, one.event, one.build, None, names.get(one.subscription.team, NOBODY)
        ).should_notify
    ]


def event_of_change(change: BuildChange) -> BuildEvent | None:
    """Return the event of the change; None if no rule can ask for it."""
    build = change.build
    if build.ended:
        return BuildEvent.ENDED
    if change.was is None:
        return BuildEvent.STARTED
    return BuildEvent.PROGRESSED if build.state is BuildState.RUNNING else None


def _waits(build: Build) -> list[tuple[BuildEvent, datetime]]:
    """Return what a build does that can take too long, and since when."""
    event, since = {
        BuildState.ON_HOLD: (BuildEvent.ON_HOLD_TOO_LONG, build.triggered_at),
        BuildState.RUNNING: (BuildEvent.RUNNING_TOO_LONG, build.started_at or build.triggered_at),
    }.get(build.state, (None, None))
    return [(event, since)] if event is not None and since is not None else []


def _limit(rule: NotificationRule, event: BuildEvent) -> timedelta | None:
    return rule.on_hold_over if event is BuildEvent.ON_HOLD_TOO_LONG else rule.running_over


def _group_by_app(
    apps: Iterable[str], subscriptions: Sequence[Subscription]
) -> dict[str, list[Subscription]]:
    """Return the subscriptions that cover each app, in the same order."""
    subscriptions_by_app: dict[str, list[Subscription]] = {slug: [] for slug in apps}
    for subscription in subscriptions:
        # A subscription to a single app is not compared with all the others.
        own = (subscription.app.slug,) if subscription.app is not None else subscriptions_by_app
        for slug in own:
            if slug in subscriptions_by_app and subscription.covers(slug):
                subscriptions_by_app[slug].append(subscription)
    return subscriptions_by_app


def _new_notification(
    subscription: Subscription, build: Build, event: BuildEvent, now: datetime
) -> NewNotification:
    return NewNotification(
        subscription_id=subscription.id,
        team=subscription.team,
        channel=subscription.channel,
        provider=build.provider,
        build_slug=build.slug,
        event=event,
        **_due_fields(subscription.terms, build, event, now),
    )


def _due_fields(rule: NotificationRule, build: Build, event: BuildEvent, now: datetime) -> dict[str, Any]:
    """Return when it is due: a success in a pipeline waits for the pipeline's end, which is one message for all."""
    due, pipeline = delivery_time(rule, now), build.pipeline
    waits = (
        due is None
        and pipeline is not None
        and not pipeline.ended
        and event is BuildEvent.ENDED
        and build.state is BuildState.SUCCEEDED
        and rule.style in (DeliveryStyle.EACH, DeliveryStyle.THREAD)
        and not rule.filter.builds
    )
    if pipeline is None or not waits:
        return {"due_at": due}
    return {"due_at": now + LONGEST_HOLD, "held_for": f"{pipeline.id} {pipeline.attempt}"}
