"""Buttons that open the forms of apps."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import actions
from bot.messages.buildio import CreateForm, MaybeAppButton
from bot.provider import Provider
from handlers.actions.press import Press, Respond
from handlers.buildio import creating, deploying
from handlers.caller import Answer
from handlers.finding import app_by_slug


async def _create(press: Press) -> Answer | None:
    return await creating.open_form(CreateForm(), press.caller)


async def _deploy(press: Press) -> Answer | None:
    named = MaybeAppButton.decode(press.value).app
    app = await app_by_slug(press.caller, named, Provider.BUILDIO) if named else None
    return await deploying.open_form(app, press.caller)


ANSWERS: Mapping[str, Respond] = {}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_CREATE: _create,
    actions.BUILDIO_DEPLOY: _deploy,
}
