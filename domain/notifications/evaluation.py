"""Evaluation of a notification rule for an event of a build. Pure; no I/O."""

from __future__ import annotations

from domain.build import Build, BuildState, FrozenModel
from domain.build_author import NameDirectory
from domain.build_filter import NOBODY, GlobPatterns
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
    StreakPosition.BROKEN: "it is the first failure of a series",
    StreakPosition.STILL_FAILING: "the series was failing before",
    StreakPosition.FIXED: "it fixed the series",
    StreakPosition.STILL_PASSING: "the build before it had passed too",
    StreakPosition.NOT_COUNTED: "aborted builds do not count in a series",
    StreakPosition.OVERTAKEN: "a newer build of the series had ended before it",
}


class Evaluation(FrozenModel):
    """The result of an evaluation; `why` follows the word "because"."""

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
        should_notify=requested, why="that is asked for" if requested else "that moment is not asked for"
    )


def _evaluate_end(rule: NotificationRule, build: Build, streak_state: StreakState | None) -> Evaluation:
    position = streak_state.position if streak_state else StreakPosition.NOT_COUNTED
    if rule.style is DeliveryStyle.CARD:
        return Evaluation(should_notify=position in _CARD_POSITIONS, why=_REASONS[position])
    if not rule.results:
        return Evaluation(should_notify=True, why="every end is asked for")
    found = {_BY_STATE.get(build.state), _BY_POSITION.get(position)} - {None}
    if build.state is BuildState.UNKNOWN and rule.results & _FAILURES:
        # It may be a new kind of failure: who waits for failures should rather get one notification too many.
        return Evaluation(
            should_notify=True, why="it ended in a way that has no name here, which may be a failure"
        )
    if met := sorted(str(result) for result in found & rule.results if result):
        return Evaluation(should_notify=True, why=f"{' and '.join(met)} is asked for")
    requested = " or ".join(sorted(rule.results))
    if rule.results <= set(_BY_POSITION.values()):
        return Evaluation(should_notify=False, why=f"{_REASONS[position]}, and only {requested} is asked for")
    return Evaluation(
        should_notify=False, why=f"its result is {build.state.value}, and only {requested} is asked for"
    )
