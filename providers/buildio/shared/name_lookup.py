"""Lookup of resources by name, with similar names if there is no match."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from domain.commands.errors import UserError
from domain.provider_errors import NotFound, RequestRejected
from providers.buildio.shared import error_texts

# A sentence of the help.
NAMES = "A pipeline, a namespace or a team is named by its name or id."


class NamedResource(Protocol):
    """A resource with a name."""

    @property
    def name(self) -> str:
        """The display name."""


T = TypeVar("T")


async def find_by_name(
    find: Callable[[str], Awaitable[T]],
    everything: Callable[[], Awaitable[Sequence[NamedResource]]],
    typed: str,
    *,
    what: str,
    lists: str,
) -> T:
    """Return what `find` finds by name or ID. Raises UserError with the most similar names of all, ProviderError."""
    try:
        return await find(typed)
    except (NotFound, RequestRejected) as problem:
        # Rejected: the text can't be a name in a URL.
        names = [resource.name for resource in await everything()]
        raise UserError(error_texts.unknown_thing(what, typed, names, lists=lists)) from problem
