"""Buttons for accounts, access rules and approvals."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import DisconnectAccount
from messages import accounts as message_accounts
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue, PolicyButton, ProposalButton
from services.actions import run
from services.features.access_rules import commands as access_rule_commands
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


async def _add_rule(press: ButtonPress) -> None:
    about = PolicyButton.decode(press.value)
    await access_rule_commands.open_modal(press.context, about.provider, about.app)


async def _remove_rule(press: ButtonPress) -> Reply:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise InvalidButtonValue
    return await access_rule_commands.remove(int(press.value), press.context)


async def _agree(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=True)


async def _decline(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=False)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DISCONNECT: _disconnect,
    action_ids.WIPE_TOKEN: _wipe,
    action_ids.POLICY_REMOVE: _remove_rule,
    action_ids.PROPOSAL_AGREE: _agree,
    action_ids.PROPOSAL_DECLINE: _decline,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.CONNECT: _connect,
    action_ids.POLICY_ADD: _add_rule,
}
