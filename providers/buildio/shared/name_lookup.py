"""From the name of something at Build.io to the thing; where there is none, to the nearest names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from domain.errors import NotFound, Refused
from providers.buildio.shared import error_texts
from services.request.finder import NotNamed


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """What people call it."""


T = TypeVar("T")


async def named(
    find: Callable[[str], Awaitable[T]],
    everything: Callable[[], Awaitable[Sequence[Named]]],
    typed: str,
    *,
    what: str,
    lists: str,
) -> T:
    """What `find` finds by this name or id. Raises NotNamed with the nearest of everything there is, ProviderError."""
    try:
        return await find(typed)
    except (NotFound, Refused) as problem:
        # Refused: it is no name that an address could hold.
        names = [one.name for one in await everything()]
        raise NotNamed(error_texts.unknown_thing(what, typed, names, lists=lists)) from problem
