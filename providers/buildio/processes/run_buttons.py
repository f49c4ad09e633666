"""Buttons about commands: look at one before it runs, show others what it said."""

from __future__ import annotations

from collections.abc import Mapping

from domain.provider import Provider
from messages.kit import action_ids
from providers.buildio.commands import RunCommand
from providers.buildio.processes import run_commands
from providers.buildio.shared.button_values import RunButton, ShareButton
from providers.buildio.shared.named_buttons import find_button_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _run(press: ButtonPress) -> None:
    app = await find_button_app(press)
    about = RunButton.decode(press.value)
    ask = RunCommand(dyno=about.dyno or None, command=about.command)
    await run_commands.open_form(app, ask, press.context)


async def _share(press: ButtonPress) -> Reply:
    about = ShareButton.decode(press.value)
    app = await app_by_slug(press.context, about.app, Provider.BUILDIO)
    return await run_commands.share(app, about, press.shown, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.BUILDIO_RUN_SHARE: _share}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.BUILDIO_RUN: _run}
