"""Whether a moment of a build is told, and if not, why not."""

from __future__ import annotations

from domain.build import Build, Frozen, State
from domain.build_author import Names
from domain.build_filter import NOBODY, Patterns
from domain.failure_streak import Position, Standing
from domain.notifications.rule import Happening, Result, Style, Terms

_CARD_POSITIONS = frozenset({Position.BROKEN, Position.STILL_FAILING, Position.FIXED})
_BY_STATE = {
    State.SUCCEEDED: Result.SUCCEEDED,
    State.FAILED: Result.FAILED,
    State.ABORTED: Result.ABORTED,
    State.ABORTED_WITH_SUCCESS: Result.ABORTED_WITH_SUCCESS,
}
_BY_POSITION = {
    Position.BROKEN: Result.BROKEN,
    Position.STILL_FAILING: Result.STILL_FAILING,
    Position.FIXED: Result.FIXED,
}
_FAILURES = frozenset({Result.FAILED, Result.BROKEN, Result.STILL_FAILING})
_IN_WORDS = {
    Position.BROKEN: "it is the first failure of a series",
    Position.STILL_FAILING: "the series was failing before",
    Position.FIXED: "it fixed the series",
    Position.STILL_PASSING: "the build before it had passed too",
    Position.NOT_COUNTED: "aborted builds do not count in a series",
    Position.OVERTAKEN: "a newer build of the series had ended before it",
}


class Verdict(Frozen):
    """Whether it is told; `why` follows the word "because"."""

    told: bool
    why: str


def decide(
    terms: Terms, happening: Happening, build: Build, standing: Standing | None, names: Names = NOBODY
) -> Verdict:
    """Whether the terms ask for this moment of the build.

    `standing` is the build's place in its series, None where it has not ended. A filter on what only an end shows (the
    kind of an abort) says nothing of a start; where a start was shown and is edited, nor of its end.
    """
    started = not build.ended or terms.style is Style.LIVE
    wanted = terms.filter.model_copy(update={"aborted": Patterns()}) if started else terms.filter
    if (mismatch := wanted.mismatch(build, names)) is not None:
        return Verdict(told=False, why=mismatch)
    if happening is Happening.ENDED:
        return _decide_end(terms, build, standing)
    asked = {
        Happening.STARTED: terms.started or terms.style is Style.LIVE,
        Happening.PROGRESSED: terms.style is Style.LIVE,
        Happening.ON_HOLD_TOO_LONG: terms.on_hold_over is not None,
        Happening.RUNNING_TOO_LONG: terms.running_over is not None,
    }[happening]
    return Verdict(told=asked, why="that is asked for" if asked else "that moment is not asked for")


def _decide_end(terms: Terms, build: Build, standing: Standing | None) -> Verdict:
    position = standing.position if standing else Position.NOT_COUNTED
    if terms.style is Style.CARD:
        return Verdict(told=position in _CARD_POSITIONS, why=_IN_WORDS[position])
    if not terms.results:
        return Verdict(told=True, why="every end is asked for")
    found = {_BY_STATE.get(build.state), _BY_POSITION.get(position)} - {None}
    if build.state is State.UNKNOWN and terms.results & _FAILURES:
        # It may be a failure of a new kind: whoever waits for failures rather hears of one end too many.
        return Verdict(told=True, why="it ended in a way that has no name here, which may be a failure")
    if met := sorted(str(one) for one in found & terms.results if one):
        return Verdict(told=True, why=f"{' and '.join(met)} is asked for")
    asked = " or ".join(sorted(terms.results))
    if terms.results <= set(_BY_POSITION.values()):
        return Verdict(told=False, why=f"{_IN_WORDS[position]}, and only {asked} is asked for")
    return Verdict(told=False, why=f"its result is {build.state.value}, and only {asked} is asked for")
