"""Buttons about processes: on an app's card, in notifications, in their list."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.processes import commands
from providers.buildio.processes.restart_form import RestartForm
from providers.buildio.shared.button_values import DynoButton, OptionalAppButton
from providers.buildio.shared.lookup import find_button_app, on_app, refresh_with
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _restart_one(press: ButtonPress) -> Reply | None:
    app = await find_button_app(press)
    return await commands.restart_one(app, DynoButton.decode(press.value).dyno, press.context)


async def _open_restart_form(press: ButtonPress) -> Reply | None:
    form = RestartForm(dyno=OptionalAppButton.decode(press.value).dyno or None)
    return await commands.open_form(await find_button_app(press), form, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PS: on_app(commands.reply_with_list),
    action_ids.PS_REFRESH: refresh_with(commands.build_list),
    action_ids.RESTART_ONE: _restart_one,
    action_ids.RESTART_ALL: on_app(commands.restart_all),
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.RESTART: _open_restart_form,
}
