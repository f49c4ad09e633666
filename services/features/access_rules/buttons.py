"""Buttons of the list of access rules."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue, PolicyButton
from services.features.access_rules import commands
from services.features.access_rules.form import open_add_rule
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _add_rule(press: ButtonPress) -> None:
    about = PolicyButton.decode(press.value)
    await open_add_rule(press.context, about.provider, about.app)


async def _remove_rule(press: ButtonPress) -> Reply:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise InvalidButtonValue
    return await commands.remove(int(press.value), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.POLICY_REMOVE: _remove_rule}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.POLICY_ADD: _add_rule}
