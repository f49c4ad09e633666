"""Buttons about processes: on an app's card, on what was told of one, in their list."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import actions
from bot.messages.buildio import DynoButton, MaybeAppButton, RestartForm
from handlers.actions.press import Press, Respond
from handlers.buildio import processes
from handlers.buildio.actions.named import app_of
from handlers.caller import Answer


async def _list(press: Press) -> Answer:
    return Answer(await processes.shown(await app_of(press), press.caller), title=processes.TITLE)


async def _refresh(press: Press) -> None:
    await press.say.instead(await processes.shown(await app_of(press), press.caller))


async def _restart_one(press: Press) -> Answer | None:
    app = await app_of(press)
    return await processes.restart_one(app, DynoButton.decode(press.value).dyno, press.caller)


async def _restart_all(press: Press) -> Answer | None:
    return await processes.restart_all(await app_of(press), press.caller)


async def _ask(press: Press) -> None:
    form = RestartForm(dyno=MaybeAppButton.decode(press.value).dyno or None)
    await processes.open_form(await app_of(press), form, press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_PS: _list,
    actions.BUILDIO_PS_REFRESH: _refresh,
    actions.BUILDIO_RESTART_ONE: _restart_one,
    actions.BUILDIO_RESTART_ALL: _restart_all,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_RESTART: _ask,
}
