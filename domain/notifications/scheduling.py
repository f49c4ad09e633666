"""When something is told that is not told at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.notifications.rule import DeliveryStyle, NotificationRule


def delivery_time(terms: NotificationRule, now: datetime) -> datetime | None:
    """When what happens now is to be told: at the next digest, after the quiet hours, or at once (None)."""
    local = now.astimezone(ZoneInfo(terms.zone))
    if terms.style is DeliveryStyle.DAILY:
        return _next(local, terms)
    if terms.style is DeliveryStyle.WEEKLY:
        at = _next(local, terms)
        while at.astimezone(local.tzinfo).weekday() != terms.on:
            at = _next(at.astimezone(local.tzinfo), terms)
        return at
    return _quiet_until(terms, local)


def _next(after: datetime, terms: NotificationRule) -> datetime:
    """The next time of day `terms.at` after the moment."""
    day = after.replace(hour=terms.at.hour, minute=terms.at.minute, second=0, microsecond=0)
    if day <= after:
        # A day of the calendar, not of 24 hours: over a change of summer time the hour stays what people read.
        day = day + timedelta(days=1)
    return day.astimezone(ZoneInfo("UTC"))


def _quiet_until(terms: NotificationRule, local: datetime) -> datetime | None:
    quiet, clock = terms.quiet, local.time().replace(microsecond=0)
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
