"""The schedule of a background job's keys."""

from __future__ import annotations

from datetime import UTC, datetime

from services.jobs.schedule import Schedule

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_pause_that_is_over_while_its_key_is_being_run_is_not_waited_for() -> None:
    schedule = Schedule()
    schedule.begin("a")
    schedule.wake_after("a", 10.0)
    assert schedule.seconds_left(NOON, 4.0) == 6.0
    assert list(schedule.due(NOON, 11.0)) == ["a"]
    # The loop waits for the end of the run, and does not look again and again.
    assert schedule.seconds_left(NOON, 11.0) is None
    assert list(schedule.due(NOON, 12.0)) == ["a"]
    schedule.begin("a")
    assert list(schedule.due(NOON, 13.0)) == []
