"""Slash commands: one per provider."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from services.container import Services
from services.features.dispatch import parse_and_dispatch
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext
from services.request.error_messages import reply_or_explain
from services.request.request_tracker import RequestTracker
from services.request.responder import ResponseUrlResponder
from services.slack.payloads import CommandPayload


def register(
    app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services, tracker: RequestTracker
) -> None:
    """Listen to the slash command of each provider."""
    for spec in registry:
        _listen(app, spec, services, tracker)


def _listen(app: AsyncApp, spec: ProviderSpec, services: Services, tracker: RequestTracker) -> None:
    @app.command(spec.provider.command)
    async def handle_command(ack: AsyncAck, slack_payload: CommandPayload) -> None:
        await ack()
        async with tracker.answering("command"):
            context = RequestContext(
                services=services,
                person=slack_payload.person,
                name=slack_payload.user_name,
                team=slack_payload.workspace_id,
                channel=slack_payload.channel_id,
                trigger_id=slack_payload.trigger_id or "",
            )
            reply = parse_and_dispatch(slack_payload.text or "", context, surface="slash", provider=spec)
            responder = ResponseUrlResponder(context, slack_payload.response_url)
            # `parse_and_dispatch` stores the start of commands that may change something.
            await reply_or_explain(reply, responder, changes=False)
