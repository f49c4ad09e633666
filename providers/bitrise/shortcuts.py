"""Shortcuts: start or find a build from anywhere, and show the builds that a message mentions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.commands.errors import UserError
from messages import notices
from providers.bitrise.builds import find_form, trigger_form
from providers.bitrise.mentioned_builds import mentioned_builds
from providers.bitrise.provider import BITRISE
from services.features.builds import commands
from services.features.dispatch import check_configured
from services.request.context import Reply, RequestContext
from services.request.finder import find_build
from services.request.interactions import Shortcut

START, FIND, ABOUT = "start_build", "find_build", "about_build"


async def _open_start_form(_message: Mapping[str, Any], context: RequestContext) -> None:
    check_configured(BITRISE, context)
    await trigger_form.open_start(context)


async def _open_find_form(_message: Mapping[str, Any], context: RequestContext) -> None:
    check_configured(BITRISE, context)
    await find_form.open_find(context)


async def _show_mentioned_builds(message: Mapping[str, Any], context: RequestContext) -> Reply:
    check_configured(BITRISE, context)
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
