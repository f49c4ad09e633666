"""Buttons about accounts, rules, and what somebody else must agree to."""

from __future__ import annotations

from collections.abc import Mapping

from bot import messages
from bot.commands import Disconnect
from bot.messages import NotAButton, PolicyButton, ProposalButton, actions
from handlers import doing
from handlers.actions.press import Press, Respond
from handlers.answers import accounts, policies
from handlers.caller import Answer


async def _connect(press: Press) -> None:
    await accounts.open_modal(press.caller, messages.read_provider(press.value))


async def _disconnect(press: Press) -> Answer:
    return await accounts.disconnect(Disconnect(), press.caller, messages.read_provider(press.value))


async def _wipe(press: Press) -> Answer:
    return await accounts.wipe(press.caller, messages.read_provider(press.value))


async def _add_rule(press: Press) -> None:
    about = PolicyButton.decode(press.value)
    await policies.open_modal(press.caller, about.provider, about.app)


async def _remove_rule(press: Press) -> Answer:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise NotAButton
    return await policies.remove(int(press.value), press.caller)


async def _agree(press: Press) -> Answer | None:
    return await doing.decide(ProposalButton.decode(press.value), press.caller, agreed=True)


async def _decline(press: Press) -> Answer | None:
    return await doing.decide(ProposalButton.decode(press.value), press.caller, agreed=False)


ANSWERS: Mapping[str, Respond] = {
    actions.DISCONNECT: _disconnect,
    actions.WIPE_TOKEN: _wipe,
    actions.POLICY_REMOVE: _remove_rule,
    actions.PROPOSAL_AGREE: _agree,
    actions.PROPOSAL_DECLINE: _decline,
}
FORMS: Mapping[str, Respond] = {
    actions.CONNECT: _connect,
    actions.POLICY_ADD: _add_rule,
}
