"""Buttons about commands: review one before it runs, share its output."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.processes import run_commands
from providers.buildio.processes.run_syntax import RunCommand
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import RunButton, ShareButton
from providers.buildio.shared.named_buttons import find_button_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _run(press: ButtonPress) -> None:
    app = await find_button_app(press)
    button = RunButton.decode(press.value)
    command = RunCommand(dyno=button.dyno or None, command=button.command)
    await run_commands.open_form(app, command, press.context)


async def _share(press: ButtonPress) -> Reply:
    button = ShareButton.decode(press.value)
    app = await app_by_slug(press.context, button.app, BUILDIO)
    return await run_commands.share(app, button, press.shown, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.RUN_SHARE: _share}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.RUN: _run}
