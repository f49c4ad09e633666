"""Buttons about config vars: on their list, on an app's card, on what was shown for a minute."""

from __future__ import annotations

from collections.abc import Mapping

from domain.provider import Provider
from messages.kit import action_ids
from providers.buildio.api.models import Environment
from providers.buildio.config_vars import commands, reveal
from providers.buildio.config_vars.scope import AppScope, ConfigVarScope, EnvironmentScope
from providers.buildio.shared.button_values import ConfigVarsButton, RemoveVarsButton, RevealButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug


async def _list(press: ButtonPress) -> Reply:
    return await commands.reply_with_list(
        await _meant(ConfigVarsButton.decode(press.value), press.context), press.context
    )


async def _refresh(press: ButtonPress) -> None:
    its = await _meant(ConfigVarsButton.decode(press.value), press.context)
    await press.responder.replace_original(await commands.build_list(its, press.context))


async def _reveal(press: ButtonPress) -> Reply | None:
    button = ConfigVarsButton.decode(press.value)
    return await reveal.reveal_on_press(await _meant(button, press.context), button, press)


async def _reveal_granted(press: ButtonPress) -> Reply | None:
    button = RevealButton.decode(press.value)
    return await reveal.reveal_on_press(await _meant(button, press.context), button, press)


async def _set(press: ButtonPress) -> Reply | None:
    button = ConfigVarsButton.decode(press.value)
    return await commands.ask_for_values(await _meant(button, press.context), button.key, press.context)


async def _unset(press: ButtonPress) -> None:
    await commands.ask_for_keys(
        await _meant(ConfigVarsButton.decode(press.value), press.context), press.context
    )


async def _remove(press: ButtonPress) -> Reply | None:
    button = RemoveVarsButton.decode(press.value)
    return await commands.remove(await _meant(button.of, press.context), button.keys, press.context)


async def _meant(button: ConfigVarsButton, context: RequestContext) -> ConfigVarScope:
    """Those that the button names. Raises ProviderError, also where the person may not see the app."""
    if button.app is not None:
        return AppScope(await app_by_slug(context, button.app, Provider.BUILDIO))
    # Whether there is such an environment, and whether they may see it, Build.io says once it is read.
    named = button.environment or ""
    return EnvironmentScope(Environment(id=named, name=button.title or named))


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILDIO_VARS: _list,
    action_ids.BUILDIO_VARS_REFRESH: _refresh,
    action_ids.BUILDIO_VARS_REMOVE: _remove,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILDIO_REVEAL: _reveal,
    action_ids.BUILDIO_REVEAL_GRANTED: _reveal_granted,
    action_ids.BUILDIO_VARS_SET: _set,
    action_ids.BUILDIO_VARS_UNSET: _unset,
}
