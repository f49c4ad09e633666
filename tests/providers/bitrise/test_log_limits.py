"""So many logs at once for one person, in one workspace and in all, and no more."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from providers.bitrise.logs.log_limits import LogLimit, TooManyLogs, read_logs, whole_logs


def test_each_person_each_workspace_and_all_together_have_so_many() -> None:
    limit = LogLimit("reading", each=2, in_workspace=3, in_all=4)
    with ExitStack() as places:
        for person in ("ANNA", "ANNA", "BEN"):
            places.enter_context(limit.place("T1", person))
        with pytest.raises(TooManyLogs, match="still reading 2 logs for you"), limit.place("T1", "ANNA"):
            pass
        with pytest.raises(TooManyLogs, match="people of this workspace"), limit.place("T1", "CARLA"):
            pass
        places.enter_context(limit.place("T2", "ANNA"))
        with pytest.raises(TooManyLogs, match="as many logs as I can"), limit.place("T3", "DORA"):
            pass
    with limit.place("T1", "ANNA"), limit.place("T1", "ANNA"):
        pass


def test_a_place_is_given_back_whatever_happens() -> None:
    limit = whole_logs()
    for _ in range(20):
        with pytest.raises(ValueError, match="broken"), limit.place("T1", "ANNA"):
            raise ValueError("broken")
    with (
        limit.place("T1", "ANNA"),
        pytest.raises(TooManyLogs, match="still preparing a log for you"),
        limit.place("T1", "ANNA"),
    ):
        pass


def test_one_person_has_never_all_places() -> None:
    for limit in (whole_logs(), read_logs()):
        assert limit.each < limit.in_workspace < limit.in_all
