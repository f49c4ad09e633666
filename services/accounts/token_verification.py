"""Verifies a refused token with the provider once more, so that a temporary error does not lock anybody out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

import structlog
from pydantic import SecretStr

from domain.fair_limiter import Requester
from domain.provider_errors import InvalidToken, ProviderError

log = structlog.get_logger()

# Long enough for a provider whose servers disagree for a moment, short enough for a person who waits for an answer.
PAUSE_SECONDS = 1.0


class Verdict(Enum):
    """The result of a token's verification."""

    ACCEPTED = "accepted"
    REFUSED = "rejected"
    UNKNOWN = "unknown"


Ask = Callable[[SecretStr, Requester], Awaitable[object]]


class TokenVerifier:
    """Asks for a token's owner (`GET /me`), once for all requests that wait. `ask` raises ProviderError."""

    def __init__(
        self,
        ask: Ask,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = ask
        self._pause_seconds = pause_seconds
        self._sleep = sleep
        self._running: dict[str, asyncio.Task[Verdict]] = {}

    async def verify(self, token: SecretStr, requester: Requester, *, at_once: bool = False) -> Verdict:
        """Verify the token after a short pause; `at_once`: without a pause, if nothing was refused just now."""
        key = token.get_secret_value()
        if key not in self._running:
            # In its own task: the first request may be cancelled while others wait.
            verification = self._verify(token, requester, 0.0 if at_once else self._pause_seconds)
            task = self._running[key] = asyncio.create_task(verification, name="verify token")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(self._running[key])

    async def close(self) -> None:
        """Wait for verifications in progress."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _verify(self, token: SecretStr, requester: Requester, pause_seconds: float) -> Verdict:
        if pause_seconds:
            await self._sleep(pause_seconds)
        try:
            await self._ask(token, requester)
        except InvalidToken:
            return Verdict.REFUSED
        except ProviderError as problem:
            log.info("token.not_verified", provider=problem.provider, reason=type(problem).__name__)
            return Verdict.UNKNOWN
        return Verdict.ACCEPTED
