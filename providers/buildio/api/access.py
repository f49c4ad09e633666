"""Build.io API clients of a request."""

from __future__ import annotations

from providers.buildio.api.client import BuildioClient
from providers.buildio.provider import BUILDIO
from services.request.context import RequestContext


def reading_client(context: RequestContext) -> BuildioClient:
    """Return the client for reading: it uses the person's token, or the bot's if they have none.

    It may read more than the person may see; filter by `context.visible_apps`.
    """
    client: BuildioClient = context.client_for(BUILDIO).reading
    return client


def own_client(context: RequestContext) -> BuildioClient:
    """Return the client that uses only the person's own token."""
    client: BuildioClient = context.client_for(BUILDIO).own
    return client
