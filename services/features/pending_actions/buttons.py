"""Buttons of a request for approval."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit import action_ids
from messages.kit.button_values import ProposalButton
from services.actions import run
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _agree(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=True)


async def _decline(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=False)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PROPOSAL_AGREE: _agree,
    action_ids.PROPOSAL_DECLINE: _decline,
}
