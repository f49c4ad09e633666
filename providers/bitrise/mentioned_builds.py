"""The builds that a message mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.commands.arguments import BuildRef
from providers.bitrise.arguments import parse_build_ref

MAX_BUILDS = 5
_LINK = re.compile(r"https?://[^\s<>|]+")
# Not the number of a pull request, and not part of a URL or word.
_NUMBER = re.compile(r"(?<!pull request )(?<!PR )(?<![\w/&])#(\d{1,9})\b")
_TEXTS = frozenset({"text", "fallback", "title", "pretext"})
_URLS = frozenset({"url", "from_url", "original_url", "title_link"})


def mentioned_builds(message: Mapping[str, Any]) -> list[BuildRef]:
    """Return the builds that a Slack message mentions, in order of mention, at most five.

    Links name a build exactly. Numbers count only if there is no link, since they need the channel's app.
    """
    texts = [*_strings(message)]
    refs = [ref for text in texts for url in _LINK.findall(text) if (ref := parse_build_ref(url))]
    if not refs:
        refs = [BuildRef(number=int(number)) for text in texts for number in _NUMBER.findall(text)]
    distinct = {ref.slug or ref.number: ref for ref in reversed(refs)}
    return [*reversed(distinct.values())][:MAX_BUILDS]


def _strings(value: Any, key: str = "") -> Iterator[str]:
    """Yield every text and URL in a message, including those of its blocks and attachments."""
    if isinstance(value, str) and key in _TEXTS | _URLS:
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
