"""The check of the bot's own tokens at the start: a wrong one stops the bot with a clear message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from domain.provider_errors import InvalidToken, NotFound, ProviderError
from services.accounts.provider_clients import Clients
from services.jobs.supervisor import Supervisor
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec

log = structlog.get_logger()

# How long the start waits for a provider to accept or refuse the token.
PROVIDER_SECONDS = 10.0


class ServiceTokenRefused(Exception):
    """A provider refuses the bot's own token, which polls and reads it, or its OAuth client credentials."""


class WrongProviderUrl(Exception):
    """The URL of a provider's API leads to a server that has no such API."""


@dataclass(frozen=True)
class ServiceProbe:
    """A small request with a provider token or OAuth client of the bot, and the names of its settings.

    `url_setting` is the setting that must be wrong if the server does not know the request; "" if that is not certain.
    `send` raises ProviderError.
    """

    setting: str
    send: Callable[[], Awaitable[None]]
    url_setting: str = ""


class ServiceTokenCheck:
    """Checks that the providers accept the bot's tokens.

    A provider that is slow or unreachable does not stop the bot from starting: polling begins once it responds, and a
    refusal of the token is then reported like any other problem with the provider.
    """

    def __init__(
        self,
        registry: ProviderRegistry[ProviderSpec],
        clients: Clients,
        supervisor: Supervisor,
        *,
        recheck_seconds: float,
    ) -> None:
        self._probes = tuple(_probes(registry, clients))
        self._supervisor = supervisor
        self._recheck_seconds = recheck_seconds
        self._has_ended = asyncio.Event()
        self.has_passed = False

    async def run(self) -> None:
        """Check all tokens. Raises ServiceTokenRefused, WrongProviderUrl."""
        try:
            await self._supervisor.wait_until_stopped(self._check_all())
            self.has_passed = not self._supervisor.is_stopping
        finally:
            self._has_ended.set()

    async def wait(self) -> bool:
        """Wait for the end of `run`; return whether no token was refused, and the bot was not stopped meanwhile."""
        await self._has_ended.wait()
        return self.has_passed and not self._supervisor.is_stopping

    async def _check_all(self) -> None:
        await asyncio.gather(*map(self._check, self._probes))

    async def _check(self, probe: ServiceProbe) -> None:
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                await self._check_twice(probe)
        except (TimeoutError, ProviderError) as problem:
            reason = str(problem) or "it is slow"
            log.warning("provider.not_reachable", setting=probe.setting, reason=reason)

    async def _check_twice(self, probe: ServiceProbe) -> None:
        """Send the probe; a refusal counts only if it is repeated. Raises ServiceTokenRefused, WrongProviderUrl."""
        refusals = (InvalidToken, NotFound) if probe.url_setting else (InvalidToken,)
        try:
            await probe.send()
        except refusals:
            await self._supervisor.pause(self._recheck_seconds)
            try:
                await probe.send()
            except refusals as refusal:
                label = refusal.provider.label if refusal.provider is not None else "The provider"
                if isinstance(refusal, NotFound):
                    raise WrongProviderUrl(
                        f"{probe.url_setting}: {label}'s API is not at this URL ({refusal.words or 404})."
                    ) from refusal
                raise ServiceTokenRefused(
                    f"{label} rejected {probe.setting} ({refusal.words or 401})."
                ) from refusal


def _probes(registry: ProviderRegistry[ProviderSpec], clients: Clients) -> Iterator[ServiceProbe]:
    """Yield a probe per provider token and OAuth client of the bot."""
    for spec in registry:
        provider_clients = clients.at(spec.provider)
        if provider_clients.has_service_token:
            yield ServiceProbe(spec.token_setting, provider_clients.service.probe, spec.url_setting)
        if provider_clients.oauth is not None:
            yield ServiceProbe(" with ".join(spec.oauth_settings), provider_clients.oauth.check)
