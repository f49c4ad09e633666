"""Buttons for accounts."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import DisconnectAccount
from messages import accounts as message_accounts
from messages.kit import action_ids
from services.features.accounts import commands
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _connect(press: ButtonPress) -> None:
    await commands.open_modal(press.context, message_accounts.read_provider(press.value))


async def _disconnect(press: ButtonPress) -> Reply:
    return await commands.disconnect(
        DisconnectAccount(), press.context, message_accounts.read_provider(press.value)
    )


async def _wipe(press: ButtonPress) -> Reply:
    return await commands.wipe(press.context, message_accounts.read_provider(press.value))


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DISCONNECT: _disconnect,
    action_ids.WIPE_TOKEN: _wipe,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.CONNECT: _connect,
}
