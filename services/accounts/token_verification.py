"""Asking a provider once more whether it takes a token, before a refusal is believed: a hiccup must lock out nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

import structlog
from pydantic import SecretStr

from domain.errors import InvalidToken, ProviderError
from domain.fair_limiter import Requester

log = structlog.get_logger()

# Long enough for a provider whose parts disagree for a moment, short enough for somebody who waits for an answer.
PAUSE_SECONDS = 1.0


class Verdict(Enum):
    """What the provider says of a token."""

    ACCEPTED = "it takes it"
    REFUSED = "it does not take it"
    UNKNOWN = "it could not be asked"


Ask = Callable[[SecretStr, Requester], Awaitable[object]]


class TokenVerifier:
    """Asks whose a token is (`GET /me`), once for all who wait for the answer. `ask` raises ProviderError."""

    def __init__(
        self,
        command: Ask,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = command
        self._pause_seconds = pause_seconds
        self._sleep = sleep
        self._under_way: dict[str, asyncio.Task[Verdict]] = {}

    async def verify(self, token: SecretStr, requester: Requester, *, at_once: bool = False) -> Verdict:
        """Ask after a short pause; `at_once`: without one, where nothing was refused just now."""
        key = token.get_secret_value()
        if key not in self._under_way:
            # A task of its own: whoever asked first may be cancelled, and others wait for it.
            work = self._verify(token, requester, 0.0 if at_once else self._pause_seconds)
            task = self._under_way[key] = asyncio.create_task(work, name="verify token")
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(self._under_way[key])

    async def close(self) -> None:
        """Wait for what is being asked."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

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
