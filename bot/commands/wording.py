"""From filters back to words: for people, and for buttons that ask the same again."""

from __future__ import annotations

from collections.abc import Sequence

from bot.build import State
from bot.commands.model import ListBuilds
from bot.filters import BuildFilter, Event, Patterns

_STATE_WORDS = {
    State.ON_HOLD: "on-hold",
    State.RUNNING: "running",
    State.SUCCEEDED: "success",
    State.FAILED: "failed",
    State.ABORTED: "aborted",
    State.ABORTED_WITH_SUCCESS: "aborted-with-success",
}
_RESULTS = {
    State.ON_HOLD: "on hold",
    State.RUNNING: "running",
    State.SUCCEEDED: "successful",
    State.FAILED: "failed",
    State.ABORTED: "aborted",
    State.ABORTED_WITH_SUCCESS: "aborted as a success",
}
_EVENTS = {
    Event.PUSH: "a push",
    Event.PULL_REQUEST: "a pull request",
    Event.TAG: "a tag",
    Event.OTHER: "something other than a push, pull request or tag",
}


def words(wanted: BuildFilter) -> str:
    """The filter as it could be typed."""
    parts = [
        *_pattern_words("branch", wanted.branch),
        *_pattern_words("workflow", wanted.workflow),
        *_list_words("status", [word for state, word in _STATE_WORDS.items() if state in wanted.states]),
        *_list_words("event", [event.value for event in Event if event in wanted.events]),
        *_list_words("pr", [str(number) for number in sorted(wanted.pull_requests)]),
    ]
    return " ".join(parts)


def list_words(ask: ListBuilds) -> str:
    """The command that asks for the same list."""
    parts = ["builds", _quoted(ask.app) if ask.app else "", words(ask.filter)]
    parts += [f"{key}:{_quoted(at.text)}" for key, at in (("since", ask.since), ("until", ask.until)) if at]
    return " ".join(part for part in parts if part)


def describe(wanted: BuildFilter) -> str:
    """The filter in a sentence's words: "failed or aborted builds of branch main, except dependabot/*"."""
    results = _either([_RESULTS[state] for state in _RESULTS if state in wanted.states])
    text = f"{results} builds" if results else "all builds"
    if wanted.branch.include:
        text += f" of branch {_either(wanted.branch.include)}"
    if wanted.branch.exclude:
        text += f", except branch {_either(wanted.branch.exclude)}"
    if wanted.workflow.include:
        text += f" of workflow {_either(wanted.workflow.include)}"
    if wanted.workflow.exclude:
        text += f", except workflow {_either(wanted.workflow.exclude)}"
    if wanted.events:
        text += f", started by {_either([_EVENTS[event] for event in Event if event in wanted.events])}"
    if wanted.pull_requests:
        text += f", of pull request {_either([f'#{number}' for number in sorted(wanted.pull_requests)])}"
    return text


def _pattern_words(key: str, patterns: Patterns) -> list[str]:
    return _list_words(key, patterns.include) + _list_words(f"-{key}", patterns.exclude)


def _list_words(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:{_quoted(','.join(values))}"] if values else []


def _quoted(text: str) -> str:
    if not any(letter.isspace() or letter in "\"'“”„‘’«»" for letter in text):
        return text
    return f'"{text}"' if '"' not in text else f"«{text}»"


def _either(values: Sequence[str]) -> str:
    return (
        values[0] if len(values) == 1 else " or ".join([", ".join(values[:-1]), values[-1]]) if values else ""
    )
