"""The builds that a message speaks of. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.commands.arguments import build_ref
from domain.commands.shared_commands import BuildRef

MOST = 5
_LINK = re.compile(r"https?://[^\s<>|]+")
# Not of a pull request, and no part of an address or word.
_NUMBER = re.compile(r"(?<!pull request )(?<!PR )(?<![\w/&])#(\d{1,9})\b")
_TEXTS = frozenset({"text", "fallback", "title", "pretext"})
_ADDRESSES = frozenset({"url", "from_url", "original_url", "title_link"})


def mentioned_builds(message: Mapping[str, Any]) -> list[BuildRef]:
    """The builds of a message as Slack sends it, in the order of mention, at most five.

    Links say which build they mean; numbers only count where there is no link, since they need the channel's app.
    """
    texts = [*_strings(message)]
    linked = [ref for text in texts for address in _LINK.findall(text) if (ref := build_ref(address))]
    if not linked:
        linked = [BuildRef(number=int(number)) for text in texts for number in _NUMBER.findall(text)]
    found = {ref.slug or ref.number: ref for ref in reversed(linked)}
    return [*reversed(found.values())][:MOST]


def _strings(value: Any, key: str = "") -> Iterator[str]:
    """Every text and address in a message; the text first, then what its blocks and attachments say."""
    if isinstance(value, str) and key in _TEXTS | _ADDRESSES:
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
