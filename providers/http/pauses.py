"""The pauses that a provider asks for, by the token: all requests with the token keep them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress

from pydantic import SecretStr

from storage.database import DatabaseProblem
from storage.pauses import Pauses

# A pause that another bot was asked for is known after this time at the latest.
READ_SECONDS = 1.0
# The times of reading are forgotten when there are so many tokens.
MOST_TOKENS = 10_000


class TokenPauses:
    """How long no request may be sent with a token; in memory, and in the database if several bots use it.

    A change of this machine's clock makes no pause longer or shorter.
    The database is asked at most once a second for a token, and never by a bot that is alone with it.
    """

    def __init__(self, stored: Pauses | None = None, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._timer = timer
        # By the timer.
        self._ends: dict[str, float] = {}
        self._read_at: dict[str, float] = {}

    async def seconds_left(self, token: SecretStr | None) -> float:
        """Return how long the token's pause still lasts; 0 if there is none."""
        key = _fingerprint(token)
        if self._stored is not None and self._stored.are_shared and token is not None:
            await self._read(self._stored, key)
        return max(self._ends.get(key, 0.0) - self._timer(), 0.0)

    async def record(self, token: SecretStr | None, seconds: float) -> None:
        """Remember a pause that begins now, and let other bots keep it."""
        key = _fingerprint(token)
        self._ends[key] = self._timer() + seconds
        if self._stored is not None and self._stored.are_shared and token is not None:
            with suppress(DatabaseProblem):  # the provider also asks the other bots itself
                await self._stored.record(key, seconds)

    async def _read(self, stored: Pauses, key: str) -> None:
        now = self._timer()
        if now - self._read_at.get(key, -READ_SECONDS) < READ_SECONDS:
            return
        if len(self._read_at) >= MOST_TOKENS:
            self._read_at.clear()
        self._read_at[key] = now
        try:
            seconds = await stored.seconds_left(key)
        except DatabaseProblem:
            return
        if seconds > 0:
            self._ends[key] = max(self._timer() + seconds, self._ends.get(key, 0.0))


def _fingerprint(token: SecretStr | None) -> str:
    """Return the key for a token, which must not contain the token itself."""
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:32] if token is not None else ""
