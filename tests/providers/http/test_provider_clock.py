"""The clock that follows the Date headers of a provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from providers.http.transport import ProviderClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def date_header(ahead: timedelta) -> str:
    return format_datetime(NOON + ahead, usegmt=True)


@pytest.mark.parametrize(
    ("ahead", "is_followed"),
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
def test_a_different_clock_is_followed_and_an_absurd_one_is_ignored(
    ahead: timedelta, is_followed: bool
) -> None:
    clock = ProviderClock(lambda: NOON)
    clock.observe(date_header(ahead))
    assert clock() == NOON + (ahead if is_followed else timedelta(0))


@pytest.mark.parametrize(
    "date", [None, "", "soon", "Sat, 99 Nov 2026 12:00:00 GMT", "0", "Sat, 21 Nov 2026 12:00:00"]
)
def test_a_missing_or_invalid_date_header_changes_nothing(date: str | None) -> None:
    clock = ProviderClock(lambda: NOON)
    clock.observe(date_header(timedelta(minutes=10)))
    clock.observe(date)
    assert clock() == NOON + timedelta(minutes=10)
    clock.observe(date_header(timedelta(0)))
    assert clock() == NOON
