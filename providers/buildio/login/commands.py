"""The credential of a region's cluster, for the person alone."""

from __future__ import annotations

from providers.buildio.actions import ClusterLoginAction
from providers.buildio.commands import Login
from services.actions import run
from services.request.context import Reply, RequestContext


async def log_in(command: Login, context: RequestContext) -> Reply | None:
    """Hand it over as a file that expires; off unless a rule says who may. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(ClusterLoginAction(region=command.region), context)).answer
