"""Previews of links to Bitrise's pages, shown below the message that has the link."""

from __future__ import annotations

import structlog

from domain.build import App
from domain.commands.errors import UserError
from domain.message import Message
from domain.provider_errors import ProviderError
from providers.bitrise.artifacts import commands as artifact_commands
from providers.bitrise.links import AppLink, ArtifactLink, BuildLink, PipelineLink, read_link
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.provider import BITRISE
from providers.bitrise.state import state_of
from services.features.builds import commands
from services.request.context import RequestContext
from services.request.finder import SearchLimits, app_by_slug, build_by_slugs, find_build
from services.request.user_channels import may_unfurl

log = structlog.get_logger()


async def preview_link(
    url: str,
    context: RequestContext,
    limits: SearchLimits,
    outside: bool,
) -> Message | None:
    """Return the preview of the link; None for other links, and if not everyone in the channel may see the app.

    `outside`: the channel is shared with another company.
    """
    if (link := read_link(url)) is None:
        return None

    async def can_preview(app: App) -> bool:
        return await may_unfurl(context, app, shared_outside=outside)

    try:
        match link:
            case BuildLink(ref=ref, tab=tab):
                app, build = await find_build(context, None, ref, BITRISE, limits)
                if not await can_preview(app):
                    return None
                if tab == "artifacts":
                    return (await artifact_commands.list_build_artifacts(app, build, context)).message
                return await commands.card(app, build, context)
            case AppLink(app=slug):
                app = await app_by_slug(context, slug, BITRISE)
                return await commands.app_card(app, context) if await can_preview(app) else None
            case ArtifactLink(artifact=artifact):
                slugs = await state_of(context).artifact_index.find(artifact)
                if slugs is None:
                    return None
                app, build = await build_by_slugs(context, *slugs, provider=BITRISE)
                return (
                    await artifact_commands.artifact_card(app, build, artifact, context)
                    if await can_preview(app)
                    else None
                )
            case PipelineLink(app=slug, pipeline=pipeline_id):
                app = await app_by_slug(context, slug, BITRISE)
                return (
                    await pipeline_commands.card(app, pipeline_id, context)
                    if await can_preview(app)
                    else None
                )
    except (ProviderError, UserError) as problem:
        log.info("link.unknown", reason=str(problem))
    return None
