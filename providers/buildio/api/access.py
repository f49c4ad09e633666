"""Build.io's client for whoever asks."""

from __future__ import annotations

from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from services.request.context import RequestContext


def reading_client(context: RequestContext) -> BuildioClient:
    """Return the client that reads with the person's token, or with the bot's where they have none.

    It may read more than the person may see; what that is, `context.apps_of` says.
    """
    client: BuildioClient = context.client_for(Provider.BUILDIO).reading
    return client


def own_client(context: RequestContext) -> BuildioClient:
    """Return the client with the person's own token alone."""
    client: BuildioClient = context.client_for(Provider.BUILDIO).own
    return client
