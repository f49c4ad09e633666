"""Current builds at the providers, with which polling starts again after a restore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.providers_setup import SPECS, connect_provider
from bot.settings import Settings
from domain.build import App
from domain.credentials import FixedToken
from providers.http.transport import HttpTransport
from storage.watch_reset import WatchBaseline


async def read_baseline(settings: Settings, apps: Sequence[App]) -> WatchBaseline:
    """Read the builds of each app; skip apps that the token can't access. Raises ProviderError."""
    baseline = WatchBaseline()
    async with HttpTransport() as http:
        for spec in SPECS:
            connection = connect_provider(spec, settings, http, clock=lambda: datetime.now(UTC))
            token = connection.config.token
            if token is None or connection.read_baseline is None:
                continue
            provider_baseline = await connection.read_baseline(
                connection.make_client(FixedToken(token)),
                [app for app in apps if app.provider is spec.provider],
            )
            baseline = WatchBaseline(
                {**baseline.builds, **provider_baseline.builds},
                [*baseline.requests, *provider_baseline.requests],
            )
    return baseline
