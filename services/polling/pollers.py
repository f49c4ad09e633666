"""The pollers of all providers, as one part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.build import App
from domain.errors import Forbidden
from domain.poll_state import Baseline
from domain.polling import BuildSource
from domain.provider import Provider
from services.polling.poller import Outage, Poller


class Pollers:
    """The pollers of all providers for which the bot has a token, each with its build source."""

    def __init__(self, watched: Iterable[tuple[BuildSource, Poller]]) -> None:
        self._readers: dict[Provider, BuildSource] = {}
        self._watchers: dict[Provider, Poller] = {}
        for reader, watcher in watched:
            self._readers[reader.provider] = reader
            self._watchers[reader.provider] = watcher

    @property
    def pollers(self) -> Mapping[Provider, Poller]:
        """Each provider's poller."""
        return self._watchers

    @property
    def last_success(self) -> datetime | None:
        """The oldest of the providers' last successful polls; None where one has never succeeded."""
        times = [one.last_success for one in self._watchers.values()]
        known = [time for time in times if time is not None]
        return min(known) if known and len(known) == len(times) else None

    def poll_now(self, provider: Provider) -> None:
        """Poll a provider as soon as it allows; nothing happens for one that is not polled."""
        if provider in self._watchers:
            self._watchers[provider].poll_now()

    def is_current(self, provider: Provider) -> bool:
        """Whether the last poll of the provider succeeded, so that what runs there is known."""
        watcher = self._watchers.get(provider)
        return watcher is not None and watcher.last_success is not None and not watcher.failures

    def outage(self, provider: Provider) -> Outage | None:
        """Return why the provider can't be polled at the moment; None where it can."""
        if provider not in self._watchers:
            return Outage(None, f"I have no token for {provider.label}. Whoever runs me can give me one.")
        return self._watchers[provider].outage

    async def baseline(self, app: App) -> Baseline:
        """Return the builds of an app whose polling begins. Raises ProviderError."""
        if app.provider not in self._readers:
            raise Forbidden("I have no token for it", provider=app.provider)
        return await self._readers[app.provider].baseline(app.slug)

    async def run(self) -> None:
        """Poll until stopped; no failure ends it."""
        async with asyncio.TaskGroup() as tasks:
            for provider, watcher in self._watchers.items():
                tasks.create_task(watcher.run(), name=f"watcher of {provider}")

    def stop(self) -> None:
        """End `run` once the polls under way are over."""
        for watcher in self._watchers.values():
            watcher.stop()
