"""Shortcuts: start a build and find one from anywhere, and show the builds that a message mentions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.provider import Provider
from messages import notices
from providers.bitrise.build_mentions import mentioned_builds
from providers.bitrise.builds import open_forms
from services.features.builds import commands
from services.request.context import Reply, RequestContext
from services.request.finder import UserError, find_build
from services.request.interactions import Shortcut
from services.request.provider_check import check_configured

START, FIND, ABOUT = "start_build", "find_build", "about_build"


async def _start(_message: Mapping[str, Any], context: RequestContext) -> None:
    check_configured(Provider.BITRISE, context)
    await open_forms.open_start(context)


async def _find(_message: Mapping[str, Any], context: RequestContext) -> None:
    check_configured(Provider.BITRISE, context)
    await open_forms.open_find(context)


async def _about(message: Mapping[str, Any], context: RequestContext) -> Reply:
    check_configured(Provider.BITRISE, context)
    refs = mentioned_builds(message)
    if not refs:
        raise UserError("This message has no link to a Bitrise build, and no number such as #123.")
    cards = [
        await commands.card(*await find_build(context, None, ref, Provider.BITRISE), context) for ref in refs
    ]
    return Reply(notices.join_messages(cards), title="About this build")


SHORTCUTS: Mapping[str, Shortcut] = {
    START: Shortcut(_start),
    FIND: Shortcut(_find),
    ABOUT: Shortcut(_about, opens_form=False),
}
