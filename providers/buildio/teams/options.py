"""Options of the lists in Build.io's forms."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from domain.provider_errors import ProviderError
from messages.kit.views import ViewMetadata
from providers.buildio.api.access import own_client
from providers.buildio.apps import create_form
from services.request.context import RequestContext

log = structlog.get_logger()

# Slack waits three seconds for the answer (Slack's rules, "Answering").
PATIENCE_SECONDS = 2.0


async def offer_teams(typed: str, _origin: ViewMetadata, context: RequestContext) -> dict[str, Any]:
    """Return the person's teams, if they arrive before Slack's timeout."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            teams = await own_client(context).teams()
    except (ProviderError, TimeoutError) as problem:
        log.info("teams.not_in_time", reason=type(problem).__name__)
        teams = []
    return {"options": create_form.team_options(typed, teams)}
