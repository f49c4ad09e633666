"""Single arguments (builds, times, states, events, authors, durations), and the build filters made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from domain.abort_kind import PHRASES
from domain.build import BuildState, FrozenModel
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.errors import CommandError, quote_typed
from domain.slack_ids import pattern_of

T = TypeVar("T")

_NUMBER = re.compile(r"#?(\d{1,9})$")
_AGO = re.compile(r"(\d{1,5})\s*(m|min|h|d|w)$", re.IGNORECASE)
# A mention as Slack writes it, or the bare ID that the form of a subscription shows.
_MENTION = re.compile(
    rf"(?:<@|@(?=[UW](?:[A-Z0-9]{{4,}}|_[\w.:-]+|(?=.*[0-9])[A-Z0-9_.:-]{{4,}})$))({pattern_of('UW')})(?:(?:\|[^>]*)?>)?$",
    re.ASCII,
)
_ABORT_REASON = re.compile(r"[a-z][a-z0-9-]{0,30}$")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
STATES = {
    "success": BuildState.SUCCEEDED,
    "succeeded": BuildState.SUCCEEDED,
    "passed": BuildState.SUCCEEDED,
    "green": BuildState.SUCCEEDED,
    "failed": BuildState.FAILED,
    "failure": BuildState.FAILED,
    "error": BuildState.FAILED,
    "red": BuildState.FAILED,
    "aborted": BuildState.ABORTED,
    "aborted-with-success": BuildState.ABORTED_WITH_SUCCESS,
    "running": BuildState.RUNNING,
    "in-progress": BuildState.RUNNING,
    "on-hold": BuildState.ON_HOLD,
}
# The name of each state that is shown: its first.
STATE_NAMES = {state: name for name, state in reversed(STATES.items())}
OFFERED_STATES = "success, failed, aborted, aborted-with-success, running, on-hold"
_EVENTS = {
    "push": BuildTriggerEvent.PUSH,
    "pull-request": BuildTriggerEvent.PULL_REQUEST,
    "pr": BuildTriggerEvent.PULL_REQUEST,
    "tag": BuildTriggerEvent.TAG,
    "other": BuildTriggerEvent.OTHER,
}


class BuildRef(FrozenModel):
    """A build by its number or slug; a pasted link may also have its app's slug."""

    number: int | None = None
    slug: str | None = None
    app_slug: str | None = None

    def __str__(self) -> str:
        return f"#{self.number}" if self.number is not None else str(self.slug)


class TimeArgument(FrozenModel):
    """A time, or how long ago; `text` is what was typed."""

    text: str
    at: datetime | None = None
    ago: timedelta = timedelta(0)

    def resolve(self, now: datetime) -> datetime:
        """Return the time that is meant."""
        return self.at if self.at is not None else now - self.ago


def parse_time(text: str, *, key: str) -> TimeArgument:
    """Parse a time in UTC, or how long ago. Raises CommandError."""
    if match := _AGO.match(text.strip()):
        return TimeArgument(text=text, ago=timedelta(**{_UNITS[match[2].lower()]: int(match[1])}))
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandError(
            f"{quote_typed(f'{key}:{text}')} isn't a valid time: give a date, or how long ago.",
            example="builds since:2d",
        ) from None
    return TimeArgument(text=text, at=at if at.tzinfo else at.replace(tzinfo=UTC))


def parse_states(text: str) -> frozenset[BuildState]:
    """Parse states, in the names that people use. Raises CommandError."""
    names = _split_list(text, key="status", example="builds status:failed,aborted")
    return frozenset(
        _look_up(name, STATES, f"Unknown status {quote_typed(name)}. Use {OFFERED_STATES}.") for name in names
    )


def parse_events(text: str) -> frozenset[BuildTriggerEvent]:
    """Parse the events that start builds. Raises CommandError."""
    names = _split_list(text, key="event", example="builds event:pull-request")
    offered = "push, pull-request, tag, other"
    return frozenset(
        _look_up(name, _EVENTS, f"Unknown event {quote_typed(name)}. Use {offered}.") for name in names
    )


def parse_pull_requests(text: str) -> frozenset[int]:
    """Parse numbers of pull requests. Raises CommandError."""
    names = _split_list(text, key="pr", example="builds pr:12")
    if wrong := [name for name in names if not _NUMBER.match(name)]:
        raise CommandError(
            f"{quote_typed(f'pr:{wrong[0]}')} isn't a pull request number.", example="builds pr:12"
        )
    return frozenset(int(name.lstrip("#")) for name in names)


def parse_globs(text: str, *, key: str) -> tuple[str, ...]:
    """Split patterns at commas. Raises CommandError."""
    return _split_list(text, key=key, example=f"builds {key.lstrip('-')}:main,release/*")


def add_patterns(patterns: GlobPatterns, more: tuple[str, ...], *, exclude: bool) -> GlobPatterns:
    """Return the patterns with more of them, to include or to exclude."""
    if exclude:
        return patterns.model_copy(update={"exclude": patterns.exclude + more})
    return patterns.model_copy(update={"include": patterns.include + more})


def parse_authors(text: str, *, key: str) -> tuple[str, ...]:
    """Parse authors of builds: globs, `bot`, `@me`, or a mention as Slack writes it. Raises CommandError."""
    names = _split_list(text, key=key, example="subscribe by:@me -by:bot")
    return tuple(
        f"@{match[1]}" if (match := _MENTION.match(name)) else _normalize_author(name) for name in names
    )


def _normalize_author(name: str) -> str:
    return "@me" if name.casefold() in ("me", "@me") else name.lstrip("@")


def parse_abort_reasons(text: str, *, key: str) -> tuple[str, ...]:
    """Parse kinds of abort reasons. Only their format is checked, since a bot can have its own. Raises CommandError."""
    example = "subscribe -aborted:no-changes,rolling-builds"
    found = tuple(name.casefold().replace("_", "-") for name in _split_list(text, key=key, example=example))
    if wrong := [name for name in found if not _ABORT_REASON.match(name)]:
        raise CommandError(
            f"{quote_typed(f'{key}:{wrong[0]}')} isn't a valid abort reason. Use {', '.join(PHRASES)}.",
            example=example,
        )
    return found


def parse_switch(text: str, *, key: str) -> bool:
    """Parse on or off. Raises CommandError."""
    problem = f"{quote_typed(f'{key}:{text}')} isn't valid. Use on or off."
    return _look_up(
        text, {"on": True, "yes": True, "off": False, "no": False}, problem, example="me mention:on"
    )


def format_switch(value: bool | None) -> str:
    """Format on or off."""
    return "on" if value else "off"


def parse_duration(text: str, *, key: str) -> timedelta:
    """Parse a length of time. Raises CommandError."""
    if (match := _AGO.match(text.strip())) and int(match[1]) > 0:
        return timedelta(**{_UNITS[match[2].lower()]: int(match[1])})
    raise CommandError(
        f"{quote_typed(f'{key}:{text}')} isn't a valid duration. Write it as 15m or 2h.",
        example="subscribe running:1h",
    )


def is_variable_name(name: str) -> bool:
    """Return whether an environment variable can have this name."""
    return name.isidentifier() and name.isascii()


def parse_variable(text: str) -> tuple[str, str] | None:
    """Return the name and value of an environment variable, written NAME=value; None for anything else."""
    name, equals, value = text.partition("=")
    return (name.strip(), value) if equals and is_variable_name(name.strip()) else None


def _split_list(text: str, *, key: str, example: str) -> tuple[str, ...]:
    values = tuple(value for part in text.split(",") if (value := part.strip()))
    if not values:
        raise CommandError(f"`{key}:` needs a value.", example=example)
    return values


def _look_up(
    name: str, known: dict[str, T], problem: str, *, example: str = "builds status:failed event:push"
) -> T:
    found = known.get(name.casefold().replace("_", "-"))
    if found is None:
        raise CommandError(problem, example=example)
    return found


def parse_choice(name: str, known: dict[str, T], *, what: str, example: str) -> T:
    """Look up the value of a name. Raises CommandError, which lists the names."""
    problem = f"Unknown {what} {quote_typed(name)}. Use {', '.join(known)}."
    return _look_up(name, known, problem, example=example)


_PATTERN_KEYS = ("branch", "target", "tag", "workflow", "by", "aborted")
FILTER_KEYS = (*_PATTERN_KEYS, *(f"-{key}" for key in _PATTERN_KEYS), "event", "pr")
# The filter's field for each key, and the function that parses its values.
_FILTER_CHOICES: dict[str, tuple[str, Callable[[str], frozenset[Any]]]] = {
    "status": ("states", parse_states),
    "event": ("events", parse_events),
    "pr": ("pull_requests", parse_pull_requests),
}


def parse_filter(options: Mapping[str, Sequence[str]]) -> BuildFilter:
    """Return the filter that the options describe; options with other keys are ignored. Raises CommandError."""
    build_filter = BuildFilter()
    for key in (key for key in options if key in FILTER_KEYS or key == "status"):
        for text in options[key]:
            build_filter = build_filter.model_copy(update=_parse_option(build_filter, key, text))
    return build_filter


def _parse_option(build_filter: BuildFilter, key: str, text: str) -> dict[str, object]:
    name = key.lstrip("-")
    if name in _PATTERN_KEYS:
        parse = {"by": parse_authors, "aborted": parse_abort_reasons}.get(name, parse_globs)
        patterns = parse(text, key=key)
        return {name: add_patterns(getattr(build_filter, name), patterns, exclude=key.startswith("-"))}
    field, parse_choices = _FILTER_CHOICES[name]
    return {field: getattr(build_filter, field) | parse_choices(text)}


def format_filter(build_filter: BuildFilter) -> list[tuple[str, str]]:
    """Return the options that describe the filter."""
    options: list[tuple[str, Sequence[str]]] = []
    for key in _PATTERN_KEYS:
        patterns = getattr(build_filter, key)
        options += [(key, patterns.include), (f"-{key}", patterns.exclude)]
    options += [
        ("status", [STATE_NAMES[state] for state in BuildState if state in build_filter.states]),
        ("event", [event.value for event in BuildTriggerEvent if event in build_filter.events]),
        ("pr", [str(number) for number in sorted(build_filter.pull_requests)]),
    ]
    return [(key, ",".join(values)) for key, values in options if values]
