"""Readers for the arguments of a Web API method: text, JSON, numbers, timestamps and cursors. Pure; no I/O.

Any input is safe: an invalid argument raises SlackError with Slack's own error name.
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


def read_text(arguments: Arguments, name: str) -> str:
    """Return a text argument; "" if it is missing. Raises SlackError for a list or an object."""
    value = arguments.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise SlackError("invalid_arguments", f"must be a string [json-pointer:/{name}]")
    return str(value)


def read_required_text(arguments: Arguments, name: str, error: str) -> str:
    """Return a required text argument. Raises SlackError with this error if it is missing."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise SlackError(error)
    return value


def read_flag(arguments: Arguments, name: str) -> bool:
    """Return a boolean argument, from a form or from JSON."""
    value = arguments.get(name)
    return str(value).lower() in ("1", "true")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON as Slack does: no NaN, no lone surrogates. Raises ValueError."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def read_json(arguments: Arguments, name: str) -> Any:
    """Return a structured argument: JSON text in a form, or a value in a JSON body. Raises SlackError."""
    value = arguments.get(name)
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        error = f"invalid_{name}_format" if name in ("blocks", "metadata") else "invalid_arguments"
        raise SlackError(error, f"{name} isn't valid JSON") from None


def read_timestamp(arguments: Arguments, name: str, error: str) -> float | None:
    """Return a message timestamp; None if it is missing. Raises SlackError with this error."""
    value = read_text(arguments, name)
    if not value:
        return None
    if not _TIMESTAMP.match(value):
        raise SlackError(error)
    return float(value)


def read_integer(
    arguments: Arguments, name: str, default: int, *, maximum: int, error: str = "invalid_limit"
) -> int:
    """Return an integer from 1 to `most`. Raises SlackError with this error."""
    value = read_text(arguments, name)
    if not value:
        return default
    if not _NUMBER.match(value) or not 1 <= int(value) <= maximum:
        raise SlackError(error)
    return int(value)


def paginate(
    items: Sequence[T], arguments: Arguments, *, default: int = 100, maximum: int = 999
) -> tuple[list[T], str]:
    """Return the page of a list that `cursor` and `limit` select, and the next cursor, "" at the end.

    Raises SlackError.
    """
    limit, start = read_integer(arguments, "limit", default, maximum=maximum), _start(arguments)
    more = start + limit < len(items)
    return list(items[start : start + limit]), f"at:{start + limit}" if more else ""


def _start(arguments: Arguments) -> int:
    cursor = read_text(arguments, "cursor")
    if not cursor:
        return 0
    name, _, position = cursor.partition(":")
    if name != "at" or not _NUMBER.match(position):
        raise SlackError("invalid_cursor")
    return int(position)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} isn't valid JSON")
