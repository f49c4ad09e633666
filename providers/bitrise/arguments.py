"""Parsing of the arguments that only Bitrise's commands have."""

from __future__ import annotations

import re

from domain.commands.arguments import BuildRef

_NUMBER = re.compile(r"#?(\d{1,9})$")
# 16 hex digits, or a UUID for newer builds (Bitrise's API of 2026)
_SLUG = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE)
_LINK = re.compile(
    r"(?:https?://)?(?:app|www)\.bitrise\.io/(?:app/(?P<app>[\w-]+)/)?build/(?P<build>[\w-]+)(?:[/?#].*)?$",
    re.IGNORECASE,
)


def parse_build_ref(text: str) -> BuildRef | None:
    """Return the build that the text names by number, slug or link; None if it names none."""
    if match := _NUMBER.match(text):
        return BuildRef(number=int(match[1]))
    if _SLUG.match(text):
        return BuildRef(slug=text.lower())
    if match := _LINK.match(text):
        return BuildRef(slug=match["build"], app_slug=match["app"])
    return None
