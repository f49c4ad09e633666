"""Buttons about processes: on an app's card, on what was told of one, in their list."""

from __future__ import annotations

from collections.abc import Mapping

from bot.build import App
from bot.messages import actions
from bot.messages.buildio import AppButton, DynoButton, MaybeAppButton, RestartForm
from bot.provider import Provider
from handlers.actions.press import Press, Respond
from handlers.buildio import processes
from handlers.caller import Answer
from handlers.finding import app_by_slug


async def _list(press: Press) -> Answer:
    return Answer(await processes.shown(await _app(press), press.caller), title=processes.TITLE)


async def _refresh(press: Press) -> None:
    await press.say.instead(await processes.shown(await _app(press), press.caller))


async def _restart_one(press: Press) -> Answer:
    app = await _app(press)
    return await processes.restart_one(app, DynoButton.decode(press.value).dyno, press.caller)


async def _restart_all(press: Press) -> Answer:
    return await processes.restart_all(await _app(press), press.caller)


async def _ask(press: Press) -> None:
    form = RestartForm(dyno=MaybeAppButton.decode(press.value).dyno or None)
    await processes.open_form(await _app(press), form, press.caller)


async def _app(press: Press) -> App:
    """The app that the button names. Raises NotAButton, ProviderError."""
    return await app_by_slug(press.caller, AppButton.decode(press.value).app, Provider.BUILDIO)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_PS: _list,
    actions.BUILDIO_PS_REFRESH: _refresh,
    actions.BUILDIO_RESTART_ONE: _restart_one,
    actions.BUILDIO_RESTART_ALL: _restart_all,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_RESTART: _ask,
}
