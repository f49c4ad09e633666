"""Reading a method's arguments: text, JSON, numbers, times and cursors. Pure; no I/O.

Nothing that an app may send breaks a reader here: what can't be read is a SlackError with Slack's own word for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sandbox.slack.validation import SlackError

Arguments = Mapping[str, Any]
T = TypeVar("T")

_TIMESTAMP = re.compile(r"\d{1,12}(\.\d{1,9})?\Z", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}\Z", re.ASCII)


def text(arguments: Arguments, name: str) -> str:
    """An argument that is a text; "" where it is missing. Raises SlackError for a list or an object."""
    value = arguments.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise SlackError("invalid_arguments", f"must be a string [json-pointer:/{name}]")
    return str(value)


def needed(arguments: Arguments, name: str, error: str) -> str:
    """A text that may not be missing. Raises SlackError with this error."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise SlackError(error)
    return value


def flag(arguments: Arguments, name: str, *, default: bool = False) -> bool:
    """A boolean, as forms and JSON have it."""
    value = arguments.get(name)
    return default if value is None else str(value).lower() in ("1", "true")


def parse_json(given: str | bytes) -> Any:
    """JSON as Slack reads it: no NaN, no lone surrogates. Raises ValueError."""
    try:
        value = json.loads(given, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def structure(arguments: Arguments, name: str) -> Any:
    """An argument that comes as JSON text in a form, or as it is in a JSON body. Raises SlackError."""
    value = arguments.get(name)
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        error = f"invalid_{name}_format" if name in ("blocks", "metadata") else "invalid_arguments"
        raise SlackError(error, f"{name} is no JSON") from None


def timestamp(arguments: Arguments, name: str, error: str) -> float | None:
    """A message's time; None where it is missing. Raises SlackError with this error."""
    given = text(arguments, name)
    if not given:
        return None
    if not _TIMESTAMP.match(given):
        raise SlackError(error)
    return float(given)


def whole_number(
    arguments: Arguments, name: str, default: int, *, most: int, error: str = "invalid_limit"
) -> int:
    """A whole number from 1 to `most`. Raises SlackError with this error."""
    given = text(arguments, name)
    if not given:
        return default
    if not _NUMBER.match(given) or not 1 <= int(given) <= most:
        raise SlackError(error)
    return int(given)


def page(
    found: Sequence[T], arguments: Arguments, *, default: int = 100, most: int = 999
) -> tuple[list[T], str]:
    """The part of a list that is asked for by `cursor` and `limit`, and the next cursor, "" at the end.

    Raises SlackError.
    """
    limit, start = whole_number(arguments, "limit", default, most=most), _start(arguments)
    more = start + limit < len(found)
    return list(found[start : start + limit]), f"at:{start + limit}" if more else ""


def _start(arguments: Arguments) -> int:
    cursor = text(arguments, "cursor")
    if not cursor:
        return 0
    name, _, place = cursor.partition(":")
    if name != "at" or not _NUMBER.match(place):
        raise SlackError("invalid_cursor")
    return int(place)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
