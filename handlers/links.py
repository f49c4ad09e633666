"""Previews of links that are shared in a message."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from slack_bolt.app.async_app import AsyncApp

from domain.message import Message
from services.container import Services
from services.request.context import RequestContext
from services.request.finder import SearchLimits
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker, wait_for_place
from services.slack.errors import SlackCallFailed
from services.slack.event_payloads import EventPayload, LinkShared

log = structlog.get_logger()

MAX_LINKS = 5
# The source of a preview in the message composer: the channel, and so the audience, is not known yet.
COMPOSER = "composer"


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to shared links."""

    @app.event("link_shared")
    async def handle_link_shared(slack_payload: EventPayload[LinkShared]) -> None:
        event = slack_payload.event
        if event.source == COMPOSER:
            return  # the event comes again once the message is posted
        async with tracker.answering("link"):
            await wait_for_place()
            context = RequestContext(
                services=services,
                person=event.user,
                team=slack_payload.workspace_id,
                channel=event.channel,
            )
            urls = [link.url for link in event.links or ()][:MAX_LINKS]
            is_shared_outside = bool(slack_payload.is_ext_shared_channel)
            await _unfurl(urls, event.message_ts, context, interactions, is_shared_outside=is_shared_outside)


async def _unfurl(
    urls: Sequence[str],
    ts: str,
    context: RequestContext,
    interactions: Interactions,
    *,
    is_shared_outside: bool,
) -> None:
    unfurls = {}
    limits = SearchLimits.for_links()
    for url in dict.fromkeys(urls):
        if (
            message := await _preview(url, context, interactions, limits, is_shared_outside=is_shared_outside)
        ) is not None:
            unfurls[url] = {"blocks": message.blocks, "fallback": message.text}
    if not unfurls:
        return
    try:
        await context.slack.chat_unfurl(channel=context.channel, ts=ts, unfurls=unfurls)
    except SlackCallFailed as error:
        # The message may be deleted by now, or in a channel that the bot is not in.
        log.info("link.not_unfurled", reason=error.reason)


async def _preview(
    url: str,
    context: RequestContext,
    interactions: Interactions,
    limits: SearchLimits,
    *,
    is_shared_outside: bool,
) -> Message | None:
    for preview in interactions.link_previews:
        if (message := await preview(url, context, limits, is_shared_outside)) is not None:
            return message
    return None
