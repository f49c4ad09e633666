"""The time at a provider, as its answers tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from providers.http.provider_clock import ProviderClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def header(ahead: timedelta) -> str:
    return format_datetime(NOON + ahead, usegmt=True)


@pytest.mark.parametrize(
    ("ahead", "is_taken"),
    [
        (timedelta(0), False),
        (timedelta(seconds=4), False),
        (timedelta(seconds=-5), False),
        (timedelta(seconds=6), True),
        (timedelta(minutes=-10), True),
        (timedelta(days=30), True),
        (timedelta(days=31), False),
    ],
)
def test_a_clock_that_differs_is_followed_and_one_that_is_absurd_is_not(
    ahead: timedelta, is_taken: bool
) -> None:
    clock = ProviderClock(lambda: NOON)
    clock.observe(header(ahead))
    assert clock() == NOON + (ahead if is_taken else timedelta(0))


@pytest.mark.parametrize(
    "date", [None, "", "soon", "Sat, 99 Nov 2026 12:00:00 GMT", "0", "Sat, 21 Nov 2026 12:00:00"]
)
def test_a_header_that_says_nothing_changes_nothing(date: str | None) -> None:
    clock = ProviderClock(lambda: NOON)
    clock.observe(header(timedelta(minutes=10)))
    clock.observe(date)
    assert clock() == NOON + timedelta(minutes=10)
    clock.observe(header(timedelta(0)))
    assert clock() == NOON
