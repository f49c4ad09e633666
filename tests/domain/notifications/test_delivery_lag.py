"""How long a notification took until Slack accepted it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.notification import DeliveredNotification
from providers.bitrise.provider import BITRISE
from tests.support.factories import NOON


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("delivered", "seconds"),
    [
        # Until the poll it was unknown, but whoever waits for the build does not care why.
        (DeliveredNotification(provider=BITRISE, created_at=after(20), ended_at=NOON), 25),
        (DeliveredNotification(provider=BITRISE, created_at=after(20)), 5),
        # Quiet hours are no delay, and what comes after them is.
        (DeliveredNotification(provider=BITRISE, created_at=NOON, due_at=after(24), ended_at=NOON), 1),
        (DeliveredNotification(provider=BITRISE, created_at=NOON, due_at=after(24)), 1),
        # A build that ended after its time was up: an end has no due time before itself.
        (DeliveredNotification(provider=BITRISE, created_at=NOON, due_at=NOON, ended_at=after(10)), 15),
        (DeliveredNotification(provider=BITRISE, created_at=NOON, was_held=True), None),
        # A clock that was set back.
        (DeliveredNotification(provider=BITRISE, created_at=after(60)), 0),
    ],
)
def test_the_lag_counts_from_the_end_or_from_when_it_was_due(
    delivered: DeliveredNotification, seconds: float | None
) -> None:
    lag = delivered.lag(after(25), after(25))
    assert (None if lag is None else lag.total_seconds()) == seconds


def test_the_end_is_compared_with_the_providers_clock() -> None:
    delivered = DeliveredNotification(provider=BITRISE, created_at=NOON, ended_at=after(3600))
    assert delivered.lag(after(2), after(3602)) == timedelta(seconds=2)
