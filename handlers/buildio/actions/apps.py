"""Buttons about apps: their cards, and their forms."""

from __future__ import annotations

from collections.abc import Mapping

from bot.build import App
from bot.commands.buildio import Deploy
from bot.messages import BuildioButton, NotAButton, actions
from bot.messages.buildio import CreateForm, MaybeAppButton
from bot.messages.buttons import RedeployButton
from bot.provider import Provider
from handlers import cards
from handlers.actions.press import Press, Respond
from handlers.buildio import apps, creating, deploying
from handlers.caller import Answer
from handlers.finding import app_by_slug


async def _app(press: Press) -> Answer:
    return Answer(await apps.card(await _found(press), press.caller), title=apps.TITLE)


async def _refresh(press: Press) -> None:
    app = await _found(press)
    if await cards.refresh(press.on, press.caller):
        return  # a message of a subscription is brought up to date as it is
    await press.say.instead(await apps.card(app, press.caller))


async def _create(press: Press) -> Answer | None:
    return await creating.open_form(CreateForm(), press.caller)


async def _deploy(press: Press) -> Answer | None:
    named = MaybeAppButton.decode(press.value).app
    app = await app_by_slug(press.caller, named, Provider.BUILDIO) if named else None
    return await deploying.open_form(app, press.caller, again=_source(press))


def _source(press: Press) -> Deploy | None:
    """The branch and commit of the deployment that the button stands below; None where it stands elsewhere."""
    try:
        about = RedeployButton.decode(press.value)
    except NotAButton:
        return None
    return Deploy(branch=about.branch or None, commit=about.commit or None)


async def _found(press: Press) -> App:
    """The app that a pressed button names. Raises NotAButton, ProviderError."""
    return await app_by_slug(press.caller, BuildioButton.decode(press.value).app, Provider.BUILDIO)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_APP: _app,
    actions.BUILDIO_REFRESH: _refresh,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_CREATE: _create,
    actions.BUILDIO_DEPLOY: _deploy,
}
