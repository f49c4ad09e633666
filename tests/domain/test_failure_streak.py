"""What a result means after the ones before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import BuildState
from domain.failure_streak import Streak, StreakPosition, StreakState, advance
from tests.support.factories import make_build

S, F, A = BuildState.SUCCEEDED, BuildState.FAILED, BuildState.ABORTED


def positions(*states: BuildState, numbers: list[int] | None = None) -> list[str]:
    return [one.position.value for one in standings(*states, numbers=numbers)]


def standings(*states: BuildState, numbers: list[int] | None = None) -> list[StreakState]:
    series, found = Streak(), []
    for number, state in zip(numbers or range(1, len(states) + 1), states, strict=True):
        series, standing = advance(series, make_build(number, state))
        found.append(standing)
    return found


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([S, A, S], ["still-passing", "not-counted", "still-passing"]),
        ([S, F, F, S, S], ["still-passing", "broken", "still-failing", "fixed", "still-passing"]),
        ([F, A, F], ["broken", "not-counted", "still-failing"]),
        ([F, A, S], ["broken", "not-counted", "fixed"]),
        ([S, BuildState.ABORTED_WITH_SUCCESS, F], ["still-passing", "not-counted", "broken"]),
    ],
)
def test_a_result_is_measured_by_the_one_before_it(states: list[BuildState], expected: list[str]) -> None:
    assert positions(*states) == expected


def test_a_slow_build_that_a_newer_one_overtook_announces_nothing() -> None:
    assert positions(S, S, F, numbers=[1, 3, 2]) == ["still-passing", "still-passing", "overtaken"]


def test_a_broken_series_knows_what_broke_it_and_what_was_green_before() -> None:
    _, _, third, fourth = standings(S, F, F, S)
    assert (third.green and third.green.number, third.red and third.red.number, third.failures) == (1, 2, 2)
    assert (fourth.green and fourth.green.number, fourth.red and fourth.red.number, fourth.failures) == (
        1,
        2,
        2,
    )


@given(st.lists(st.sampled_from([S, F, A, BuildState.ABORTED_WITH_SUCCESS, BuildState.UNKNOWN])))
def test_breaks_and_fixes_alternate_whatever_happens(states: list[BuildState]) -> None:
    turns = [one for one in positions(*states) if one in (StreakPosition.BROKEN, StreakPosition.FIXED)]
    assert turns == ["broken", "fixed"] * (len(turns) // 2) + ["broken"] * (len(turns) % 2)
