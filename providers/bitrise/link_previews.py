"""Links to Bitrise's pages, which come alive below the message that shares them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from domain.build import App
from domain.errors import ProviderError
from domain.message import Message
from handlers.middleware import RequestTracker, wait_for_place
from providers.bitrise.artifacts import commands as artifact_commands
from providers.bitrise.links import AppLink, ArtifactLink, BuildLink, Link, PipelineLink, read_link
from providers.bitrise.pipelines import commands as pipeline_commands
from services.container import Services
from services.features.builds import commands
from services.features.builds.unfurl_rule import may_unfurl
from services.request.context import RequestContext, workspace_of
from services.request.finder import SearchLimits, UserError, app_by_slug, by_slugs, find_build
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

MOST_LINKS = 5
# A preview that is only shown to the one who writes: where it will be posted is not known yet, so who will see it.
COMPOSER = "composer"


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to shared links."""

    @app.event("link_shared")
    async def shared(event: dict[str, Any], body: dict[str, Any]) -> None:
        if event.get("source") == COMPOSER:
            return  # it comes again once it is posted
        async with listening.answering("link"):
            await wait_for_place()
            context = RequestContext(
                services=services, person=event["user"], team=workspace_of(body), channel=event["channel"]
            )
            urls = [str(one["url"]) for one in event.get("links") or []][:MOST_LINKS]
            await _unfurl(urls, event["message_ts"], context, outside=bool(body.get("is_ext_shared_channel")))


async def _unfurl(urls: Sequence[str], ts: str, context: RequestContext, *, outside: bool) -> None:
    unfurls = {}
    limits = SearchLimits.for_links()
    for url in dict.fromkeys(urls):
        if (link := read_link(url)) is not None and (
            message := await _shown(link, context, limits, outside=outside)
        ):
            unfurls[url] = {"blocks": message.blocks, "fallback": message.text}
    if not unfurls:
        return
    try:
        await context.slack.chat_unfurl(channel=context.channel, ts=ts, unfurls=unfurls)
    except SlackCallFailed as error:
        # The message may be gone by now, or in a channel that I am not in.
        log.info("link.not_unfurled", reason=error.reason)


async def _shown(
    link: Link, context: RequestContext, limits: SearchLimits, *, outside: bool
) -> Message | None:
    """What the link leads to; None where it leads nowhere, or not everybody here may see it."""

    async def allowed(app: App) -> bool:
        return await may_unfurl(context, app, shared_outside=outside)

    try:
        match link:
            case BuildLink(ref=ref, tab=tab):
                app, build = await find_build(context, None, ref, limits)
                if not await allowed(app):
                    return None
                if tab == "artifacts":
                    return (await artifact_commands.artifacts_of(app, build, context)).message
                return await commands.card(app, build, context)
            case AppLink(app=slug):
                app = await app_by_slug(context, slug)
                return await commands.app_card(app, context) if await allowed(app) else None
            case ArtifactLink(artifact=artifact):
                place = await context.services.artifacts.find(artifact)
                if place is None:
                    return None
                app, build = await by_slugs(context, *place)
                return (
                    await artifact_commands.one_artifact(app, build, artifact, context)
                    if await allowed(app)
                    else None
                )
            case PipelineLink(app=slug, pipeline=identity):
                app = await app_by_slug(context, slug)
                return await pipeline_commands.card(app, identity, context) if await allowed(app) else None
    except (ProviderError, UserError) as problem:
        log.info("link.unknown", reason=str(problem))
    return None
