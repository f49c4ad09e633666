"""The simulators' clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sandbox.clock import Clock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_paused_clock_stands_still_and_goes_on_from_there() -> None:
    real_time = NOON
    clock = Clock(lambda: real_time)
    with clock.paused():
        real_time += timedelta(minutes=5)
        assert clock() == NOON
        clock.skip(timedelta(hours=1))
    assert clock() == NOON + timedelta(hours=1)
    real_time += timedelta(minutes=1)
    assert clock() == NOON + timedelta(hours=1, minutes=1)
