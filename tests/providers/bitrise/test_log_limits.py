"""Limits on logs processed at once: for one user, in one workspace, and in total."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from providers.bitrise.state import LogLimit, TooManyLogs, log_file_limit, log_read_limit


def test_logs_are_limited_per_person_per_workspace_and_in_total() -> None:
    limit = LogLimit("reading", per_person=2, per_workspace=3, total=4)
    with ExitStack() as reservations:
        for person in ("ANNA", "ANNA", "BEN"):
            reservations.enter_context(limit.reserve("T1", person))
        with pytest.raises(TooManyLogs, match="still reading 2 logs for you"), limit.reserve("T1", "ANNA"):
            pass
        with pytest.raises(TooManyLogs, match="3 logs for this workspace"), limit.reserve("T1", "CARLA"):
            pass
        reservations.enter_context(limit.reserve("T2", "ANNA"))
        with pytest.raises(TooManyLogs, match="as many logs as it can"), limit.reserve("T3", "DORA"):
            pass
    with limit.reserve("T1", "ANNA"), limit.reserve("T1", "ANNA"):
        pass


def test_a_reservation_is_released_after_an_error() -> None:
    limit = log_file_limit()
    for _ in range(20):
        with pytest.raises(ValueError, match="broken"), limit.reserve("T1", "ANNA"):
            raise ValueError("broken")
    with (
        limit.reserve("T1", "ANNA"),
        pytest.raises(TooManyLogs, match="still preparing a log for you"),
        limit.reserve("T1", "ANNA"),
    ):
        pass


def test_one_person_cannot_use_the_whole_limit() -> None:
    for limit in (log_file_limit(), log_read_limit()):
        assert limit.per_person < limit.per_workspace < limit.total
