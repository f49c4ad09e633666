"""Buttons about groups of apps: pipelines, namespaces, teams."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import ListApps
from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.apps import commands
from providers.buildio.apps.create_form import NamespaceForm
from providers.buildio.commands import ShowPipeline
from providers.buildio.namespaces import commands as namespace_commands
from providers.buildio.pipelines import commands as pipeline_commands
from providers.buildio.shared.button_values import BuildioAppListButton, ResourceButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _pipeline(press: ButtonPress) -> Reply:
    return await pipeline_commands.show(
        ShowPipeline(name=ResourceButton.decode(press.value).name), press.context
    )


async def _apps_of_team(press: ButtonPress) -> Reply:
    button = BuildioAppListButton.decode(press.value)
    return await commands.list_apps(ListApps(page=button.page, team=button.team), press.context)


async def _create_namespace(press: ButtonPress) -> Reply | None:
    return await namespace_commands.open_create(NamespaceForm(), press.context)


async def _delete_namespace(press: ButtonPress) -> None:
    try:
        name: str | None = ResourceButton.decode(press.value).name
    except InvalidButtonValue:
        name = None  # the form asks for it
    await namespace_commands.open_delete(name, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PIPELINE_SHOW: _pipeline,
    action_ids.APPS_PAGE: _apps_of_team,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.NAMESPACE_CREATE: _create_namespace,
    action_ids.NAMESPACE_DELETE: _delete_namespace,
}
