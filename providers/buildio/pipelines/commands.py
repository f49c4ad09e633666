"""Commands for pipelines: list and show. People without their own account see none."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import Command, Word
from providers.buildio.api.access import own_client
from providers.buildio.pipelines import messages
from providers.buildio.shared.name_lookup import NAMES, find_by_name
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext


class ListPipelines(Command):
    """List the pipelines."""


class ShowPipeline(Command):
    """Show one pipeline with its apps by stage, by its name or id."""

    name: Annotated[str, Word(question="Which pipeline? Give its name.")]


async def list_pipelines(_ask: ListPipelines, context: RequestContext) -> Reply:
    """Reply with the pipelines that the person's own token sees. Raises ProviderError."""
    return Reply(messages.pipeline_list(await own_client(context).pipelines()), title="Pipelines")


async def show(command: ShowPipeline, context: RequestContext) -> Reply:
    """Reply with one pipeline: its apps by stage, environments and review apps. Raises UserError, ProviderError."""
    client = own_client(context)
    pipeline = await find_by_name(
        client.pipeline, client.pipelines, command.name, what="pipeline", lists="pipelines"
    )
    return Reply(messages.pipeline_card(pipeline, await client.pipeline_apps(pipeline.id)), title="Pipeline")


COMMANDS = (
    CommandSpec(
        ListPipelines, "pipelines", "The pipelines I can see.", read_only=True, handler=list_pipelines
    ),
    CommandSpec(
        ShowPipeline,
        "pipeline",
        "One pipeline: its apps by stage, its environments.",
        ("pipeline shop",),
        handler=show,
        read_only=True,
        notes=(NAMES,),
    ),
)
