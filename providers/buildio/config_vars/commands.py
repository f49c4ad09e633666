"""Commands for config vars, of an app or an environment: masked list, one value for a minute, set and unset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from domain.commands.command import (
    AppArgument,
    ArgumentKind,
    ArgumentReader,
    Command,
    RequiredWord,
    WordArgument,
)
from domain.commands.errors import UserError
from domain.commands.tokenizer import Token
from domain.message import Message
from messages import notices
from providers.buildio import action_ids
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars import reveal
from providers.buildio.config_vars.forms import (
    SetVarsForm,
    UnsetVarsForm,
    load_set_form,
    load_unset_form,
)
from providers.buildio.config_vars.messages import count_keys_that_fit
from providers.buildio.config_vars.scope import (
    AppScope,
    ConfigVarScope,
    check_access,
    check_keys_exist,
    last_changes,
)
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.arguments import is_in_capitals, is_key, reject_value, require_keys
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app
from services.request.forms import open_in_time

TITLE = "Config vars"
NO_BUTTON = "Its name at Build.io doesn't fit into a Slack button. Open it at Build.io."
_SET_EXAMPLE = "config set DATABASE_URL"
VALUES = "Never type a value here: Slack keeps what you type. A form asks for it."
_KEYS = "If you give several words, a first one in capitals is a key, not an app."


class ListConfig(Command):
    """List the names of an app's config vars, with masked values."""

    app: AppArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ListConfig:
        """Parse the app."""
        if len(arguments.tokens) > 1 or any(token.key or "=" in token.text for token in arguments.tokens):
            reject_value(_SET_EXAMPLE)
        return cls(app=arguments.take_positional())


class GetConfig(Command):
    """Show the value of a config var to one person."""

    app: AppArgument = None
    key: RequiredWord

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> GetConfig:
        """Parse the app and the name of a config var."""
        app, keys = _take_app_and_keys(arguments)
        if len(keys) != 1:
            arguments.fail("Which config var? Give one name.")
        return cls(app=app, key=keys[0])


class SetConfig(Command):
    """Set config vars in the form; the value is never typed in the command."""

    app: AppArgument = None
    key: WordArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> SetConfig:
        """Parse the app and the name of a config var."""
        names = arguments.take_positionals()
        if arguments.tokens or len(names) > 2 or (len(names) == 2 and _is_bare_key(names[0])):
            reject_value(_SET_EXAMPLE)
        if not names:
            return cls()
        *apps, key = names
        if not is_key(key.text):
            reject_value(_SET_EXAMPLE)
        return cls(app=apps[0].text if apps else None, key=key.text)


class UnsetConfig(Command):
    """Remove config vars."""

    app: AppArgument = None
    keys: Annotated[tuple[str, ...], ArgumentKind.WORDS]

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> UnsetConfig:
        """Parse the app and the names of config vars."""
        app, keys = _take_app_and_keys(arguments)
        if not keys:
            arguments.fail("Which config vars? Give their names.")
        return cls(app=app, keys=keys)


def _take_app_and_keys(arguments: ArgumentReader) -> tuple[str | None, tuple[str, ...]]:
    """Take the app, if one is named, and names of config vars. Errors never repeat them: one may be a value."""
    names = arguments.take_positionals()
    if arguments.tokens or any("=" in name.text for name in names):
        arguments.fail("Give only names of config vars, no values.")
    app = names.pop(0).text if len(names) > 1 and not _is_bare_key(names[0]) else None
    return app, require_keys(arguments, names)


def _is_bare_key(token: Token) -> bool:
    return not token.quoted and is_in_capitals(token.text)


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
        prompt = "Reveal the value in a dialog, for 1 minute."
        return _button_reply(prompt, "Reveal", action_ids.REVEAL, scope.owner.value(key))
    await reveal.reveal_in_dialog(scope, key, context)
    return None


async def ask_for_values(scope: ConfigVarScope, key: str | None, context: RequestContext) -> Reply | None:
    """Open the form for values, or reply with a button that does. Raises PermissionDenied, SlackCallFailed."""
    if not context.trigger_id:
        await check_access(scope, context)
        return _button_reply(
            "Fill in a form to set config vars.", "Set…", action_ids.VARS_SET, scope.owner.value(key)
        )
    await open_in_time(load_set_form(scope, key, context), context, SetVarsForm.title)
    return None


async def ask_for_keys(scope: ConfigVarScope, context: RequestContext) -> None:
    """Open the form in which config vars to remove are picked.

    Raises PermissionDenied, ProviderError, SlackCallFailed.
    """
    await open_in_time(load_unset_form(scope, context), context, UnsetVarsForm.title)


async def ask_to_remove(scope: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply:
    """Reply with what will be removed and a button to confirm. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(scope, context)
    await check_keys_exist(scope, keys, context)
    await run.check_permission(scope.unsetting(keys), context)
    if not (fitting := count_keys_that_fit(scope.owner, keys)):
        raise UserError(NO_BUTTON)
    if fitting < len(keys):
        raise UserError(
            f"{len(keys)} config vars are too many to remove at once. Remove the first {fitting}, then the rest."
        )
    return Reply(config_var_messages.unset_question(scope.owner, keys), Visibility.ONE_PERSON, title=TITLE)


async def _find_app_scope(app: str | None, context: RequestContext) -> AppScope:
    return AppScope(await find_app(context, app, BUILDIO))


def _button_reply(prompt: str, label: str, action_id: str, value: str | None) -> Reply:
    if value is None:
        raise UserError(NO_BUTTON)
    return Reply(
        notices.open_form_prompt(prompt, label, action_id, value), Visibility.ONE_PERSON, title=TITLE
    )


COMMANDS = (
    CommandSpec(
        ListConfig,
        "config",
        "List an app's config vars; values are masked.",
        ("config shop", "config"),
        handler=show,
        notes=(VALUES,),
        aliases=("vars",),
        secret=True,
    ),
    CommandSpec(
        GetConfig,
        "config get",
        "Show one value for a minute, only visible to you.",
        ("config get shop DATABASE_URL", "config get DATABASE_URL"),
        handler=get,
        secret=True,
    ),
    CommandSpec(
        SetConfig,
        "config set",
        "Set config vars in a form.",
        ("config set shop DATABASE_URL", _SET_EXAMPLE, "config set"),
        handler=set_,
        notes=(VALUES, _KEYS),
        secret=True,
    ),
    CommandSpec(
        UnsetConfig,
        "config unset",
        "Remove config vars.",
        ("config unset shop OLD_KEY OLDER_KEY", "config unset OLD_KEY"),
        handler=unset,
        notes=(_KEYS,),
        usage="config unset [APP] KEY…",
        secret=True,
    ),
)
