"""Evaluation of a notification rule for an event of a build. Pure; no I/O."""

from __future__ import annotations

from domain.build import Build, BuildState, FrozenModel
from domain.build_author import NameDirectory
from domain.build_filter import NOBODY, GlobPatterns, describe_state
from domain.failure_streak import StreakPosition, StreakState
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule, Result

_CARD_POSITIONS = frozenset({StreakPosition.BROKEN, StreakPosition.STILL_FAILING, StreakPosition.FIXED})
_BY_STATE = {
    BuildState.SUCCEEDED: Result.SUCCEEDED,
    BuildState.FAILED: Result.FAILED,
    BuildState.ABORTED: Result.ABORTED,
    BuildState.ABORTED_WITH_SUCCESS: Result.ABORTED_WITH_SUCCESS,
}
_BY_POSITION = {
    StreakPosition.BROKEN: Result.BROKEN,
    StreakPosition.STILL_FAILING: Result.STILL_FAILING,
    StreakPosition.FIXED: Result.FIXED,
}
_FAILURES = frozenset({Result.FAILED, Result.BROKEN, Result.STILL_FAILING})
_REASONS = {
    StreakPosition.BROKEN: "first failure",
    StreakPosition.STILL_FAILING: "repeated failure",
    StreakPosition.FIXED: "fix",
    StreakPosition.STILL_PASSING: "passed, and so did the previous one",
    StreakPosition.NOT_COUNTED: "aborted builds don't count in a failure streak",
    StreakPosition.OVERTAKEN: "a newer build finished first",
}


class Evaluation(FrozenModel):
    """The result of an evaluation; `why` follows the words "Posted:" or "Not posted:"."""

    should_notify: bool
    why: str


def evaluate(
    rule: NotificationRule,
    event: BuildEvent,
    build: Build,
    streak_state: StreakState | None,
    names: NameDirectory = NOBODY,
) -> Evaluation:
    """Return whether the rule asks for this event of the build.

    `streak_state` is the build's position in its streak, None if it has not ended. A filter on what is known only at
    the end (the kind of an abort) does not apply to a start, nor to the end in a message that is edited from the start.
    """
    started = not build.ended or rule.style is DeliveryStyle.LIVE
    build_filter = rule.filter.model_copy(update={"aborted": GlobPatterns()}) if started else rule.filter
    if (mismatch := build_filter.mismatch(build, names)) is not None:
        return Evaluation(should_notify=False, why=mismatch)
    if event is BuildEvent.ENDED:
        return _evaluate_end(rule, build, streak_state)
    requested = {
        BuildEvent.STARTED: rule.started or rule.style is DeliveryStyle.LIVE,
        BuildEvent.PROGRESSED: rule.style is DeliveryStyle.LIVE,
        BuildEvent.ON_HOLD_TOO_LONG: rule.on_hold_over is not None,
        BuildEvent.RUNNING_TOO_LONG: rule.running_over is not None,
    }[event]
    return Evaluation(
        should_notify=requested, why="this event is selected" if requested else "this event isn't selected"
    )


def _evaluate_end(rule: NotificationRule, build: Build, streak_state: StreakState | None) -> Evaluation:
    position = streak_state.position if streak_state else StreakPosition.NOT_COUNTED
    if rule.style is DeliveryStyle.CARD:
        return Evaluation(should_notify=position in _CARD_POSITIONS, why=_REASONS[position])
    if not rule.results:
        return Evaluation(should_notify=True, why="every result is selected")
    found = {_BY_STATE.get(build.state), _BY_POSITION.get(position)} - {None}
    if build.state is BuildState.UNKNOWN and rule.results & _FAILURES:
        # It may be a new kind of failure: who waits for failures should rather get one notification too many.
        return Evaluation(should_notify=True, why="unknown result, which may be a failure")
    if met := sorted(str(result) for result in found & rule.results if result):
        return Evaluation(should_notify=True, why=f"result is {' and '.join(met)}")
    if rule.results <= set(_BY_POSITION.values()):
        return Evaluation(should_notify=False, why=_REASONS[position])
    return Evaluation(should_notify=False, why=describe_state(build.state))
