"""Commands and the button for pipelines: list and show. People without their own account see none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from domain.build import App
from domain.commands.command import Command, Word
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.client import BuildioClient
from providers.buildio.pipelines import messages
from providers.buildio.shared.button_values import ResourceButton
from providers.buildio.shared.lookup import NAMES, find_by_name
from services.provider_spec import CommandSpec
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext


class ListPipelines(Command):
    """List the pipelines."""


class ShowPipeline(Command):
    """Show one pipeline with its apps by stage, by its name or id."""

    name: Annotated[str, Word(question="Which pipeline?")]


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
    CommandSpec(ListPipelines, "pipelines", "List your pipelines.", read_only=True, handler=list_pipelines),
    CommandSpec(
        ShowPipeline,
        "pipeline",
        "Show one pipeline: its apps by stage, and its environments.",
        ("pipeline shop",),
        handler=show,
        read_only=True,
        notes=(NAMES,),
    ),
)


async def _show(press: ButtonPress) -> Reply:
    return await show(ShowPipeline(name=ResourceButton.decode(press.value).name), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.PIPELINE_SHOW: _show}


async def find_stage(app: App, service: BuildioClient, own: BuildioClient) -> str | None:
    """Return the one stage of the app, by the bot's client and a person's; None if it is unknown or ambiguous.

    The bot's token is used too: a person who can't see the relevant pipeline may have put the app into one of their
    own. Raises ProviderError.
    """
    stages_seen_by_bot = await _stages(app, service)
    stages = stages_seen_by_bot | await _stages(app, own)
    return stages.pop() if stages_seen_by_bot and len(stages) == 1 else None


async def _stages(app: App, buildio: BuildioClient) -> set[str | None]:
    return {
        pipeline_app.stage
        for pipeline in await buildio.pipelines()
        for pipeline_app in await buildio.pipeline_apps(pipeline.id)
        if (app.slug == pipeline_app.id if pipeline_app.id else app.title == pipeline_app.name)
    }
