"""Shortcuts: start a build and find one from anywhere, and what a message speaks of."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.provider import Provider
from handlers.middleware import RequestTracker
from messages import notices
from providers.bitrise.build_mentions import mentioned_builds
from providers.bitrise.builds import open_forms
from services.container import Services
from services.features.builds import commands
from services.request.context import Reply, RequestContext
from services.request.error_messages import say_or_explain
from services.request.finder import UserError, find_build
from services.request.provider_check import ProviderNotConfigured, check_set_up
from services.request.view_responder import ViewResponder

START, FIND, ABOUT = "start_build", "find_build", "about_build"


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to the shortcuts of the manifest."""

    async def see_to(
        name: str, asked: Coroutine[Any, Any, Reply | None], context: RequestContext, *, form: bool
    ) -> None:
        async with listening.answering(name):
            # Each opens a form, which has three seconds for it, or shows builds.
            await say_or_explain(
                _at_bitrise(asked, context), ViewResponder(context, waits=not form), changes=False
            )

    @app.shortcut(START)
    async def start(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        context = RequestContext.in_body(body, services)
        await see_to(START, open_forms.open_start(context), context, form=True)

    @app.shortcut(FIND)
    async def find(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        context = RequestContext.in_body(body, services)
        await see_to(FIND, open_forms.open_find(context), context, form=True)

    @app.shortcut(ABOUT)
    async def about(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        context = RequestContext.in_body(body, services)
        await see_to(ABOUT, _about(body.get("message") or {}, context), context, form=False)


async def _at_bitrise(asked: Coroutine[Any, Any, Reply | None], context: RequestContext) -> Reply | None:
    """The same, where Bitrise is set up: all of these are about its builds. Raises ProviderNotConfigured."""
    try:
        check_set_up(Provider.BITRISE, context)
    except ProviderNotConfigured:
        asked.close()
        raise
    return await asked


async def _about(message: dict[str, Any], context: RequestContext) -> Reply:
    refs = mentioned_builds(message)
    if not refs:
        raise UserError("This message has no link to a Bitrise build, and no number such as #123.")
    cards = [await commands.card(*await find_build(context, None, ref), context) for ref in refs]
    return Reply(notices.below_each_other(cards), title="About this build")
