"""Commands for pipelines' environments and their config vars, which work like an app's."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import ArgumentKind, ArgumentReader, Command, RequiredWord, Word, WordArgument
from providers.buildio.config_vars import commands
from providers.buildio.config_vars.forms import SetVarsForm, load_set_form
from providers.buildio.config_vars.scope import find_environment, list_all_environments
from providers.buildio.pipelines import messages
from providers.buildio.shared.arguments import is_key, reject_value, require_keys
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.forms import open_in_time

_EXAMPLE_ID = "8eb495d0-f653-4eed-910b-8d6b56cc0ec7"
_QUESTION = "Which environment?"


class ListEnvironments(Command):
    """List the environments of all pipelines."""


class ShowEnvironment(Command):
    """Show the config vars of a pipeline's environment."""

    id: Annotated[str, Word(question=_QUESTION)]


class SetEnvironment(Command):
    """Set config vars of an environment in the form."""

    id: RequiredWord
    key: WordArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> SetEnvironment:
        """Parse the environment and the name of a config var."""
        names = arguments.take_positionals()
        if arguments.tokens or len(names) > 2 or not all(is_key(name.text) for name in names[1:]):
            reject_value(arguments.definition.example)
        if not names:
            arguments.fail(_QUESTION)
        return cls(id=names[0].text, key=names[1].text if len(names) > 1 else None)


class UnsetEnvironment(Command):
    """Remove config vars from an environment."""

    id: RequiredWord
    keys: Annotated[tuple[str, ...], ArgumentKind.WORDS]

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> UnsetEnvironment:
        """Parse the environment and the names of config vars."""
        names = arguments.take_positionals()
        if arguments.tokens or len(names) < 2:
            arguments.fail("Give the environment's ID and the names of config vars.")
        return cls(id=names[0].text, keys=require_keys(arguments, names[1:]))


async def show(command: ShowEnvironment | ListEnvironments, context: RequestContext) -> Reply:
    """Reply with the masked config vars to the person only, or with the environments that their own token sees.

    Raises PermissionDenied, UserError, ProviderError.
    """
    if isinstance(command, ListEnvironments):
        return Reply(messages.environment_list(await list_all_environments(context)), title="Environments")
    return await commands.reply_with_list(await find_environment(command.id, context), context)


async def set_(command: SetEnvironment, context: RequestContext) -> Reply | None:
    """Open the form for values. Raises PermissionDenied, UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        return await commands.ask_for_values(
            await find_environment(command.id, context), command.key, context
        )

    async def load() -> SetVarsForm:
        return await load_set_form(await find_environment(command.id, context), command.key, context)

    await open_in_time(load(), context, SetVarsForm.title)
    return None


async def unset(command: UnsetEnvironment, context: RequestContext) -> Reply:
    """Ask for confirmation before config vars are removed. Raises PermissionDenied, UserError, ProviderError."""
    return await commands.ask_to_remove(await find_environment(command.id, context), command.keys, context)


COMMANDS = (
    CommandSpec(
        ShowEnvironment,
        "envs",
        "List pipelines' environments, or one's config vars; values are masked.",
        ("envs", f"envs {_EXAMPLE_ID}"),
        handler=show,
        read_only=True,
        bare=ListEnvironments,
        usage="envs [ID]",
        aliases=("env", "environments"),
        secret=True,
    ),
    CommandSpec(
        SetEnvironment,
        "envs set",
        "Set an environment's config vars in a form.",
        (f"envs set {_EXAMPLE_ID} RAILS_ENV",),
        handler=set_,
        notes=(commands.VALUES,),
        secret=True,
    ),
    CommandSpec(
        UnsetEnvironment,
        "envs unset",
        "Remove an environment's config vars.",
        (f"envs unset {_EXAMPLE_ID} RAILS_ENV",),
        handler=unset,
        usage="envs unset ID KEY…",
        secret=True,
    ),
)
