"""From filters and terms back to words: for people, and for buttons that ask the same again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time, timedelta

from domain.build import BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.shared_commands import ListBuilds
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from domain.slack_ids import is_slack_id

_STATE_WORDS = {
    BuildState.ON_HOLD: "on-hold",
    BuildState.RUNNING: "running",
    BuildState.SUCCEEDED: "success",
    BuildState.FAILED: "failed",
    BuildState.ABORTED: "aborted",
    BuildState.ABORTED_WITH_SUCCESS: "aborted-with-success",
}
_STATES = {
    BuildState.ON_HOLD: "on hold",
    BuildState.RUNNING: "running",
    BuildState.SUCCEEDED: "successful",
    BuildState.FAILED: "failed",
    BuildState.ABORTED: "aborted",
    BuildState.ABORTED_WITH_SUCCESS: "aborted as a success",
}
_RESULT_WORDS = {Result.SUCCEEDED: "success"} | {
    one: one.value for one in Result if one is not Result.SUCCEEDED
}
# Exactly what happens: "notify on failure" that meant only the first one has cost other bots their users' trust.
_RESULTS = {
    Result.SUCCEEDED: "every success",
    Result.FAILED: "every failure",
    Result.ABORTED: "every abort",
    Result.ABORTED_WITH_SUCCESS: "every abort that counts as a success",
    Result.BROKEN: "the first failure of a series",
    Result.STILL_FAILING: "every further failure of a series",
    Result.FIXED: "the first success after failures",
}
_EVENTS = {
    BuildTriggerEvent.PUSH: "a push",
    BuildTriggerEvent.PULL_REQUEST: "a pull request",
    BuildTriggerEvent.TAG: "a tag",
    BuildTriggerEvent.OTHER: "something other than a push, pull request or tag",
}


def words(wanted: BuildFilter) -> str:
    """The filter as it could be typed."""
    parts = [
        *_pattern_words("branch", wanted.branch),
        *_pattern_words("target", wanted.target),
        *_pattern_words("tag", wanted.tag),
        *_pattern_words("workflow", wanted.workflow),
        *_pattern_words("by", wanted.by),
        *_pattern_words("aborted", wanted.aborted),
        *_list_words("status", [word for state, word in _STATE_WORDS.items() if state in wanted.states]),
        *_list_words("event", [event.value for event in BuildTriggerEvent if event in wanted.events]),
        *_list_words("pr", [str(number) for number in sorted(wanted.pull_requests)]),
    ]
    return " ".join(parts)


def term_words(terms: NotificationRule) -> str:
    """The terms as they could be typed behind `subscribe`."""
    plain = NotificationRule()
    digest = terms.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    parts = [
        words(terms.filter),
        *_list_words(
            "status",
            ["started"] * terms.started + [_RESULT_WORDS[one] for one in Result if one in terms.results],
        ),
        f"on-hold:{_span(terms.on_hold_over)}" if terms.on_hold_over else "",
        f"running:{_span(terms.running_over)}" if terms.running_over else "",
        f"style:{terms.style.value}" if terms.style is not plain.style else "",
        f"at:{terms.at:%H:%M}" if digest else "",
        f"on:{terms.on.name[:3].lower()}" if terms.style is DeliveryStyle.WEEKLY else "",
        f"quiet:{terms.quiet.start:%H:%M}-{terms.quiet.end:%H:%M}" if terms.quiet else "",
        f"zone:{terms.zone}" if digest or terms.quiet else "",
        "broadcast:yes" if terms.broadcast else "",
    ]
    return " ".join(part for part in parts if part)


def list_words(command: ListBuilds) -> str:
    """The command that asks for the same list."""
    parts = ["builds", quoted(command.app) if command.app else "", words(command.filter)]
    parts += [
        f"{key}:{quoted(at.text)}" for key, at in (("since", command.since), ("until", command.until)) if at
    ]
    return " ".join(part for part in parts if part)


def describe(wanted: BuildFilter) -> str:
    """The filter in a sentence's words: "failed or aborted builds of branch main, except dependabot/*"."""
    results = _either([_STATES[state] for state in _STATES if state in wanted.states])
    return f"{results} builds{_which(wanted)}" if results else f"all builds{_which(wanted)}"


EVERY_END = "every build's end"


def describe_terms(terms: NotificationRule, app: str, *, ends: str = EVERY_END) -> str:
    """The terms as a sentence without its end: "every failure in Android on branch main; one thread a branch".

    `ends` says what is told of where every end is.
    """
    return f"{_what(terms, ends)} in {app}{_which(terms.filter)}{_how(terms)}"


def _what(terms: NotificationRule, ends: str) -> str:
    if terms.filter.builds:
        return "the end of one build"
    if terms.style is DeliveryStyle.CARD:
        return "what breaks, stays broken and is fixed"
    moments = ["every start"] if terms.started or terms.style is DeliveryStyle.LIVE else []
    moments += [_RESULTS[one] for one in Result if one in terms.results]
    if not terms.results:
        moments.append(ends)
    if terms.on_hold_over:
        moments.append(f"every wait on hold of more than {_span(terms.on_hold_over)}")
    if terms.running_over:
        moments.append(f"every run of more than {_span(terms.running_over)}")
    return _all(moments)


def _which(wanted: BuildFilter) -> str:
    no_tags = " (not tags, whose builds have no branch)"
    parts = [
        _globs("on branch", wanted.branch),
        no_tags if wanted.branch.include and not wanted.tag else "",
        _globs("for pull requests into", wanted.target),
        _globs("of tag", wanted.tag),
        _globs("with workflow", wanted.workflow),
        _clause("started by", [_EVENTS[event] for event in BuildTriggerEvent if event in wanted.events]),
        _clause("of pull request", [f"#{number}" for number in sorted(wanted.pull_requests)]),
        _clause("by", [_person(one) for one in wanted.by.include]),
        _clause("except by", [_person(one) for one in wanted.by.exclude]),
        _clause("aborted for the reason", wanted.aborted.include),
        _clause("except aborts for the reason", wanted.aborted.exclude),
    ]
    text = "".join(parts)
    return text if text.startswith(", except") else text.removeprefix(",")


def _globs(words: str, patterns: GlobPatterns) -> str:
    return _clause(words, patterns.include) + _clause(f"except {words}", patterns.exclude)


def _clause(words: str, values: Sequence[str]) -> str:
    return f", {words} {_either(values)}" if values else ""


def _how(terms: NotificationRule) -> str:
    when = f"at {_clock(terms.at)} ({terms.zone})"
    how = {
        DeliveryStyle.EACH: "",
        DeliveryStyle.LIVE: "; one message a build, edited from its start to its end",
        DeliveryStyle.CARD: "; one card a broken series, edited until it is green again",
        DeliveryStyle.THREAD: "; one thread a branch or pull request",
        DeliveryStyle.DAILY: f"; gathered into one message a day {when}",
        DeliveryStyle.WEEKLY: f"; gathered into one message a week, on {terms.on.name.capitalize()} {when}",
    }[terms.style]
    if terms.broadcast:
        how += ", shown in the channel too"
    if terms.quiet:
        hours = f"{_clock(terms.quiet.start)} to {_clock(terms.quiet.end)} ({terms.zone})"
        how += f"; what happens from {hours} comes in one message afterwards"
    return how


def _person(one: str) -> str:
    if one == "bot":
        return "bots"
    return f"<@{one[1:]}>" if one[:1] == "@" and is_slack_id(one[1:], "UW") else one


def _clock(at: time) -> str:
    return f"{at:%H:%M}"


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _pattern_words(key: str, patterns: GlobPatterns) -> list[str]:
    return _list_words(key, patterns.include) + _list_words(f"-{key}", patterns.exclude)


def _list_words(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:{quoted(','.join(values))}"] if values else []


def quoted(text: str, *, always: bool = False) -> str:
    """The text as one word that can be typed: in quotes where they are needed."""
    # Behind a colon two slashes would make an address of it.
    needed = always or text.startswith("//")
    if not needed and not any(letter.isspace() or letter in "\"'“”„‘’«»" for letter in text):
        return text
    return f'"{text}"' if '"' not in text else f"«{text}»"


def _either(values: Sequence[str]) -> str:
    return _listed(values, "or")


def _all(values: Sequence[str]) -> str:
    return _listed(values, "and")


def _listed(values: Sequence[str], last: str) -> str:
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} {last} {values[-1]}"
