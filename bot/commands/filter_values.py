"""Reading filters: which builds are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.commands import values
from bot.filters import BuildFilter

_NAMES = ("branch", "target", "tag", "workflow", "by", "aborted")
KEYS = (*_NAMES, *(f"-{name}" for name in _NAMES), "event", "pr")
_CHOICES: dict[str, tuple[str, Callable[[str], frozenset[Any]]]] = {
    "status": ("states", values.states),
    "event": ("events", values.events),
    "pr": ("pull_requests", values.pull_requests),
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
        read = {"by": values.authors, "aborted": values.kinds}.get(name, values.globs)
        more = read(text, key=key)
        return {name: values.add(getattr(wanted, name), more, exclude=key.startswith("-"))}
    field, choices = _CHOICES[name]
    return {field: getattr(wanted, field) | choices(text)}
