"""Reading filters: which builds are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.build_filter import BuildFilter
from domain.commands import arguments

_NAMES = ("branch", "target", "tag", "workflow", "by", "aborted")
KEYS = (*_NAMES, *(f"-{name}" for name in _NAMES), "event", "pr")
_CHOICES: dict[str, tuple[str, Callable[[str], frozenset[Any]]]] = {
    "status": ("states", arguments.states),
    "event": ("events", arguments.events),
    "pr": ("pull_requests", arguments.pull_requests),
}


def read(keyed: Mapping[str, Sequence[str]]) -> BuildFilter:
    """The filter that the words ask for, by the words' keys; other keys say nothing here. Raises CommandError."""
    wanted = BuildFilter()
    for key in (key for key in keyed if key in KEYS or key == "status"):
        for text in keyed[key]:
            wanted = wanted.model_copy(update=_part(wanted, key, text))
    return wanted


def _part(wanted: BuildFilter, key: str, text: str) -> dict[str, object]:
    name = key.lstrip("-")
    if name in _NAMES:
        read = {"by": arguments.authors, "aborted": arguments.kinds}.get(name, arguments.globs)
        more = read(text, key=key)
        return {name: arguments.add(getattr(wanted, name), more, exclude=key.startswith("-"))}
    field, choices = _CHOICES[name]
    return {field: getattr(wanted, field) | choices(text)}
