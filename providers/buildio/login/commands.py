"""The credential of a region's cluster, for the person alone."""

from __future__ import annotations

from providers.buildio.commands import Login
from services.actions import action_types, run
from services.request.context import Answer, Caller


async def log_in(ask: Login, caller: Caller) -> Answer | None:
    """Hand it over as a file that expires; off unless a rule says who may. Raises NotAllowed, ProviderError."""
    return (await run.do(action_types.ClusterLogin(region=ask.region), caller)).answer
