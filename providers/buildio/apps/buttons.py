"""Buttons of app cards, lists and forms."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import ListApps
from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.apps import commands
from providers.buildio.apps.create import CreateAppForm, CreateForm
from providers.buildio.deploys import commands as deploy_commands
from providers.buildio.deploys.form import Deploy
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import (
    BuildioAppListButton,
    OptionalAppButton,
    RedeployButton,
)
from providers.buildio.shared.lookup import find_button_app, on_app
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _refresh(press: ButtonPress) -> None:
    app = await find_button_app(press)
    if await notification_buttons.refresh(press):
        return  # a notification is updated as such
    await press.responder.replace_original(await commands.card(app, press.context))


async def _list_page(press: ButtonPress) -> Reply:
    button = BuildioAppListButton.decode(press.value)
    return await commands.list_apps(ListApps(page=button.page, team=button.team), press.context)


async def _create(press: ButtonPress) -> Reply | None:
    return await CreateAppForm.create(CreateForm(), press.context)


async def _deploy(press: ButtonPress) -> Reply | None:
    app_slug = OptionalAppButton.decode(press.value).app
    app = await app_by_slug(press.context, app_slug, BUILDIO) if app_slug else None
    return await deploy_commands.open_form(app, press.context, previous=_source(press))


def _source(press: ButtonPress) -> Deploy | None:
    """Return the branch and commit of the deployment whose message has the button; None in other messages."""
    try:
        button = RedeployButton.decode(press.value)
    except InvalidButtonValue:
        return None
    return Deploy(branch=button.branch or None, commit=button.commit or None)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.APP: on_app(commands.reply_with_card),
    action_ids.REFRESH: _refresh,
    action_ids.APPS_PAGE: _list_page,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.CREATE: _create,
    action_ids.DEPLOY: _deploy,
}
