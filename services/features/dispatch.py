"""Dispatch of typed commands to their handlers, for each provider and however they were sent."""

from __future__ import annotations

from domain.commands.errors import UserError
from domain.commands.parser import Surface
from domain.provider import Provider
from services.accounts.pasted_tokens import check_command_text
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext
from services.request.request_tracker import start_once


class ProviderNotConfigured(UserError):
    """The bot has no token of its own for the provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(
            f"{provider.label} is not set up here. Whoever runs me has to give me a token of my own for it:"
            f" {provider.upper()}_TOKEN."
        )


def check_configured(provider: Provider, context: RequestContext) -> None:
    """Check that the bot has a token for the provider. Raises ProviderNotConfigured."""
    if provider not in context.services.clients.configured:
        raise ProviderNotConfigured(provider)


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
        check_configured(provider.provider, context)
    if not spec.read_only:
        await start_once()
    return await spec.handler(command, context)
