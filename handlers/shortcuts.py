"""Shortcuts: start a build and find one from anywhere, and what a message speaks of."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.provider import Provider
from handlers.middleware import Listening
from messages import notices
from providers.bitrise.build_mentions import mentioned_builds
from providers.bitrise.builds import open_forms
from services.container import Desk
from services.features.builds import commands
from services.request.context import Answer, Caller
from services.request.error_messages import say_or_explain
from services.request.finder import NotNamed, find_build
from services.request.provider_check import NotSetUp, check_set_up
from services.request.view_responder import ToPane

START, FIND, ABOUT = "start_build", "find_build", "about_build"


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to the shortcuts of the manifest."""

    async def see_to(
        name: str, asked: Coroutine[Any, Any, Answer | None], caller: Caller, *, form: bool
    ) -> None:
        async with listening.answering(name):
            # Each opens a form, which has three seconds for it, or shows builds.
            await say_or_explain(_at_bitrise(asked, caller), ToPane(caller, waits=not form), changes=False)

    @app.shortcut(START)
    async def start(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        caller = Caller.in_body(body, desk)
        await see_to(START, open_forms.open_start(caller), caller, form=True)

    @app.shortcut(FIND)
    async def find(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        caller = Caller.in_body(body, desk)
        await see_to(FIND, open_forms.open_find(caller), caller, form=True)

    @app.shortcut(ABOUT)
    async def about(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        caller = Caller.in_body(body, desk)
        await see_to(ABOUT, _about(body.get("message") or {}, caller), caller, form=False)


async def _at_bitrise(asked: Coroutine[Any, Any, Answer | None], caller: Caller) -> Answer | None:
    """The same, where Bitrise is set up: all of these are about its builds. Raises NotSetUp."""
    try:
        check_set_up(Provider.BITRISE, caller)
    except NotSetUp:
        asked.close()
        raise
    return await asked


async def _about(message: dict[str, Any], caller: Caller) -> Answer:
    refs = mentioned_builds(message)
    if not refs:
        raise NotNamed("This message has no link to a Bitrise build, and no number such as #123.")
    cards = [await commands.card(*await find_build(caller, None, ref), caller) for ref in refs]
    return Answer(notices.below_each_other(cards), title="About this build")
