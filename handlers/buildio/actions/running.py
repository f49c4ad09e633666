"""Buttons about commands: look at one before it runs, show others what it said."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands.buildio import RunCommand
from bot.messages import actions
from bot.messages.buildio import RunButton, ShareButton
from bot.provider import Provider
from handlers.actions.press import Press, Respond
from handlers.buildio import running
from handlers.buildio.actions.named import app_of
from handlers.caller import Answer
from handlers.finding import app_by_slug


async def _run(press: Press) -> None:
    app = await app_of(press)
    about = RunButton.decode(press.value)
    ask = RunCommand(dyno=about.dyno or None, command=about.command)
    await running.open_form(app, ask, press.caller)


async def _share(press: Press) -> Answer:
    about = ShareButton.decode(press.value)
    app = await app_by_slug(press.caller, about.app, Provider.BUILDIO)
    return await running.share(app, about, press.shown, press.caller)


ANSWERS: Mapping[str, Respond] = {actions.BUILDIO_RUN_SHARE: _share}
FORMS: Mapping[str, Respond] = {actions.BUILDIO_RUN: _run}
