"""Bitrise clients of a request context."""

from __future__ import annotations

from providers.bitrise.api.client import BitriseClient
from providers.bitrise.provider import BITRISE
from services.request.context import RequestContext


def reading_client(context: RequestContext) -> BitriseClient:
    """Return the client that reads with the person's token, or with the bot's if they have none.

    It may read more than the person may see; check `context.visible_apps`.
    """
    client: BitriseClient = context.client_for(BITRISE).reading
    return client


def own_client(context: RequestContext) -> BitriseClient:
    """Return the client with the person's own token, or with the bot's if the operator lets it act for people."""
    client: BitriseClient = context.client_for(BITRISE).own
    return client
