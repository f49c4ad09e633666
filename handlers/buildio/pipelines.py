"""Build.io's pipelines: listed, and one with its stages. Who has no account of their own sees none."""

from __future__ import annotations

from bot.commands.buildio import ListPipelines, ShowPipeline
from bot.messages import buildio
from handlers.buildio.naming import named
from handlers.caller import Answer, Caller


async def list_pipelines(_ask: ListPipelines, caller: Caller) -> Answer:
    """The pipelines that the person's own token sees. Raises ProviderError."""
    return Answer(buildio.pipeline_list(await caller.own_buildio.pipelines()), title="Pipelines")


async def show(ask: ShowPipeline, caller: Caller) -> Answer:
    """One pipeline: its apps by stage, its environments, its review apps. Raises NotNamed, ProviderError."""
    client = caller.own_buildio
    one = await named(client.pipeline, client.pipelines, ask.name, what="pipeline", lists="pipelines")
    return Answer(buildio.pipeline_card(one, await client.pipeline_apps(one.id)), title="Pipeline")
