"""Buttons about what groups apps: pipelines, namespaces, teams."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands import ListApps
from bot.commands.buildio import ShowPipeline
from bot.messages import NotAButton, actions
from bot.messages.buildio import AppsButton, NamespaceForm, ThingButton
from handlers.actions.press import Press, Respond
from handlers.buildio import apps, namespaces, pipelines
from handlers.caller import Answer


async def _pipeline(press: Press) -> Answer:
    return await pipelines.show(ShowPipeline(name=ThingButton.decode(press.value).name), press.caller)


async def _apps_of_team(press: Press) -> Answer:
    about = AppsButton.decode(press.value)
    return await apps.list_apps(ListApps(page=about.page, team=about.team), press.caller)


async def _create_namespace(press: Press) -> Answer | None:
    return await namespaces.open_create(NamespaceForm(), press.caller)


async def _delete_namespace(press: Press) -> None:
    try:
        name: str | None = ThingButton.decode(press.value).name
    except NotAButton:
        name = None  # the person will say
    await namespaces.open_delete(name, press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_PIPELINE_SHOW: _pipeline,
    actions.BUILDIO_APPS_PAGE: _apps_of_team,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_NAMESPACE_CREATE: _create_namespace,
    actions.BUILDIO_NAMESPACE_DELETE: _delete_namespace,
}
