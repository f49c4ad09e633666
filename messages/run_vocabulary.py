"""The words for each kind of run and its states. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.build import Build, BuildState, RunKind

# A symbol is shown beside the words, never instead of them.
_RESULTS = {
    BuildState.ON_HOLD: ("⏸️", "is on hold"),
    BuildState.RUNNING: ("▶️", "is running"),
    BuildState.SUCCEEDED: ("✅", "passed"),
    BuildState.FAILED: ("❌", "failed"),
    BuildState.ABORTED: ("🛑", "was aborted"),
    BuildState.ABORTED_WITH_SUCCESS: ("☑️", "was aborted (counted as success)"),
}
UNKNOWN_OPEN = ("❔", "is in an unknown state")
UNKNOWN_ENDED = ("❔", "finished with an unknown result")


@dataclass(frozen=True)
class RunVocabulary:
    """The words for one kind of run.

    `singular` and `plural` name what is counted. `broken` and `fixed` follow the name of a streak; `failed_once` and
    `failed_repeatedly` say how often it has failed. `waiting` and `preparing` are the states before the run itself.
    """

    singular: str = "build"
    plural: str = "builds"
    results: Mapping[BuildState, tuple[str, str]] = field(default_factory=lambda: _RESULTS)
    broken: str = "is failing"
    fixed: str = "is fixed"
    failed_once: str = "1 build failed"
    failed_repeatedly: str = "{count} builds failed in a row"
    waiting: str = "on hold"
    preparing: str = "preparing"


_WORDS: Mapping[RunKind, RunVocabulary] = {
    RunKind.BUILD: RunVocabulary(),
    RunKind.DEPLOYMENT: RunVocabulary(
        singular="deployment",
        plural="deployments",
        results=_RESULTS
        | {
            BuildState.ON_HOLD: ("⏸️", "is queued"),
            BuildState.SUCCEEDED: ("✅", "succeeded"),
            BuildState.ABORTED: ("🛑", "was canceled"),
        },
        failed_once="1 deployment failed",
        failed_repeatedly="{count} deployments failed in a row",
        waiting="queued",
        preparing="running",
    ),
    RunKind.DYNO: RunVocabulary(
        singular="dyno",
        plural="dynos",
        results=_RESULTS | {BuildState.SUCCEEDED: ("✅", "recovered"), BuildState.FAILED: ("💥", "crashed")},
        broken="is down",
        fixed="recovered",
        failed_once="went down once",
        failed_repeatedly="went down {count} times in a row",
    ),
}


def vocabulary_of(kind: RunKind) -> RunVocabulary:
    """Return the words for a kind of run."""
    return _WORDS[kind]


def describe_state(build: Build) -> tuple[str, str]:
    """Return the symbol and the words of a build's state. Words from its build source take precedence."""
    symbol, words = vocabulary_of(build.kind).results.get(build.state) or (
        UNKNOWN_ENDED if build.ended else UNKNOWN_OPEN
    )
    return symbol, build.said or words
