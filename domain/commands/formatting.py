"""Formatting of filters and rules: as they can be typed, and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time, timedelta

from domain.build import BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.shared_commands import ListBuilds
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from domain.slack_ids import is_slack_id

_STATE_NAMES = {
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
_RESULT_NAMES = {Result.SUCCEEDED: "success"} | {
    result: result.value for result in Result if result is not Result.SUCCEEDED
}
# Exact wording: other bots lost their users' trust with a "notify on failure" that meant only the first failure.
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


def format_filter(build_filter: BuildFilter) -> str:
    """Format the filter as it can be typed."""
    parts = [
        *_format_patterns("branch", build_filter.branch),
        *_format_patterns("target", build_filter.target),
        *_format_patterns("tag", build_filter.tag),
        *_format_patterns("workflow", build_filter.workflow),
        *_format_patterns("by", build_filter.by),
        *_format_patterns("aborted", build_filter.aborted),
        *_format_option(
            "status", [name for state, name in _STATE_NAMES.items() if state in build_filter.states]
        ),
        *_format_option(
            "event", [event.value for event in BuildTriggerEvent if event in build_filter.events]
        ),
        *_format_option("pr", [str(number) for number in sorted(build_filter.pull_requests)]),
    ]
    return " ".join(parts)


def format_rule(rule: NotificationRule) -> str:
    """Format the rule as it can be typed after `subscribe`."""
    default = NotificationRule()
    digest = rule.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    parts = [
        format_filter(rule.filter),
        *_format_option(
            "status",
            ["started"] * rule.started
            + [_RESULT_NAMES[result] for result in Result if result in rule.results],
        ),
        f"on-hold:{_format_duration(rule.on_hold_over)}" if rule.on_hold_over else "",
        f"running:{_format_duration(rule.running_over)}" if rule.running_over else "",
        f"style:{rule.style.value}" if rule.style is not default.style else "",
        f"at:{rule.at:%H:%M}" if digest else "",
        f"on:{rule.on.name[:3].lower()}" if rule.style is DeliveryStyle.WEEKLY else "",
        f"quiet:{rule.quiet.start:%H:%M}-{rule.quiet.end:%H:%M}" if rule.quiet else "",
        f"zone:{rule.zone}" if digest or rule.quiet else "",
        "broadcast:yes" if rule.broadcast else "",
    ]
    return " ".join(part for part in parts if part)


def format_list_builds(command: ListBuilds) -> str:
    """Format the command that lists the same builds."""
    parts = ["builds", quote(command.app) if command.app else "", format_filter(command.filter)]
    parts += [
        f"{key}:{quote(at.text)}" for key, at in (("since", command.since), ("until", command.until)) if at
    ]
    return " ".join(part for part in parts if part)


def describe_filter(build_filter: BuildFilter) -> str:
    """Describe the filter in a sentence: "failed or aborted builds on branch main, except dependabot/*"."""
    results = _either([_STATES[state] for state in _STATES if state in build_filter.states])
    return f"{results or 'all'} builds{_describe_conditions(build_filter)}"


EVERY_END = "every build's end"


def describe_rule(rule: NotificationRule, app: str, *, ends: str = EVERY_END) -> str:
    """Describe the rule as a sentence without its end: "every failure in Android on branch main; one thread a branch".

    `ends` is the text for a rule that notifies of every end.
    """
    return f"{_describe_events(rule, ends)} in {app}{_describe_conditions(rule.filter)}{_describe_delivery(rule)}"


def _describe_events(rule: NotificationRule, ends: str) -> str:
    if rule.filter.builds:
        return "the end of one build"
    if rule.style is DeliveryStyle.CARD:
        return "what breaks, stays broken and is fixed"
    events = ["every start"] if rule.started or rule.style is DeliveryStyle.LIVE else []
    events += [_RESULTS[result] for result in Result if result in rule.results]
    if not rule.results:
        events.append(ends)
    if rule.on_hold_over:
        events.append(f"every wait on hold of more than {_format_duration(rule.on_hold_over)}")
    if rule.running_over:
        events.append(f"every run of more than {_format_duration(rule.running_over)}")
    return _join_all(events)


def _describe_conditions(build_filter: BuildFilter) -> str:
    no_tags = " (not tags, whose builds have no branch)"
    parts = [
        _describe_patterns("on branch", build_filter.branch),
        no_tags if build_filter.branch.include and not build_filter.tag else "",
        _describe_patterns("for pull requests into", build_filter.target),
        _describe_patterns("of tag", build_filter.tag),
        _describe_patterns("with workflow", build_filter.workflow),
        _clause(
            "started by", [_EVENTS[event] for event in BuildTriggerEvent if event in build_filter.events]
        ),
        _clause("of pull request", [f"#{number}" for number in sorted(build_filter.pull_requests)]),
        _clause("by", [_describe_author(author) for author in build_filter.by.include]),
        _clause("except by", [_describe_author(author) for author in build_filter.by.exclude]),
        _clause("aborted for the reason", build_filter.aborted.include),
        _clause("except aborts for the reason", build_filter.aborted.exclude),
    ]
    text = "".join(parts)
    return text if text.startswith(", except") else text.removeprefix(",")


def _describe_patterns(preposition: str, patterns: GlobPatterns) -> str:
    return _clause(preposition, patterns.include) + _clause(f"except {preposition}", patterns.exclude)


def _clause(preposition: str, values: Sequence[str]) -> str:
    return f", {preposition} {_either(values)}" if values else ""


def _describe_delivery(rule: NotificationRule) -> str:
    when = f"at {_format_time(rule.at)} ({rule.zone})"
    delivery = {
        DeliveryStyle.EACH: "",
        DeliveryStyle.LIVE: "; one message a build, edited from its start to its end",
        DeliveryStyle.CARD: "; one card a broken series, edited until it is green again",
        DeliveryStyle.THREAD: "; one thread a branch or pull request",
        DeliveryStyle.DAILY: f"; gathered into one message a day {when}",
        DeliveryStyle.WEEKLY: f"; gathered into one message a week, on {rule.on.name.capitalize()} {when}",
    }[rule.style]
    if rule.broadcast:
        delivery += ", shown in the channel too"
    if rule.quiet:
        hours = f"{_format_time(rule.quiet.start)} to {_format_time(rule.quiet.end)} ({rule.zone})"
        delivery += f"; what happens from {hours} comes in one message afterwards"
    return delivery


def _describe_author(author: str) -> str:
    if author == "bot":
        return "bots"
    return f"<@{author[1:]}>" if author[:1] == "@" and is_slack_id(author[1:], "UW") else author


def _format_time(at: time) -> str:
    return f"{at:%H:%M}"


def _format_duration(duration: timedelta) -> str:
    minutes = round(duration.total_seconds() / 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _format_patterns(key: str, patterns: GlobPatterns) -> list[str]:
    return _format_option(key, patterns.include) + _format_option(f"-{key}", patterns.exclude)


def _format_option(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:{quote(','.join(values))}"] if values else []


def quote(text: str, *, always: bool = False) -> str:
    """Return the text as one word that can be typed, in quotes if it needs them."""
    # After a colon, two slashes would be read as the start of a URL.
    needed = always or text.startswith("//")
    if not needed and not any(letter.isspace() or letter in "\"'“”„‘’«»" for letter in text):
        return text
    return f'"{text}"' if '"' not in text else f"«{text}»"


def _either(values: Sequence[str]) -> str:
    return _join(values, "or")


def _join_all(values: Sequence[str]) -> str:
    return _join(values, "and")


def _join(values: Sequence[str], last: str) -> str:
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} {last} {values[-1]}"
