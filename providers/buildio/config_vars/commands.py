"""Commands for config vars, of an app or an environment: masked list, one value for a minute, set and unset."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages import notices
from providers.buildio import action_ids
from providers.buildio.commands import GetConfig, ListConfig, SetConfig, UnsetConfig
from providers.buildio.config_vars import forms, reveal
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.forms import VarsOrigin
from providers.buildio.config_vars.messages import count_keys_that_fit
from providers.buildio.config_vars.scope import (
    AppScope,
    ConfigVarScope,
    check_access,
    check_keys_exist,
    last_changes,
)
from providers.buildio.provider import BUILDIO
from services.actions import run
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from services.request.finder import find_app
from services.request.modals import open_in_time

TITLE = "Config vars"
SET, REMOVE = "Set config vars", "Remove config vars"
NO_BUTTON = "Build.io calls this in a way that no button can carry. Look it up at Build.io itself."


async def show(command: ListConfig, context: RequestContext) -> Reply:
    """Reply with the masked config vars of the app, or of the channel's app, to the person only."""
    return await reply_with_list(await _find_app_scope(command.app, context), context)


async def get(command: GetConfig, context: RequestContext) -> Reply | None:
    """Reveal one value for a minute; if no dialog can be opened, reply with a button that opens it."""
    return await reveal_typed(await _find_app_scope(command.app, context), command.key, context)


async def set_(command: SetConfig, context: RequestContext) -> Reply | None:
    """Open the form for values. A single word that is the name of an app is that app, not a key."""
    if command.app is None and command.key is not None:
        apps = [app for app in await context.visible_apps(BUILDIO).all() if app.title == command.key]
        if len(apps) == 1:
            return await ask_for_values(AppScope(apps[0]), None, context)
    return await ask_for_values(await _find_app_scope(command.app, context), command.key, context)


async def unset(command: UnsetConfig, context: RequestContext) -> Reply:
    """Ask for confirmation before the named config vars are removed."""
    return await ask_to_remove(await _find_app_scope(command.app, context), command.keys, context)


async def reply_with_list(scope: ConfigVarScope, context: RequestContext) -> Reply:
    """Reply with the masked list to the person only. Raises PermissionDenied, ProviderError."""
    return Reply(await build_list(scope, context), Visibility.ONE_PERSON, title=TITLE)


async def build_list(scope: ConfigVarScope, context: RequestContext) -> Message:
    """Build the masked list. Raises PermissionDenied, ProviderError."""
    await check_access(scope, context)
    values = await scope.read(context)
    return config_var_messages.vars_list(scope.owner, values, changed=await last_changes(scope, context))


async def reveal_typed(scope: ConfigVarScope, key: str, context: RequestContext) -> Reply | None:
    """Reveal a value in a dialog, or reply with a button for it. Raises PermissionDenied, UserError, ProviderError."""
    if not context.trigger_id:
        await check_access(scope, context)
        await check_keys_exist(scope, [key], context)
        prompt = "Press this, and I show you the value in a dialog, for a minute."
        return _button_reply(prompt, "Reveal", action_ids.REVEAL, scope.owner.value(key))
    await reveal.reveal_in_dialog(scope, key, context)
    return None


async def ask_for_values(scope: ConfigVarScope, key: str | None, context: RequestContext) -> Reply | None:
    """Open the form for values, or reply with a button that does. Raises PermissionDenied, SlackCallFailed."""
    if not context.trigger_id:
        await check_access(scope, context)
        return _button_reply(
            "Values are typed into a form.", "Set…", action_ids.VARS_SET, scope.owner.value(key)
        )
    await open_in_time(build_values_form(scope, key, context), context, SET)
    return None


async def build_values_form(scope: ConfigVarScope, key: str | None, context: RequestContext) -> Block:
    """Build the form for values. Raises PermissionDenied."""
    await check_access(scope, context)
    return forms.vars_modal(
        scope.owner, origin=VarsOrigin.for_owner(scope.owner, channel=context.channel), key=key
    )


async def ask_for_keys(scope: ConfigVarScope, context: RequestContext) -> None:
    """Open the form in which config vars to remove are picked.

    Raises PermissionDenied, ProviderError, SlackCallFailed.
    """
    await open_in_time(_unset_form(scope, context), context, REMOVE)


async def ask_to_remove(scope: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply:
    """Reply with what will be removed and a button to confirm. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(scope, context)
    await check_keys_exist(scope, keys, context)
    await run.check_permission(scope.unsetting(keys), context)
    if not (fitting := count_keys_that_fit(scope.owner, keys)):
        raise UserError(NO_BUTTON)
    if fitting < len(keys):
        raise UserError(
            f"These are {len(keys)} config vars, and the question whether to remove them has room for the first"
            f" {fitting}. Remove them in several steps."
        )
    return Reply(config_var_messages.unset_question(scope.owner, keys), Visibility.ONE_PERSON, title=TITLE)


async def remove(scope: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply | None:
    """Remove config vars. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(scope, context)
    await check_keys_exist(scope, keys, context)
    return (await run.run_action(scope.unsetting(keys), context)).answer


async def _unset_form(scope: ConfigVarScope, context: RequestContext) -> Block:
    await check_access(scope, context)
    keys = list(await scope.read(context))
    if not keys:
        raise UserError("There are no config vars to remove.")
    return forms.unset_modal(
        scope.owner, keys, origin=VarsOrigin.for_owner(scope.owner, channel=context.channel)
    )


async def _find_app_scope(app: str | None, context: RequestContext) -> AppScope:
    return AppScope(await find_app(context, app, BUILDIO))


def _button_reply(prompt: str, label: str, action_id: str, value: str | None) -> Reply:
    if value is None:
        raise UserError(NO_BUTTON)
    return Reply(
        notices.open_form_prompt(prompt, label, action_id, value), Visibility.ONE_PERSON, title=TITLE
    )
