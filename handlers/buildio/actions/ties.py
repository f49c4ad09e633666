"""Buttons about what a channel has tied together: deploying a build, untying."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import actions, read_offer
from handlers.actions.press import Press, Respond, numbers_in
from handlers.buildio import ties
from handlers.caller import Answer


async def _deploy(press: Press) -> Answer | None:
    return await ties.deploy(read_offer(press.value, press.block), press.caller)


async def _untie(press: Press) -> Answer:
    return await ties.untie_numbers(numbers_in(press), press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_OFFER: _deploy,
    actions.BUILDIO_UNTIE: _untie,
}
FORMS: Mapping[str, Respond] = {}
