"""Buttons about config vars: in their list, on an app's card, and where a value was revealed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from providers.buildio import action_ids
from providers.buildio.api.models import Environment
from providers.buildio.config_vars import commands, reveal
from providers.buildio.config_vars.scope import AppScope, ConfigVarScope, EnvironmentScope, remove
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import ConfigVarsButton, RemoveVarsButton, RevealButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug


async def _refresh(press: ButtonPress) -> None:
    scope = await _find_scope(ConfigVarsButton.decode(press.value), press.context)
    await press.responder.replace_original(await commands.build_list(scope, press.context))


async def _reveal(press: ButtonPress) -> Reply | None:
    button = ConfigVarsButton.decode(press.value)
    return await reveal.reveal_on_press(await _find_scope(button, press.context), button, press)


async def _reveal_granted(press: ButtonPress) -> Reply | None:
    button = RevealButton.decode(press.value)
    return await reveal.reveal_on_press(await _find_scope(button, press.context), button, press)


async def _set(press: ButtonPress) -> Reply | None:
    button = ConfigVarsButton.decode(press.value)
    return await commands.ask_for_values(await _find_scope(button, press.context), button.key, press.context)


async def _remove(press: ButtonPress) -> Reply | None:
    button = RemoveVarsButton.decode(press.value)
    return await remove(await _find_scope(button.of, press.context), button.keys, press.context)


def _on_scope(
    handle: Callable[[ConfigVarScope, RequestContext], Awaitable[Reply | None]],
) -> ButtonHandler:
    async def handle_press(press: ButtonPress) -> Reply | None:
        return await handle(
            await _find_scope(ConfigVarsButton.decode(press.value), press.context), press.context
        )

    return handle_press


async def _find_scope(button: ConfigVarsButton, context: RequestContext) -> ConfigVarScope:
    """Return the scope that a button names. Raises ProviderError, also if the person can't see the app."""
    if button.app is not None:
        return AppScope(await app_by_slug(context, button.app, BUILDIO))
    # Build.io checks that the environment exists and is visible to the person when it is read.
    id_ = button.environment or ""
    return EnvironmentScope(Environment(id=id_, name=button.title or id_))


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.VARS: _on_scope(commands.reply_with_list),
    action_ids.VARS_REFRESH: _refresh,
    action_ids.VARS_REMOVE: _remove,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.REVEAL: _reveal,
    action_ids.REVEAL_GRANTED: _reveal_granted,
    action_ids.VARS_SET: _set,
    action_ids.VARS_UNSET: _on_scope(commands.ask_for_keys),
}
