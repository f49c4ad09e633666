"""The pauses that a provider asks for, by the token: all requests with the token keep them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pydantic import SecretStr

from storage.database import DatabaseProblem
from storage.pauses import Pauses

# A pause that another bot was asked for is known after this time at the latest.
READ_SECONDS = 1.0
# The times of reading are forgotten when there are so many tokens.
MOST_TOKENS = 10_000


class TokenPauses:
    """Until when no request may be sent with a token; in memory, and in the database if several bots use it.

    The database is asked at most once a second for a token, and never by a bot that is alone with it.
    """

    def __init__(self, stored: Pauses | None = None, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._timer = timer
        self._until: dict[str, datetime] = {}
        self._read_at: dict[str, float] = {}

    async def until(self, token: SecretStr | None) -> datetime | None:
        """Return until when the token's last pause lasts, or has lasted; None if there was none."""
        key = _fingerprint(token)
        if self._stored is not None and self._stored.are_shared and token is not None:
            await self._read(self._stored, key)
        return self._until.get(key)

    async def record(self, token: SecretStr | None, until: datetime, now: datetime) -> None:
        """Remember a pause, and let other bots keep it."""
        key = _fingerprint(token)
        self._until[key] = until
        if self._stored is not None and self._stored.are_shared and token is not None:
            with suppress(DatabaseProblem):  # the provider also asks the other bots itself
                await self._stored.record(key, until, now)

    async def _read(self, stored: Pauses, key: str) -> None:
        now = self._timer()
        if now - self._read_at.get(key, -READ_SECONDS) < READ_SECONDS:
            return
        if len(self._read_at) >= MOST_TOKENS:
            self._read_at.clear()
        self._read_at[key] = now
        try:
            until = await stored.until(key)
        except DatabaseProblem:
            return
        known = self._until.get(key)
        if until is not None and (known is None or until > known):
            self._until[key] = until


def _fingerprint(token: SecretStr | None) -> str:
    """Return the key for a token, which must not contain the token itself."""
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:32] if token is not None else ""
