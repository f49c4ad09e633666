"""From the name of something at Build.io to the thing; where there is none, to the nearest names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from domain.errors import NotFound, RequestRejected
from providers.buildio.shared import error_texts
from services.request.finder import UserError


class NamedResource(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """What people call it."""


T = TypeVar("T")


async def find_by_name(
    find: Callable[[str], Awaitable[T]],
    everything: Callable[[], Awaitable[Sequence[NamedResource]]],
    typed: str,
    *,
    what: str,
    lists: str,
) -> T:
    """What `find` finds by this name or id. Raises UserError with the nearest of everything there is, ProviderError."""
    try:
        return await find(typed)
    except (NotFound, RequestRejected) as problem:
        # Refused: it is no name that an address could hold.
        names = [one.name for one in await everything()]
        raise UserError(error_texts.unknown_thing(what, typed, names, lists=lists)) from problem
