"""Shortcuts: start or find a build from anywhere, and show the builds that a message mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.commands.arguments import BuildRef
from domain.commands.errors import UserError
from messages import notices
from providers.bitrise.builds import find_form, trigger_form
from providers.bitrise.links import parse_build_ref
from providers.bitrise.provider import BITRISE
from services.features.builds import commands
from services.request.context import Reply, RequestContext
from services.request.finder import find_build
from services.request.interactions import Shortcut

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


START, FIND, ABOUT = "start_build", "find_build", "about_build"


async def _open_start_form(_message: Mapping[str, Any], context: RequestContext) -> None:
    context.check_configured(BITRISE)
    await trigger_form.open_start(context)


async def _open_find_form(_message: Mapping[str, Any], context: RequestContext) -> None:
    context.check_configured(BITRISE)
    await find_form.open_find(context)


async def _show_mentioned_builds(message: Mapping[str, Any], context: RequestContext) -> Reply:
    context.check_configured(BITRISE)
    refs = mentioned_builds(message)
    if not refs:
        raise UserError("This message has no link to a Bitrise build, and no number such as #123.")
    cards = [await commands.card(*await find_build(context, None, ref, BITRISE), context) for ref in refs]
    return Reply(notices.join_messages(cards), title="About this build")


SHORTCUTS: Mapping[str, Shortcut] = {
    START: Shortcut(_open_start_form),
    FIND: Shortcut(_open_find_form),
    ABOUT: Shortcut(_show_mentioned_builds, opens_form=False),
}
