"""Buttons about config vars: on their list, on an app's card, on what was shown for a minute."""

from __future__ import annotations

from collections.abc import Mapping

from bot.buildio import Environment
from bot.messages import actions
from bot.messages.buildio import GrantButton, RemoveVarsButton, VarsButton
from bot.provider import Provider
from handlers.actions.press import Press, Respond
from handlers.buildio import config, revealing
from handlers.buildio.variables import OfApp, OfEnvironment, Vars
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug


async def _list(press: Press) -> Answer:
    return await config.listing(await _meant(VarsButton.decode(press.value), press.caller), press.caller)


async def _refresh(press: Press) -> None:
    its = await _meant(VarsButton.decode(press.value), press.caller)
    await press.say.instead(await config.listed(its, press.caller))


async def _reveal(press: Press) -> Answer | None:
    button = VarsButton.decode(press.value)
    return await revealing.pressed(await _meant(button, press.caller), button, press)


async def _reveal_granted(press: Press) -> Answer | None:
    button = GrantButton.decode(press.value)
    return await revealing.pressed(await _meant(button, press.caller), button, press)


async def _set(press: Press) -> Answer | None:
    button = VarsButton.decode(press.value)
    return await config.ask_for_values(await _meant(button, press.caller), button.key, press.caller)


async def _unset(press: Press) -> None:
    await config.ask_for_keys(await _meant(VarsButton.decode(press.value), press.caller), press.caller)


async def _remove(press: Press) -> Answer | None:
    button = RemoveVarsButton.decode(press.value)
    return await config.remove(await _meant(button.of, press.caller), button.keys, press.caller)


async def _meant(button: VarsButton, caller: Caller) -> Vars:
    """Those that the button names. Raises ProviderError, also where the person may not see the app."""
    if button.app is not None:
        return OfApp(await app_by_slug(caller, button.app, Provider.BUILDIO))
    # Whether there is such an environment, and whether they may see it, Build.io says once it is read.
    named = button.environment or ""
    return OfEnvironment(Environment(id=named, name=button.title or named))


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_VARS: _list,
    actions.BUILDIO_VARS_REFRESH: _refresh,
    actions.BUILDIO_VARS_REMOVE: _remove,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_REVEAL: _reveal,
    actions.BUILDIO_REVEAL_GRANTED: _reveal_granted,
    actions.BUILDIO_VARS_SET: _set,
    actions.BUILDIO_VARS_UNSET: _unset,
}
