"""The environments of pipelines, and their config vars: listed, shown, set, removed as an app's are."""

from __future__ import annotations

import re

from domain.errors import NotFound
from domain.message import Block
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Environment
from providers.buildio.commands import ListEnvironments, SetEnvironment, ShowEnvironment, UnsetEnvironment
from providers.buildio.config_vars import commands
from providers.buildio.config_vars.scope import EnvironmentScope
from providers.buildio.pipelines import environment_messages
from providers.buildio.shared import error_texts
from services.request.context import Reply, RequestContext
from services.request.finder import UserError
from services.request.modals import open_in_time

MOST_SAID = 5
_ID = re.compile(r"[\w-]{1,64}")


async def list_environments(_ask: ListEnvironments, context: RequestContext) -> Reply:
    """The environments of all pipelines that the person's own token sees. Raises ProviderError."""
    return Reply(environment_messages.environment_list(await _all(context)), title="Environments")


async def show(command: ShowEnvironment, context: RequestContext) -> Reply:
    """The config vars of one: masked, for the person alone. Raises PermissionDenied, UserError, ProviderError."""
    return await commands.reply_with_list(await find(command.id, context), context)


async def set_(command: SetEnvironment, context: RequestContext) -> Reply | None:
    """Open the form for the values. Raises PermissionDenied, UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        return await commands.ask_for_values(await find(command.id, context), command.key, context)
    await open_in_time(_form(command, context), context, commands.SET)
    return None


async def unset(command: UnsetEnvironment, context: RequestContext) -> Reply:
    """Ask whether those are to go that are named. Raises PermissionDenied, UserError, ProviderError."""
    return await commands.ask_to_remove(await find(command.id, context), command.keys, context)


async def find(words: str, context: RequestContext) -> EnvironmentScope:
    """The environment of this id, or of a name that only one has. Raises UserError, ProviderError."""
    known = await _all(context)
    by_id = [one for one in known if one[1].id == words]
    called = by_id or [one for one in known if one[1].name.casefold() == words.casefold()]
    if len(called) > 1:
        ids = ", ".join(f"{one.id} of {pipeline}" for pipeline, one in called[:MOST_SAID])
        raise UserError(f"{len(called)} environments are called {words[:80]}. Give the id of one: {ids}.")
    for pipeline, one in called:
        return EnvironmentScope(Environment(id=one.id, name=f"{one.name} of {pipeline}"))
    return await _ask_for(words, [one.name for _, one in known], context)


async def _form(command: SetEnvironment, context: RequestContext) -> Block:
    return await commands.build_values_form(await find(command.id, context), command.key, context)


async def _ask_for(words: str, known: list[str], context: RequestContext) -> EnvironmentScope:
    """One that no pipeline names may be there all the same: of a pipeline's answer nothing is certain."""
    try:
        if _ID.fullmatch(words):
            await own_client(context).environment(words)
            return EnvironmentScope(Environment(id=words, name=words))
    except NotFound:
        pass
    raise UserError(error_texts.unknown_thing("environment", words, known, lists="envs"))


async def _all(context: RequestContext) -> list[tuple[str, Environment]]:
    """All of them, each with the name of its pipeline."""
    client, found = own_client(context), []
    for pipeline in await client.pipelines():
        # Only the details name environments for certain (reference, "Pipelines").
        whole = pipeline if pipeline.environments else await client.pipeline(pipeline.id)
        found += [(pipeline.name, one) for one in whole.environments]
    return found
