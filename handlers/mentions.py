"""`@buildbell …` in a channel, and direct messages to the bot."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers.commands import parse_and_dispatch
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext
from services.request.request_tracker import RequestTracker
from services.request.responder import ChannelResponder, reply_or_explain
from services.slack.event_payloads import EventPayload, Mention, Message


def register(
    app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services, tracker: RequestTracker
) -> None:
    """Listen to mentions and direct messages; Bolt acknowledges events by itself."""

    @app.event("app_mention")
    async def handle_mention(slack_payload: EventPayload[Mention]) -> None:
        event = slack_payload.event
        await _reply(slack_payload, registry, services, tracker, thread=event.thread_ts or event.ts)

    @app.event("message")
    async def handle_direct_message(slack_payload: EventPayload[Message]) -> None:
        # Edits, joins and the like have a subtype and are no requests.
        if slack_payload.event.channel_type == "im" and not slack_payload.event.subtype:
            thread = slack_payload.event.thread_ts or None
            await _reply(slack_payload, registry, services, tracker, thread=thread)


async def _reply(
    payload: EventPayload[Mention] | EventPayload[Message],
    registry: ProviderRegistry[ProviderSpec],
    services: Services,
    tracker: RequestTracker,
    *,
    thread: str | None,
) -> None:
    event = payload.event
    if event.bot_id or not event.user:
        return  # two bots that answer each other's mentions would never end
    async with tracker.answering("message"):
        context = RequestContext(
            services=services,
            person=event.user,
            team=payload.workspace_id,
            channel=event.channel,
            thread=thread,
        )
        text = event.text or ""
        provider = registry.find_addressed(text, services.clients.first)
        reply = parse_and_dispatch(text, context, surface="message", provider=provider)
        direct = event.channel_type == "im"
        # `parse_and_dispatch` stores the start of commands that may change something.
        await reply_or_explain(reply, ChannelResponder(context, thread, direct=direct), changes=False)
