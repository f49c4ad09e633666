"""Buttons about config vars: on their list, on an app's card, on what was shown for a minute."""

from __future__ import annotations

from collections.abc import Mapping

from domain.provider import Provider
from messages.kit import action_ids
from providers.buildio.api.models import Environment
from providers.buildio.config_vars import commands, reveal
from providers.buildio.config_vars.scope import OfApp, OfEnvironment, Vars
from providers.buildio.shared.button_values import GrantButton, RemoveVarsButton, VarsButton
from services.request.button_press import Press, Respond
from services.request.context import Answer, Caller
from services.request.finder import app_by_slug


async def _list(press: Press) -> Answer:
    return await commands.listing(await _meant(VarsButton.decode(press.value), press.caller), press.caller)


async def _refresh(press: Press) -> None:
    its = await _meant(VarsButton.decode(press.value), press.caller)
    await press.say.instead(await commands.listed(its, press.caller))


async def _reveal(press: Press) -> Answer | None:
    button = VarsButton.decode(press.value)
    return await reveal.pressed(await _meant(button, press.caller), button, press)


async def _reveal_granted(press: Press) -> Answer | None:
    button = GrantButton.decode(press.value)
    return await reveal.pressed(await _meant(button, press.caller), button, press)


async def _set(press: Press) -> Answer | None:
    button = VarsButton.decode(press.value)
    return await commands.ask_for_values(await _meant(button, press.caller), button.key, press.caller)


async def _unset(press: Press) -> None:
    await commands.ask_for_keys(await _meant(VarsButton.decode(press.value), press.caller), press.caller)


async def _remove(press: Press) -> Answer | None:
    button = RemoveVarsButton.decode(press.value)
    return await commands.remove(await _meant(button.of, press.caller), button.keys, press.caller)


async def _meant(button: VarsButton, caller: Caller) -> Vars:
    """Those that the button names. Raises ProviderError, also where the person may not see the app."""
    if button.app is not None:
        return OfApp(await app_by_slug(caller, button.app, Provider.BUILDIO))
    # Whether there is such an environment, and whether they may see it, Build.io says once it is read.
    named = button.environment or ""
    return OfEnvironment(Environment(id=named, name=button.title or named))


ANSWERS: Mapping[str, Respond] = {
    action_ids.BUILDIO_VARS: _list,
    action_ids.BUILDIO_VARS_REFRESH: _refresh,
    action_ids.BUILDIO_VARS_REMOVE: _remove,
}
FORMS: Mapping[str, Respond] = {
    action_ids.BUILDIO_REVEAL: _reveal,
    action_ids.BUILDIO_REVEAL_GRANTED: _reveal_granted,
    action_ids.BUILDIO_VARS_SET: _set,
    action_ids.BUILDIO_VARS_UNSET: _unset,
}
