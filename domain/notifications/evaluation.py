"""Whether a moment of a build is told, and if not, why not."""

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
_IN_WORDS = {
    StreakPosition.BROKEN: "it is the first failure of a series",
    StreakPosition.STILL_FAILING: "the series was failing before",
    StreakPosition.FIXED: "it fixed the series",
    StreakPosition.STILL_PASSING: "the build before it had passed too",
    StreakPosition.NOT_COUNTED: "aborted builds do not count in a series",
    StreakPosition.OVERTAKEN: "a newer build of the series had ended before it",
}


class Evaluation(FrozenModel):
    """Whether it is told; `why` follows the word "because"."""

    should_notify: bool
    why: str


def evaluate(
    terms: NotificationRule,
    happening: BuildEvent,
    build: Build,
    standing: StreakState | None,
    names: NameDirectory = NOBODY,
) -> Evaluation:
    """Whether the terms ask for this moment of the build.

    `standing` is the build's place in its series, None where it has not ended. A filter on what only an end shows (the
    kind of an abort) says nothing of a start; where a start was shown and is edited, nor of its end.
    """
    started = not build.ended or terms.style is DeliveryStyle.LIVE
    wanted = terms.filter.model_copy(update={"aborted": GlobPatterns()}) if started else terms.filter
    if (mismatch := wanted.mismatch(build, names)) is not None:
        return Evaluation(should_notify=False, why=mismatch)
    if happening is BuildEvent.ENDED:
        return _evaluate_end(terms, build, standing)
    asked = {
        BuildEvent.STARTED: terms.started or terms.style is DeliveryStyle.LIVE,
        BuildEvent.PROGRESSED: terms.style is DeliveryStyle.LIVE,
        BuildEvent.ON_HOLD_TOO_LONG: terms.on_hold_over is not None,
        BuildEvent.RUNNING_TOO_LONG: terms.running_over is not None,
    }[happening]
    return Evaluation(
        should_notify=asked, why="that is asked for" if asked else "that moment is not asked for"
    )


def _evaluate_end(terms: NotificationRule, build: Build, standing: StreakState | None) -> Evaluation:
    position = standing.position if standing else StreakPosition.NOT_COUNTED
    if terms.style is DeliveryStyle.CARD:
        return Evaluation(should_notify=position in _CARD_POSITIONS, why=_IN_WORDS[position])
    if not terms.results:
        return Evaluation(should_notify=True, why="every end is asked for")
    found = {_BY_STATE.get(build.state), _BY_POSITION.get(position)} - {None}
    if build.state is BuildState.UNKNOWN and terms.results & _FAILURES:
        # It may be a failure of a new kind: whoever waits for failures rather hears of one end too many.
        return Evaluation(
            should_notify=True, why="it ended in a way that has no name here, which may be a failure"
        )
    if met := sorted(str(one) for one in found & terms.results if one):
        return Evaluation(should_notify=True, why=f"{' and '.join(met)} is asked for")
    asked = " or ".join(sorted(terms.results))
    if terms.results <= set(_BY_POSITION.values()):
        return Evaluation(should_notify=False, why=f"{_IN_WORDS[position]}, and only {asked} is asked for")
    return Evaluation(
        should_notify=False, why=f"its result is {build.state.value}, and only {asked} is asked for"
    )
