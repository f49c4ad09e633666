"""Config vars: listed masked, one shown for a minute, set and removed; an app's, and those of an environment alike."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from domain.provider import Provider
from messages import notices
from messages.kit import action_ids
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
from services.actions import run
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, find_app
from services.request.modals import open_in_time

TITLE = "Config vars"
SET, REMOVE = "Set config vars", "Remove config vars"
NO_BUTTON = "Build.io calls this in a way that no button can carry. Look it up at Build.io itself."


async def show(command: ListConfig, context: RequestContext) -> Reply:
    """The config vars of the app that the words name, or of the channel's: masked, for the person alone."""
    return await reply_with_list(await _of_app(command.app, context), context)


async def get(command: GetConfig, context: RequestContext) -> Reply | None:
    """One value, for a minute: where no dialog can be opened for it, a button that does."""
    return await reveal_typed(await _of_app(command.app, context), command.key, context)


async def set_(command: SetConfig, context: RequestContext) -> Reply | None:
    """Open the form for the values; one word alone that an app is called is that app, and no key."""
    if command.app is None and command.key is not None:
        named = [
            app for app in await context.visible_apps(Provider.BUILDIO).all() if app.title == command.key
        ]
        if len(named) == 1:
            return await ask_for_values(AppScope(named[0]), None, context)
    return await ask_for_values(await _of_app(command.app, context), command.key, context)


async def unset(command: UnsetConfig, context: RequestContext) -> Reply:
    """Ask whether those are to go that are named."""
    return await ask_to_remove(await _of_app(command.app, context), command.keys, context)


async def reply_with_list(its: ConfigVarScope, context: RequestContext) -> Reply:
    """Their list, as an answer for one person. Raises PermissionDenied, ProviderError."""
    return Reply(await build_list(its, context), Visibility.ONE_PERSON, title=TITLE)


async def build_list(its: ConfigVarScope, context: RequestContext) -> Message:
    """Their list, masked. Raises PermissionDenied, ProviderError."""
    await check_access(its, context)
    values = await its.read(context)
    return config_var_messages.vars_list(its.owner, values, changed=await last_changes(its, context))


async def reveal_typed(its: ConfigVarScope, key: str, context: RequestContext) -> Reply | None:
    """Show one in a dialog; a message can only offer a button. Raises PermissionDenied, UserError, ProviderError."""
    if not context.trigger_id:
        await check_access(its, context)
        await check_keys_exist(its, [key], context)
        words = "Press this, and I show you the value in a dialog, for a minute."
        return _button(words, "Reveal", action_ids.BUILDIO_REVEAL, its.owner.value(key))
    await reveal.reveal_in_dialog(its, key, context)
    return None


async def ask_for_values(its: ConfigVarScope, key: str | None, context: RequestContext) -> Reply | None:
    """Open the form for values, or offer a button that does. Raises PermissionDenied, SlackCallFailed."""
    if not context.trigger_id:
        await check_access(its, context)
        return _button(
            "Values are typed into a form.", "Set…", action_ids.BUILDIO_VARS_SET, its.owner.value(key)
        )
    await open_in_time(build_values_form(its, key, context), context, SET)
    return None


async def build_values_form(its: ConfigVarScope, key: str | None, context: RequestContext) -> Block:
    """The form for values. Raises PermissionDenied."""
    await check_access(its, context)
    return forms.vars_modal(
        its.owner, origin=VarsOrigin.for_owner(its.owner, channel=context.channel), key=key
    )


async def ask_for_keys(its: ConfigVarScope, context: RequestContext) -> None:
    """Open the form in which those are picked that are to go.

    Raises PermissionDenied, ProviderError, SlackCallFailed.
    """
    await open_in_time(_unset_form(its, context), context, REMOVE)


async def ask_to_remove(its: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply:
    """Show what will be gone, with the button for it. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(its, context)
    await check_keys_exist(its, keys, context)
    await run.check_permission(its.unsetting(keys), context)
    if not (most := count_keys_that_fit(its.owner, keys)):
        raise UserError(NO_BUTTON)
    if most < len(keys):
        raise UserError(
            f"These are {len(keys)} config vars, and the question whether to remove them has room for the first"
            f" {most}. Remove them in several steps."
        )
    return Reply(config_var_messages.unset_question(its.owner, keys), Visibility.ONE_PERSON, title=TITLE)


async def remove(its: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply | None:
    """Take these away. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(its, context)
    await check_keys_exist(its, keys, context)
    return (await run.run_action(its.unsetting(keys), context)).answer


async def _unset_form(its: ConfigVarScope, context: RequestContext) -> Block:
    await check_access(its, context)
    keys = list(await its.read(context))
    if not keys:
        raise UserError("There are no config vars to remove.")
    return forms.unset_modal(its.owner, keys, origin=VarsOrigin.for_owner(its.owner, channel=context.channel))


async def _of_app(words: str | None, context: RequestContext) -> AppScope:
    return AppScope(await find_app(context, words, Provider.BUILDIO))


def _button(words: str, label: str, action_id: str, value: str | None) -> Reply:
    if value is None:
        raise UserError(NO_BUTTON)
    return Reply(notices.open_form_prompt(words, label, action_id, value), Visibility.ONE_PERSON, title=TITLE)
