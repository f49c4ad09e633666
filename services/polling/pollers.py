"""The pollers of all providers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.build import App
from domain.poll_state import Baseline
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_errors import Forbidden
from services.polling.poller import Outage, Poller


class Pollers:
    """The pollers of all providers for which the bot has a token, each with its build source."""

    def __init__(self, polled: Iterable[tuple[BuildSource, Poller]]) -> None:
        self._sources: dict[Provider, BuildSource] = {}
        self._pollers: dict[Provider, Poller] = {}
        for source, poller in polled:
            self._sources[source.provider] = source
            self._pollers[source.provider] = poller

    @property
    def pollers(self) -> Mapping[Provider, Poller]:
        """Each provider's poller."""
        return self._pollers

    @property
    def last_success(self) -> datetime | None:
        """The oldest of the providers' last successful polls; None where one has never succeeded."""
        times = [poller.last_success for poller in self._pollers.values()]
        known = [time for time in times if time is not None]
        return min(known) if known and len(known) == len(times) else None

    def poll_now(self, provider: Provider) -> None:
        """Poll a provider as soon as it allows; nothing happens for one that is not polled."""
        if provider in self._pollers:
            self._pollers[provider].wake()

    def is_current(self, provider: Provider) -> bool:
        """Return whether the last poll of the provider succeeded, so that its running builds are known."""
        poller = self._pollers.get(provider)
        return poller is not None and poller.last_success is not None and not poller.failures

    def outage(self, provider: Provider) -> Outage | None:
        """Return why the provider can't be polled at the moment; None if it can."""
        if provider not in self._pollers:
            return Outage(None, f"I have no token for {provider.label}. Whoever runs me can give me one.")
        return self._pollers[provider].outage

    async def baseline(self, app: App) -> Baseline:
        """Return the builds of an app that polling starts from. Raises ProviderError."""
        if app.provider not in self._sources:
            raise Forbidden("I have no token for it", provider=app.provider)
        return await self._sources[app.provider].baseline(app.slug)
