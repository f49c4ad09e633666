"""Buttons about processes: on an app's card, in notifications, in their list."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.processes import commands
from providers.buildio.processes.restart_form import RestartForm
from providers.buildio.shared.button_values import DynoButton, OptionalAppButton
from providers.buildio.shared.named_buttons import find_button_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _list(press: ButtonPress) -> Reply:
    return Reply(await commands.build_list(await find_button_app(press), press.context), title=commands.TITLE)


async def _refresh(press: ButtonPress) -> None:
    await press.responder.replace_original(
        await commands.build_list(await find_button_app(press), press.context)
    )


async def _restart_one(press: ButtonPress) -> Reply | None:
    app = await find_button_app(press)
    return await commands.restart_one(app, DynoButton.decode(press.value).dyno, press.context)


async def _restart_all(press: ButtonPress) -> Reply | None:
    return await commands.restart_all(await find_button_app(press), press.context)


async def _open_restart_form(press: ButtonPress) -> None:
    form = RestartForm(dyno=OptionalAppButton.decode(press.value).dyno or None)
    await commands.open_form(await find_button_app(press), form, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PS: _list,
    action_ids.PS_REFRESH: _refresh,
    action_ids.RESTART_ONE: _restart_one,
    action_ids.RESTART_ALL: _restart_all,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.RESTART: _open_restart_form,
}
