"""`@buildbell …` in a channel, and direct messages to the bot."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.features.dispatch import parse_and_dispatch
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext, workspace_id
from services.request.error_messages import reply_or_explain
from services.request.request_tracker import RequestTracker
from services.request.responder import ChannelResponder


def register(
    app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services, tracker: RequestTracker
) -> None:
    """Listen to mentions and direct messages; Bolt acknowledges events by itself."""

    @app.event("app_mention")
    async def handle_mention(event: dict[str, Any], body: dict[str, Any]) -> None:
        await _reply(event, body, registry, services, tracker, thread=event.get("thread_ts") or event["ts"])

    @app.event("message")
    async def handle_direct_message(event: dict[str, Any], body: dict[str, Any]) -> None:
        # Edits, joins and the like have a subtype, messages of other bots a bot_id: none of them is a request.
        if event.get("channel_type") == "im" and "subtype" not in event and "bot_id" not in event:
            await _reply(event, body, registry, services, tracker, thread=event.get("thread_ts"))


async def _reply(
    event: dict[str, Any],
    body: dict[str, Any],
    registry: ProviderRegistry[ProviderSpec],
    services: Services,
    tracker: RequestTracker,
    *,
    thread: str | None,
) -> None:
    if "bot_id" in event or "user" not in event:
        return  # two bots that answer each other's mentions would never end
    async with tracker.answering("message"):
        context = RequestContext(
            services=services,
            person=event["user"],
            team=workspace_id(body),
            channel=event["channel"],
            thread=thread,
        )
        text = event.get("text") or ""
        provider = registry.find_addressed(text, services.clients.first)
        reply = parse_and_dispatch(text, context, surface="message", provider=provider)
        direct = event.get("channel_type") == "im"
        await reply_or_explain(reply, ChannelResponder(context, thread, direct=direct))
