"""Buttons about apps: their cards, and their forms."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import App
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from providers.buildio.apps import commands, create
from providers.buildio.apps.create_form import CreateForm
from providers.buildio.commands import Deploy
from providers.buildio.deploys import commands as deploy_commands
from providers.buildio.shared.button_values import BuildioButton, OptionalAppButton, RedeployButton
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _app(press: ButtonPress) -> Reply:
    return Reply(await commands.card(await _found(press), press.context), title=commands.TITLE)


async def _refresh(press: ButtonPress) -> None:
    app = await _found(press)
    if await notification_buttons.refresh(press.message, press.context):
        return  # a message of a subscription is brought up to date as it is
    await press.responder.replace_original(await commands.card(app, press.context))


async def _create(press: ButtonPress) -> Reply | None:
    return await create.open_form(CreateForm(), press.context)


async def _deploy(press: ButtonPress) -> Reply | None:
    named = OptionalAppButton.decode(press.value).app
    app = await app_by_slug(press.context, named, Provider.BUILDIO) if named else None
    return await deploy_commands.open_form(app, press.context, again=_source(press))


def _source(press: ButtonPress) -> Deploy | None:
    """The branch and commit of the deployment that the button stands below; None where it stands elsewhere."""
    try:
        about = RedeployButton.decode(press.value)
    except InvalidButtonValue:
        return None
    return Deploy(branch=about.branch or None, commit=about.commit or None)


async def _found(press: ButtonPress) -> App:
    """The app that a pressed button names. Raises InvalidButtonValue, ProviderError."""
    return await app_by_slug(press.context, BuildioButton.decode(press.value).app, Provider.BUILDIO)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILDIO_APP: _app,
    action_ids.BUILDIO_REFRESH: _refresh,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILDIO_CREATE: _create,
    action_ids.BUILDIO_DEPLOY: _deploy,
}
