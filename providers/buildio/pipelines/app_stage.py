"""The stage of an app in its pipelines, as access rules name it."""

from __future__ import annotations

from domain.build import App
from providers.buildio.api.client import BuildioClient


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
