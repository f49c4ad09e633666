"""Command that gets a region's cluster credential, for the person only."""

from __future__ import annotations

from providers.buildio.actions import ClusterLoginAction
from providers.buildio.commands import Login
from services.actions import run
from services.request.context import Reply, RequestContext


async def log_in(command: Login, context: RequestContext) -> Reply | None:
    """Send the credential as an expiring file; off unless a rule allows it. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(ClusterLoginAction(region=command.region), context)).answer
