"""Slash commands: one per provider."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from services.container import Services
from services.features.dispatch import parse_and_dispatch
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext, workspace_id
from services.request.error_messages import reply_or_explain
from services.request.request_tracker import RequestTracker
from services.request.responder import ResponseUrlResponder


def register(
    app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services, tracker: RequestTracker
) -> None:
    """Listen to the slash command of each provider."""
    for spec in registry:
        _listen(app, spec, services, tracker)


def _listen(app: AsyncApp, spec: ProviderSpec, services: Services, tracker: RequestTracker) -> None:
    @app.command(spec.provider.command)
    async def handle_command(ack: AsyncAck, command: dict[str, Any]) -> None:
        await ack()
        async with tracker.answering("command"):
            context = RequestContext(
                services=services,
                person=command["user_id"],
                name=command.get("user_name"),
                team=workspace_id(command),
                channel=command["channel_id"],
                trigger_id=command.get("trigger_id") or "",
            )
            reply = parse_and_dispatch(command.get("text") or "", context, surface="slash", provider=spec)
            await reply_or_explain(reply, ResponseUrlResponder(context, command.get("response_url")))
