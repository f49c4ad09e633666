"""Buttons about what groups apps: pipelines, namespaces, teams."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import ListApps
from messages.kit import action_ids
from messages.kit.button_values import NotAButton
from providers.buildio.apps import commands
from providers.buildio.apps.create_form import NamespaceForm
from providers.buildio.commands import ShowPipeline
from providers.buildio.namespaces import commands as namespace_commands
from providers.buildio.pipelines import commands as pipeline_commands
from providers.buildio.shared.button_values import AppsButton, ThingButton
from services.request.button_press import Press, Respond
from services.request.context import Answer


async def _pipeline(press: Press) -> Answer:
    return await pipeline_commands.show(ShowPipeline(name=ThingButton.decode(press.value).name), press.caller)


async def _apps_of_team(press: Press) -> Answer:
    about = AppsButton.decode(press.value)
    return await commands.list_apps(ListApps(page=about.page, team=about.team), press.caller)


async def _create_namespace(press: Press) -> Answer | None:
    return await namespace_commands.open_create(NamespaceForm(), press.caller)


async def _delete_namespace(press: Press) -> None:
    try:
        name: str | None = ThingButton.decode(press.value).name
    except NotAButton:
        name = None  # the person will say
    await namespace_commands.open_delete(name, press.caller)


ANSWERS: Mapping[str, Respond] = {
    action_ids.BUILDIO_PIPELINE_SHOW: _pipeline,
    action_ids.BUILDIO_APPS_PAGE: _apps_of_team,
}
FORMS: Mapping[str, Respond] = {
    action_ids.BUILDIO_NAMESPACE_CREATE: _create_namespace,
    action_ids.BUILDIO_NAMESPACE_DELETE: _delete_namespace,
}
