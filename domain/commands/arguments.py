"""Reading single words: builds, times, states, events."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from domain.abort_reason import PHRASES
from domain.build import BuildState
from domain.build_filter import BuildTriggerEvent, GlobPatterns
from domain.commands.errors import CommandError
from domain.commands.shared_commands import BuildRef, TimeArgument
from domain.slack_ids import pattern_of

T = TypeVar("T")

_NUMBER = re.compile(r"#?(\d{1,9})$")
# 16 hex digits, or a UUID for newer builds (Bitrise's API of 2026)
_SLUG = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE)
_LINK = re.compile(
    r"(?:https?://)?(?:app|www)\.bitrise\.io/(?:app/(?P<app>[\w-]+)/)?build/(?P<build>[\w-]+)(?:[/?#].*)?$",
    re.IGNORECASE,
)
_AGO = re.compile(r"(\d{1,5})\s*(m|min|h|d|w)$", re.IGNORECASE)
# A mention as Slack writes it, or the bare id as the terms of a subscription are shown.
_MENTION = re.compile(
    rf"(?:<@|@(?=[UW](?:[A-Z0-9]{{4,}}|_[\w.:-]+|(?=.*[0-9])[A-Z0-9_.:-]{{4,}})$))({pattern_of('UW')})(?:(?:\|[^>]*)?>)?$",
    re.ASCII,
)
_KIND = re.compile(r"[a-z][a-z0-9-]{0,30}$")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STATES = {
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
STATES_TO_OFFER = "success, failed, aborted, aborted-with-success, running, on-hold"
_EVENTS = {
    "push": BuildTriggerEvent.PUSH,
    "pull-request": BuildTriggerEvent.PULL_REQUEST,
    "pr": BuildTriggerEvent.PULL_REQUEST,
    "tag": BuildTriggerEvent.TAG,
    "other": BuildTriggerEvent.OTHER,
}


def build_ref(text: str) -> BuildRef | None:
    """The build that the word names; None where it names none."""
    if match := _NUMBER.match(text):
        return BuildRef(number=int(match[1]))
    if _SLUG.match(text):
        return BuildRef(slug=text.lower())
    if match := _LINK.match(text):
        return BuildRef(slug=match["build"], app_slug=match["app"])
    return None


def moment(text: str, *, key: str) -> TimeArgument:
    """A time in UTC, or how long ago. Raises CommandError."""
    if match := _AGO.match(text.strip()):
        return TimeArgument(text=text, ago=timedelta(**{_UNITS[match[2].lower()]: int(match[1])}))
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandError(
            f"{key}:{text} is no time I can read: give a date, or how long ago.", example="builds since:2d"
        ) from None
    return TimeArgument(text=text, at=at if at.tzinfo else at.replace(tzinfo=UTC))


def states(text: str) -> frozenset[BuildState]:
    """States by the names that people use. Raises CommandError."""
    names = _listed(text, key="status", example="builds status:failed,aborted")
    return frozenset(
        _one(name, _STATES, f"I know no status {name}; there are {STATES_TO_OFFER}.") for name in names
    )


def events(text: str) -> frozenset[BuildTriggerEvent]:
    """What started builds. Raises CommandError."""
    names = _listed(text, key="event", example="builds event:pull-request")
    problem = "I know no event {}; there are push, pull-request, tag, other."
    return frozenset(_one(name, _EVENTS, problem.format(name)) for name in names)


def pull_requests(text: str) -> frozenset[int]:
    """Numbers of pull requests. Raises CommandError."""
    names = _listed(text, key="pr", example="builds pr:12")
    if wrong := [name for name in names if not _NUMBER.match(name)]:
        raise CommandError(f"pr:{wrong[0]} is no pull request's number.", example="builds pr:12")
    return frozenset(int(name.lstrip("#")) for name in names)


def globs(text: str, *, key: str) -> tuple[str, ...]:
    """Patterns split by commas. Raises CommandError."""
    return _listed(text, key=key, example=f"builds {key.lstrip('-')}:main,release/*")


def add(patterns: GlobPatterns, more: tuple[str, ...], *, exclude: bool) -> GlobPatterns:
    """The patterns with more of them, to include or to leave out."""
    if exclude:
        return patterns.model_copy(update={"exclude": patterns.exclude + more})
    return patterns.model_copy(update={"include": patterns.include + more})


def authors(text: str, *, key: str) -> tuple[str, ...]:
    """Whose builds: names as globs, `bot`, `@me`, or a mention as Slack writes it. Raises CommandError."""
    names = _listed(text, key=key, example="subscribe by:@me -by:bot")
    return tuple(f"@{match[1]}" if (match := _MENTION.match(name)) else _author(name) for name in names)


def _author(name: str) -> str:
    return "@me" if name.casefold() in ("me", "@me") else name.lstrip("@")


def kinds(text: str, *, key: str) -> tuple[str, ...]:
    """Kinds of aborts, own ones too, so that a name is not checked but only its shape. Raises CommandError."""
    example = "subscribe -aborted:no-changes,rolling-builds"
    found = tuple(name.casefold().replace("_", "-") for name in _listed(text, key=key, example=example))
    if wrong := [name for name in found if not _KIND.match(name)]:
        raise CommandError(
            f"{key}:{wrong[0]} is no kind of abort; there are {', '.join(PHRASES)}.", example=example
        )
    return found


def switch(text: str, *, key: str) -> bool:
    """On or off. Raises CommandError."""
    problem = f"{key}:{text} is neither on nor off."
    return _one(text, {"on": True, "yes": True, "off": False, "no": False}, problem, example="me mention:on")


def span(text: str, *, key: str) -> timedelta:
    """A length of time. Raises CommandError."""
    if (match := _AGO.match(text.strip())) and int(match[1]) > 0:
        return timedelta(**{_UNITS[match[2].lower()]: int(match[1])})
    raise CommandError(f"{key}:{text} is no length of time: write 15m or 2h.", example="subscribe running:1h")


def is_variable_name(name: str) -> bool:
    """Whether an environment variable can be called this."""
    return name.isidentifier() and name.isascii()


def variable_in(text: str) -> tuple[str, str] | None:
    """The name and value of an environment variable, written NAME=value; None for anything else."""
    name, equals, value = text.partition("=")
    return (name.strip(), value) if equals and is_variable_name(name.strip()) else None


def _listed(text: str, *, key: str, example: str) -> tuple[str, ...]:
    values = tuple(value for part in text.split(",") if (value := part.strip()))
    if not values:
        raise CommandError(f"{key}: needs something behind it.", example=example)
    return values


def _one(
    name: str, known: dict[str, T], problem: str, *, example: str = "builds status:failed event:push"
) -> T:
    found = known.get(name.casefold().replace("_", "-"))
    if found is None:
        raise CommandError(problem, example=example)
    return found


def one_of(name: str, known: dict[str, T], *, what: str, example: str) -> T:
    """What the name stands for. Raises CommandError, which lists the names."""
    return _one(name, known, f"I know no {what} {name}; there are {', '.join(known)}.", example=example)
