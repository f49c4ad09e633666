"""Buttons about what groups apps: pipelines and namespaces."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands.buildio import ShowPipeline
from bot.messages import NotAButton, actions
from bot.messages.buildio import NamespaceForm, ThingButton
from handlers.actions.press import Press, Respond
from handlers.buildio import namespaces, pipelines
from handlers.caller import Answer


async def _pipeline(press: Press) -> Answer:
    return await pipelines.show(ShowPipeline(name=ThingButton.decode(press.value).name), press.caller)


async def _create_namespace(press: Press) -> Answer | None:
    return await namespaces.open_create(NamespaceForm(), press.caller)


async def _delete_namespace(press: Press) -> None:
    try:
        name: str | None = ThingButton.decode(press.value).name
    except NotAButton:
        name = None  # the person will say
    await namespaces.open_delete(name, press.caller)


ANSWERS: Mapping[str, Respond] = {actions.BUILDIO_PIPELINE_SHOW: _pipeline}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_NAMESPACE_CREATE: _create_namespace,
    actions.BUILDIO_NAMESPACE_DELETE: _delete_namespace,
}
