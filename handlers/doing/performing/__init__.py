"""Asking the provider for what was judged and agreed to: as the person, with their own token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.acts import Act
from handlers.caller import Caller
from handlers.doing.outcome import Done
from handlers.doing.performing import bitrise, buildio

_PERFORM: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Done]]] = {
    **bitrise.PERFORM,
    **buildio.PERFORM,
}


async def perform(act: Act, caller: Caller) -> Done:
    """Do it. Raises ProviderError, and NotNamed where it can't be done any more."""
    return await _PERFORM[type(act)](act, caller)
