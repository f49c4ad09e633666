"""Failure streaks: the position of a result after the ones before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import BuildState
from domain.failure_streak import Streak, StreakPosition, StreakState, advance
from tests.support.factories import make_build

S, F, A = BuildState.SUCCEEDED, BuildState.FAILED, BuildState.ABORTED


def positions_of(*states: BuildState, numbers: list[int] | None = None) -> list[str]:
    return [state.position.value for state in streak_states_of(*states, numbers=numbers)]


def streak_states_of(*states: BuildState, numbers: list[int] | None = None) -> list[StreakState]:
    streak, found = Streak(), []
    for number, state in zip(numbers or range(1, len(states) + 1), states, strict=True):
        streak, streak_state = advance(streak, make_build(number, state))
        found.append(streak_state)
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
def test_the_position_of_a_result_depends_on_the_ones_before_it(
    states: list[BuildState], expected: list[str]
) -> None:
    assert positions_of(*states) == expected


def test_a_slow_build_that_a_newer_one_overtook_changes_nothing() -> None:
    assert positions_of(S, S, F, numbers=[1, 3, 2]) == ["still-passing", "still-passing", "overtaken"]


def test_a_streak_knows_its_first_failure_and_the_success_before_it() -> None:
    _, _, third, fourth = streak_states_of(S, F, F, S)
    assert (third.green and third.green.number, third.red and third.red.number, third.failures) == (1, 2, 2)
    assert (fourth.green and fourth.green.number, fourth.red and fourth.red.number, fourth.failures) == (
        1,
        2,
        2,
    )


@given(st.lists(st.sampled_from([S, F, A, BuildState.ABORTED_WITH_SUCCESS, BuildState.UNKNOWN])))
def test_breaks_and_fixes_always_alternate(states: list[BuildState]) -> None:
    changes = [
        position
        for position in positions_of(*states)
        if position in (StreakPosition.BROKEN, StreakPosition.FIXED)
    ]
    assert changes == ["broken", "fixed"] * (len(changes) // 2) + ["broken"] * (len(changes) % 2)
