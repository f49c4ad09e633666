"""Links that are shared in a message: previewed below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from domain.message import Message
from services.container import Services
from services.request.context import RequestContext, workspace_id
from services.request.finder import SearchLimits
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker, wait_for_place
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

MOST_LINKS = 5
# A preview that is only shown to the one who writes: where it will be posted is not known yet, so who will see it.
COMPOSER = "composer"


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to shared links."""

    @app.event("link_shared")
    async def shared(event: dict[str, Any], body: dict[str, Any]) -> None:
        if event.get("source") == COMPOSER:
            return  # it comes again once it is posted
        async with tracker.answering("link"):
            await wait_for_place()
            context = RequestContext(
                services=services, person=event["user"], team=workspace_id(body), channel=event["channel"]
            )
            urls = [str(link["url"]) for link in event.get("links") or []][:MOST_LINKS]
            outside = bool(body.get("is_ext_shared_channel"))
            await _unfurl(urls, event["message_ts"], context, interactions, outside=outside)


async def _unfurl(
    urls: Sequence[str], ts: str, context: RequestContext, interactions: Interactions, *, outside: bool
) -> None:
    unfurls = {}
    limits = SearchLimits.for_links()
    for url in dict.fromkeys(urls):
        if (message := await _preview(url, context, interactions, limits, outside=outside)) is not None:
            unfurls[url] = {"blocks": message.blocks, "fallback": message.text}
    if not unfurls:
        return
    try:
        await context.slack.chat_unfurl(channel=context.channel, ts=ts, unfurls=unfurls)
    except SlackCallFailed as error:
        # The message may be gone by now, or in a channel that the bot is not in.
        log.info("link.not_unfurled", reason=error.reason)


async def _preview(
    url: str, context: RequestContext, interactions: Interactions, limits: SearchLimits, *, outside: bool
) -> Message | None:
    for preview in interactions.link_previews:
        if (message := await preview(url, context, limits, outside)) is not None:
            return message
    return None
