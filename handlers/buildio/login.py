"""The credential of a region's cluster, for the person alone."""

from __future__ import annotations

from bot import acts
from bot.commands.buildio import Login
from handlers import doing
from handlers.caller import Answer, Caller


async def log_in(ask: Login, caller: Caller) -> Answer | None:
    """Hand it over as a file that expires; off unless a rule says who may. Raises NotAllowed, ProviderError."""
    return (await doing.do(acts.ClusterLogin(region=ask.region), caller)).answer
