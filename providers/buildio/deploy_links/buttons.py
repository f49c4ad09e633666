"""Buttons of deploy links: deploy a build, remove a link."""

from __future__ import annotations

from collections.abc import Mapping

from messages.deploy_buttons import read_deploy_button
from messages.kit import action_ids as shared_action_ids
from providers.buildio import action_ids
from providers.buildio.deploy_links import commands
from services.request.button_press import ButtonHandler, ButtonPress, read_numbers
from services.request.context import Reply


async def _deploy(press: ButtonPress) -> Reply | None:
    return await commands.deploy(read_deploy_button(press.value, press.block), press.context)


async def _remove(press: ButtonPress) -> Reply:
    return await commands.remove_links_by_number(read_numbers(press), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    shared_action_ids.DEPLOY_BUILD: _deploy,
    action_ids.DEPLOY_LINK_REMOVE: _remove,
}
