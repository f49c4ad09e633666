"""Typed commands: the slash command of each provider, and the dispatch of commands however they were sent."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.commands.parser import Surface
from services.accounts.pasted_tokens import check_command_text
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext
from services.request.request_tracker import RequestTracker, start_once
from services.request.responder import ResponseUrlResponder, reply_or_explain
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


async def parse_and_dispatch(
    text: str, context: RequestContext, *, surface: Surface, provider: ProviderSpec
) -> Reply | None:
    """Parse a typed command and return the reply; None if the handler sent a message itself.

    A command that may change something is begun once, even if Slack delivers it again to a later process.

    Raises Repeated, PastedToken, CommandError, UserError, PermissionDenied, NotAMember, UnknownApp, AmbiguousApp or
    ProviderError; `services.request.error_messages` renders them.
    """
    await check_command_text(text, context)
    command = provider.parser.parse(text, surface=surface)
    spec = provider.command_spec(command)
    if not spec.open_to_external_users:
        await context.check_belongs()
    if not spec.usable_without_token:
        context.check_configured(provider.provider)
    if not spec.read_only:
        await start_once()
    return await spec.handler(command, context)
