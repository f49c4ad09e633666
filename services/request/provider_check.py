"""Check that the operator has configured a provider."""

from __future__ import annotations

from domain.commands.errors import UserError
from domain.provider import Provider
from services.request.context import RequestContext


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
