"""The check of the bot's own tokens at the start: a wrong one stops the bot with a clear message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from domain.provider_errors import InvalidToken, ProviderError
from services.accounts.provider_clients import Clients
from services.jobs.supervisor import Supervisor
from services.provider_spec import ProviderRegistry

log = structlog.get_logger()

# How long the start waits for a provider to accept or refuse the token.
PROVIDER_SECONDS = 10.0


class ServiceTokenRefused(Exception):
    """A provider refuses the bot's own token, which polls and reads it, or its OAuth client credentials."""


class ServiceTokenCheck:
    """Checks that the providers accept the bot's tokens.

    A provider that is slow or unreachable does not stop the bot from starting: polling begins once it responds, and a
    refusal of the token is then reported like any other problem with the provider.
    """

    def __init__(
        self,
        registry: ProviderRegistry,
        clients: Clients,
        supervisor: Supervisor,
        *,
        recheck_seconds: float,
    ) -> None:
        self._probes = _probes(registry, clients)
        self._supervisor = supervisor
        self._recheck_seconds = recheck_seconds
        self._has_ended = asyncio.Event()
        self.has_passed = False

    async def run(self) -> None:
        """Check all tokens. Raises ServiceTokenRefused."""
        try:
            checks = asyncio.gather(*(self._check(name, probe) for name, probe in self._probes.items()))
            await self._supervisor.wait_until_stopped(checks)
            self.has_passed = not self._supervisor.is_stopping
        finally:
            self._has_ended.set()

    async def wait(self) -> bool:
        """Wait for the end of `run`; return whether no token was refused, and the bot was not stopped meanwhile."""
        await self._has_ended.wait()
        return self.has_passed and not self._supervisor.is_stopping

    async def _check(self, name: str, probe: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                await self._check_twice(name, probe)
        except (TimeoutError, ProviderError) as problem:
            log.warning("provider.not_reachable", setting=name, reason=str(problem) or "it is slow")

    async def _check_twice(self, name: str, probe: Callable[[], Awaitable[None]]) -> None:
        """Check the token of a setting; a refusal counts only if it is repeated. Raises ServiceTokenRefused."""
        try:
            await probe()
        except InvalidToken:
            await self._supervisor.pause(self._recheck_seconds)
            try:
                await probe()
            except InvalidToken as refusal:
                label = refusal.provider.label if refusal.provider is not None else "The provider"
                raise ServiceTokenRefused(f"{label} refuses {name} ({refusal.words or 401}).") from refusal


def _probes(registry: ProviderRegistry, clients: Clients) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """Return one small request per token or OAuth client of the bot, by the names of its settings."""
    probes: dict[str, Callable[[], Awaitable[None]]] = {}
    for spec in registry:
        provider_clients = clients.at(spec.provider)
        if provider_clients.has_service_token:
            probes[spec.token_setting] = provider_clients.service.probe
        if provider_clients.oauth is not None:
            probes[" with ".join(spec.oauth_settings)] = provider_clients.oauth.check
    return probes
