"""Commands for pipelines' environments and their config vars, which work like an app's."""

from __future__ import annotations

import re
from typing import Annotated

from domain.commands.command import ArgumentReader, Command, RequiredWord, Word, WordArgument
from domain.message import Block
from domain.provider_errors import NotFound
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Environment
from providers.buildio.config_vars import commands
from providers.buildio.config_vars.scope import EnvironmentScope
from providers.buildio.pipelines import environment_messages
from providers.buildio.shared import error_texts
from providers.buildio.shared.arguments import is_key, reject_value, require_keys
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.errors import UserError
from services.request.modals import open_in_time

MAX_MATCHES = 5
_ID = re.compile(r"[\w-]{1,64}")
_EXAMPLE_ID = "8eb495d0-f653-4eed-910b-8d6b56cc0ec7"
_QUESTION = "Which environment? Give its id."


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
    keys: tuple[str, ...]

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> UnsetEnvironment:
        """Parse the environment and the names of config vars."""
        names = arguments.take_positionals()
        if arguments.tokens or len(names) < 2:
            arguments.fail("Give the environment's id, and the names of its config vars.")
        return cls(id=names[0].text, keys=require_keys(arguments, names[1:]))


async def show(command: ShowEnvironment | ListEnvironments, context: RequestContext) -> Reply:
    """Reply with the masked config vars to the person only, or with the environments that their own token sees.

    Raises PermissionDenied, UserError, ProviderError.
    """
    if isinstance(command, ListEnvironments):
        return Reply(environment_messages.environment_list(await _list_all(context)), title="Environments")
    return await commands.reply_with_list(await find(command.id, context), context)


async def set_(command: SetEnvironment, context: RequestContext) -> Reply | None:
    """Open the form for values. Raises PermissionDenied, UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        return await commands.ask_for_values(await find(command.id, context), command.key, context)
    await open_in_time(_form(command, context), context, commands.SET)
    return None


async def unset(command: UnsetEnvironment, context: RequestContext) -> Reply:
    """Ask for confirmation before config vars are removed. Raises PermissionDenied, UserError, ProviderError."""
    return await commands.ask_to_remove(await find(command.id, context), command.keys, context)


async def find(name: str, context: RequestContext) -> EnvironmentScope:
    """Find an environment by ID or unique name. Raises UserError, ProviderError."""
    pairs = await _list_all(context)
    by_id = [pair for pair in pairs if pair[1].id == name]
    matches = by_id or [pair for pair in pairs if pair[1].name.casefold() == name.casefold()]
    if len(matches) > 1:
        ids = ", ".join(f"{match.id} of {pipeline}" for pipeline, match in matches[:MAX_MATCHES])
        raise UserError(f"{len(matches)} environments are called {name[:80]}. Give the id of one: {ids}.")
    for pipeline, environment in matches:
        return EnvironmentScope(Environment(id=environment.id, name=f"{environment.name} of {pipeline}"))
    return await _fetch_unlisted(name, [known.name for _, known in pairs], context)


async def _form(command: SetEnvironment, context: RequestContext) -> Block:
    return await commands.build_values_form(await find(command.id, context), command.key, context)


async def _fetch_unlisted(id_: str, names: list[str], context: RequestContext) -> EnvironmentScope:
    """Fetch an environment that no pipeline lists: a pipeline's response may be incomplete."""
    try:
        if _ID.fullmatch(id_):
            await own_client(context).environment(id_)
            return EnvironmentScope(Environment(id=id_, name=id_))
    except NotFound:
        pass
    raise UserError(error_texts.unknown_thing("environment", id_, names, lists="envs"))


async def _list_all(context: RequestContext) -> list[tuple[str, Environment]]:
    """List all environments, each with the name of its pipeline."""
    client, pairs = own_client(context), []
    for pipeline in await client.pipelines():
        # Only the details are sure to list environments (reference, "Pipelines").
        details = pipeline if pipeline.environments else await client.pipeline(pipeline.id)
        pairs += [(pipeline.name, environment) for environment in details.environments]
    return pairs


COMMANDS = (
    CommandSpec(
        ShowEnvironment,
        "envs",
        "The environments of pipelines, or the config vars of one, masked.",
        ("envs", f"envs {_EXAMPLE_ID}"),
        handler=show,
        bare=ListEnvironments,
        usage="envs [ID]",
        aliases=("env", "environments"),
        secret=True,
    ),
    CommandSpec(
        SetEnvironment,
        "envs set",
        "Set an environment's config vars by filling in a form.",
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
