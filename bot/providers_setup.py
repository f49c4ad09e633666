"""The assembly of the providers: clients, sign-in pages, pollers and jobs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot.oauth_pages import OAuthPages, redirect_path, start_path
from bot.settings import Settings
from domain.notifications.changes import find_changes
from domain.notifications.matching import match_changes
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_errors import InvalidToken
from providers.bitrise import spec as bitrise_spec
from providers.buildio import spec as buildio_spec
from providers.http.environment import ProviderEnvironment
from providers.http.transport import HttpTransport
from services.accounts.provider_clients import Clients, ProviderClients
from services.actions.registry import ActionRegistry
from services.jobs.background_job import BackgroundJob
from services.polling.failure_analyzer import FailureAnalyzer
from services.polling.poll import Poll
from services.polling.poller import Intervals, Poller
from services.polling.pollers import Pollers
from services.provider_connection import ProviderConnection
from services.provider_spec import ProviderRegistry, ProviderSpec
from services.slack.workspace_members import MemberDirectory
from services.worker_processes.pool import Runner
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

Clock = Callable[[], datetime]
HttpOf = Mapping[Provider, HttpTransport]

# The only list of providers: a provider added here is available everywhere.
SPECS = ProviderRegistry((bitrise_spec.SPEC, buildio_spec.SPEC))
ACTIONS = ActionRegistry(action for spec in SPECS for action in spec.actions)


def connect_provider(
    spec: ProviderSpec,
    settings: Settings,
    http: HttpTransport,
    *,
    clock: Clock,
    runner: Runner | None = None,
    storage: Repositories | None = None,
    follow_seconds: float = 0,
) -> ProviderConnection[Any]:
    """Connect to a provider according to the settings. Raises ValueError if its spec has no `connect`."""
    if spec.connect is None:
        raise ValueError(f"{spec.provider} can't be connected to")
    environment = ProviderEnvironment(
        settings=settings,
        http=http,
        clock=clock,
        oauth_start_url=f"{settings.public_url}{start_path(spec.provider)}",
        oauth_redirect_url=f"{settings.public_url}{redirect_path(spec.provider)}",
        runner=runner,
        storage=storage,
        follow_seconds=follow_seconds,
    )
    return spec.connect(environment)


def make_clients(
    registry: ProviderRegistry,
    settings: Settings,
    https: HttpOf,
    storage: Repositories,
    *,
    members: MemberDirectory,
    runner: Runner,
    asked: Callable[[], None],
    follow_seconds: float,
    clock: Clock,
) -> Clients:
    """Create the clients of all providers, each with its own connections."""
    clients: list[ProviderClients[Any]] = []
    for spec in registry:
        http = https[spec.provider]
        connection = connect_provider(
            spec,
            settings,
            http,
            clock=clock,
            runner=runner,
            storage=storage,
            follow_seconds=follow_seconds,
        )
        clients.append(
            ProviderClients(
                connection,
                connection.config,
                storage,
                members=members,
                outbox_changed=asked,
                clock=clock,
                provider_clock=http.clock,
            )
        )
    return Clients(clients, members)


class ServiceTokenRefused(Exception):
    """A provider refuses the bot's own token, which polls and reads it, or its OAuth client credentials."""


async def check_service_token(
    name: str, probe: Callable[[], Awaitable[None]], *, pause: Callable[[], Awaitable[None]]
) -> None:
    """Check that a provider accepts the token of the setting `name`; `pause` and try again before a refusal counts.

    Raises ServiceTokenRefused, or another ProviderError if the check was not possible.
    """
    try:
        await probe()
    except InvalidToken:
        await pause()
        try:
            await probe()
        except InvalidToken as refusal:
            label = refusal.provider.label if refusal.provider is not None else "The provider"
            raise ServiceTokenRefused(f"{label} refuses {name} ({refusal.words or 401}).") from refusal


def service_probes(
    registry: ProviderRegistry, clients: Clients
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """Return one small request per provider token or OAuth client of the bot, by the names of its settings.

    Each request raises ProviderError.
    """
    probes: dict[str, Callable[[], Awaitable[None]]] = {}
    for spec in registry:
        provider_clients = clients.at(spec.provider)
        if provider_clients.has_service_token:
            probes[spec.token_setting] = provider_clients.service.probe
        if provider_clients.oauth is not None:
            probes[" with ".join(spec.oauth_settings)] = provider_clients.oauth.check
    return probes


def sign_in_pages(clients: Clients, storage: Repositories, *, clock: Clock) -> Iterator[OAuthPages]:
    """Yield the sign-in pages of each provider that supports OAuth."""
    for provider_clients in clients.all:
        if provider_clients.oauth is not None:
            yield OAuthPages(
                provider_clients.provider,
                provider_clients.oauth,
                storage.oauth_sessions,
                owner_of=provider_clients.owner_of,
                clock=clock,
            )


def make_pollers(
    settings: Settings, clients: Clients, storage: Repositories, *, found: Callable[[], None], clock: Clock
) -> Pollers:
    """Create the poller of each provider that the bot has a token for."""
    intervals = Intervals(rest=settings.poll_interval, active=settings.poll_interval_active)
    pollers = list[tuple[BuildSource, Poller]]()
    for provider_clients in clients.all:
        connection = provider_clients.connection
        if connection.config.token is None or connection.build_source is None:
            continue
        source = connection.build_source(provider_clients.service, provider_clients.provider_clock)
        poll = Poll(
            source,
            storage,
            PollRecorder(
                storage.database, compare=find_changes, match=match_changes, run_messages=storage.run_messages
            ),
            token=_fingerprint(source.provider, connection.api_url, connection.config.token),
            clock=clock,
            provider_clock=provider_clients.provider_clock,
            most_apps=connection.apps_per_poll,
        )
        poller = Poller(
            poll,
            intervals=intervals,
            on_update=found,
            probe=source.probe,
            clock=clock,
            randomness=random.Random(),  # noqa: S311 - only spreads the polls out
        )
        pollers.append((source, poller))
    return Pollers(pollers)


def failure_analyzers(
    clients: Clients, storage: Repositories, *, runner: Runner, found: Callable[[], None], clock: Clock
) -> Mapping[Provider, FailureAnalyzer]:
    """Create the failure analyzer of each provider whose logs can be read."""
    return {
        provider_clients.provider: FailureAnalyzer(
            provider_clients.provider,
            provider_clients.service_logs,
            storage,
            runner=runner,
            on_update=found,
            clock=clock,
        )
        for provider_clients in clients.all
        if provider_clients.service_logs is not None
    }


def asking_parts(
    pollers: Pollers,
    clients: Clients,
    analyzers: Mapping[Provider, FailureAnalyzer],
    *,
    found: Callable[[], None],
) -> Mapping[str, BackgroundJob]:
    """Return the jobs, by name, that send requests with the tokens that are checked at the start."""
    jobs: dict[str, BackgroundJob] = {"lookout": pollers}
    for provider in pollers.pollers:
        jobs |= clients.at(provider).make_jobs(found)
        if provider in analyzers:
            jobs[f"failures of {provider}"] = analyzers[provider]
    return jobs


def _fingerprint(provider: Provider, api_url: str, token: SecretStr) -> str:
    """Return a hash that identifies the token without revealing it.

    Another token may see other apps, so polling starts again with it.
    """
    token_source = f"{api_url} {token.get_secret_value()}"
    return f"{provider}:{hashlib.sha256(token_source.encode()).hexdigest()[:16]}"
