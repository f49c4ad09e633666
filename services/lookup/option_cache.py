"""A cache of an app's branches, workflows and pipelines, for option lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.provider_errors import ProviderError
from services.accounts.app_catalog import PATIENCE_SECONDS
from services.accounts.provider_clients import ReadNames, UserClient
from services.cache import Cache
from services.provider_connection import NameKind

log = structlog.get_logger()

FRESH = timedelta(minutes=1)
MAX_LISTS = 500


class OptionCache:
    """Options that are read when a person opens a list, with their own token, and cached for that person only.

    Access to an app does not imply access to its configuration. What takes longer than `patience_seconds` is left out.
    """

    def __init__(self, *, clock: Callable[[], datetime], patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._names = Cache[tuple[str, ...], Sequence[str]](max_age=FRESH, max_size=MAX_LISTS, clock=clock)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._names.forget(lambda key: key[0] == team)

    async def read(self, kind: NameKind, user: UserClient[Any], app_slug: str) -> Sequence[str]:
        """Return the app's names of this kind, without duplicates; none that may not be read or come too late."""
        whose = (user.accounts.team, user.accounts.person, user.provider, app_slug)
        found = await asyncio.gather(
            *(
                self._read((*whose, f"{kind} {number}"), read)
                for number, read in enumerate(user.name_readers(kind))
            )
        )
        return list(dict.fromkeys(name for names in found for name in names))

    async def _read(self, key: tuple[str, ...], read: ReadNames) -> Sequence[str]:
        *_, app_slug, kind = key
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._names.load(key, lambda: read(app_slug))
        except (ProviderError, TimeoutError) as problem:
            log.info("choices.unknown", what=kind, app=app_slug, reason=str(problem))
            return ()
