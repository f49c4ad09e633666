"""Delivery times of notifications: digests and quiet hours. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.notifications.rule import DeliveryStyle, NotificationRule


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
