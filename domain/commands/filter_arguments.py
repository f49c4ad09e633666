"""Parsing and formatting of build filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.build import BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent
from domain.commands import arguments

_PATTERN_KEYS = ("branch", "target", "tag", "workflow", "by", "aborted")
KEYS = (*_PATTERN_KEYS, *(f"-{key}" for key in _PATTERN_KEYS), "event", "pr")
# The filter's field for each key, and the function that parses its values.
_CHOICES: dict[str, tuple[str, Callable[[str], frozenset[Any]]]] = {
    "status": ("states", arguments.parse_states),
    "event": ("events", arguments.parse_events),
    "pr": ("pull_requests", arguments.parse_pull_requests),
}


def parse_filter(options: Mapping[str, Sequence[str]]) -> BuildFilter:
    """Return the filter that the options describe; options with other keys are ignored. Raises CommandError."""
    build_filter = BuildFilter()
    for key in (key for key in options if key in KEYS or key == "status"):
        for text in options[key]:
            build_filter = build_filter.model_copy(update=_parse_option(build_filter, key, text))
    return build_filter


def _parse_option(build_filter: BuildFilter, key: str, text: str) -> dict[str, object]:
    name = key.lstrip("-")
    if name in _PATTERN_KEYS:
        parse = {"by": arguments.parse_authors, "aborted": arguments.parse_abort_reasons}.get(
            name, arguments.parse_globs
        )
        patterns = parse(text, key=key)
        return {
            name: arguments.add_patterns(getattr(build_filter, name), patterns, exclude=key.startswith("-"))
        }
    field, parse_choices = _CHOICES[name]
    return {field: getattr(build_filter, field) | parse_choices(text)}


def format_filter(build_filter: BuildFilter) -> list[tuple[str, str]]:
    """Return the options that describe the filter."""
    options: list[tuple[str, Sequence[str]]] = []
    for key in _PATTERN_KEYS:
        patterns = getattr(build_filter, key)
        options += [(key, patterns.include), (f"-{key}", patterns.exclude)]
    options += [
        ("status", [arguments.STATE_NAMES[state] for state in BuildState if state in build_filter.states]),
        ("event", [event.value for event in BuildTriggerEvent if event in build_filter.events]),
        ("pr", [str(number) for number in sorted(build_filter.pull_requests)]),
    ]
    return [(key, ",".join(values)) for key, values in options if values]
