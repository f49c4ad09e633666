"""The assembly of the providers: clients, sign-in pages, pollers and failure analyzers."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from bot.oauth_pages import OAuthPages, redirect_path, start_path
from bot.settings import Settings
from bot.timings import Timings
from domain.notifications.matching import match_changes
from domain.poll_state import find_changes
from domain.polling import BuildSource
from domain.provider import Provider
from providers.bitrise import spec as bitrise_spec
from providers.buildio import spec as buildio_spec
from providers.http.environment import ProviderEnvironment
from providers.http.transport import HttpTransport, ProviderClock
from services.accounts.provider_clients import Clients, ProviderClients
from services.actions.action import ActionRegistry
from services.events import EventBus
from services.jobs.background_job import BackgroundJob, WorkspaceCache
from services.metrics import Metrics
from services.polling.failure_analyzer import FailureAnalyzer
from services.polling.poll import Poll
from services.polling.poll_counter import count_polls
from services.polling.poll_schedule import PollSchedule
from services.polling.poller import Intervals, Poller, Pollers
from services.provider_connection import ProviderConnection
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.slack.workspace_members import MemberDirectory
from services.worker_processes.pool import Runner
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

Clock = Callable[[], datetime]

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


@dataclass(frozen=True)
class ProviderParts:
    """The parts that talk to the providers; the failure analyzers are those of providers whose logs can be read."""

    registry: ProviderRegistry[ProviderSpec]
    clients: Clients
    pollers: Pollers
    failure_analyzers: Mapping[Provider, FailureAnalyzer]

    @property
    def caches(self) -> Sequence[WorkspaceCache]:
        """The parts that keep data of workspaces in memory."""
        states = (clients.state for clients in self.clients.all)
        return (self.clients, *(state for state in states if state is not None))

    @property
    def jobs(self) -> Iterator[BackgroundJob]:
        """The jobs that send requests with the bot's own tokens."""
        for provider, poller in self.pollers.pollers.items():
            yield poller
            yield from self.clients.at(provider).make_jobs()
            if provider in self.failure_analyzers:
                yield self.failure_analyzers[provider]


async def create_provider_parts(
    exit_stack: AsyncExitStack,
    registry: ProviderRegistry[ProviderSpec],
    settings: Settings,
    storage: Repositories,
    *,
    members: MemberDirectory,
    runner: Runner,
    events: EventBus,
    metrics: Metrics,
    timings: Timings,
    clock: Clock,
) -> ProviderParts:
    """Create the parts of all providers; the exit stack closes them."""
    all_clients: list[ProviderClients[Any]] = []
    for spec in registry:
        # One transport per provider, so that a slow or unreachable provider does not delay requests to the others.
        http = await exit_stack.enter_async_context(HttpTransport(ProviderClock(clock), metrics))
        connection = connect_provider(
            spec,
            settings,
            http,
            clock=clock,
            runner=runner,
            storage=storage,
            follow_seconds=timings.follow_seconds,
        )
        all_clients.append(
            ProviderClients(
                connection,
                connection.config,
                storage,
                members=members,
                clock=clock,
                options_seconds=timings.options_seconds,
                provider_clock=http.clock,
            )
        )
    clients = Clients(all_clients, members)
    exit_stack.push_async_callback(clients.close)
    return ProviderParts(
        registry,
        clients,
        make_pollers(settings, clients, storage, events=events, metrics=metrics, clock=clock),
        failure_analyzers(clients, storage, runner=runner, clock=clock),
    )


def make_pollers(
    settings: Settings,
    clients: Clients,
    storage: Repositories,
    *,
    events: EventBus,
    metrics: Metrics,
    clock: Clock,
) -> Pollers:
    """Create the poller of each provider that the bot has a token for."""
    intervals = Intervals(rest=settings.poll_interval, active=settings.poll_interval_active)
    pollers = list[tuple[BuildSource, Poller]]()
    for provider_clients in clients.all:
        connection = provider_clients.connection
        if connection.config.token is None or connection.build_source is None:
            continue
        source = connection.build_source(provider_clients.service, provider_clients.provider_clock)
        token = _fingerprint(source.provider, connection.api_url, connection.config.token)
        schedule = PollSchedule(storage, source.provider, token)
        poll = Poll(
            source,
            storage,
            PollRecorder(
                storage.database, compare=find_changes, match=match_changes, run_messages=storage.run_messages
            ),
            token=token,
            clock=clock,
            provider_clock=provider_clients.provider_clock,
            max_apps=connection.apps_per_poll,
            schedule=schedule,
        )
        poller = Poller(
            source.provider,
            count_polls(poll, source.provider, metrics),
            schedule=schedule,
            intervals=intervals,
            events=events,
            probe=source.probe,
            clock=clock,
            randomness=random.Random(),  # noqa: S311 - only spreads the polls out
        )
        pollers.append((source, poller))
    return Pollers(pollers)


def failure_analyzers(
    clients: Clients, storage: Repositories, *, runner: Runner, clock: Clock
) -> Mapping[Provider, FailureAnalyzer]:
    """Create the failure analyzer of each provider whose logs can be read."""
    return {
        provider_clients.provider: FailureAnalyzer(
            provider_clients.provider,
            provider_clients.service_logs,
            storage,
            runner=runner,
            clock=clock,
        )
        for provider_clients in clients.all
        if provider_clients.service_logs is not None
    }


def provider_routes(
    parts: ProviderParts, storage: Repositories, *, clock: Clock
) -> Iterator[Callable[[web.Application], None]]:
    """Yield functions that add the providers' routes to the HTTP server: sign-in pages, and those of their own."""
    for clients in parts.clients.all:
        if clients.oauth is not None:
            yield OAuthPages(
                clients.provider,
                clients.oauth,
                storage.oauth_sessions,
                owner_of=clients.owner_of,
                clock=clock,
            ).add_routes
        if (add_routes := clients.connection.add_routes) is not None:
            yield partial(add_routes, partial(parts.pollers.poll_now, clients.provider))


def _fingerprint(provider: Provider, api_url: str, token: SecretStr) -> str:
    """Return a hash that identifies the token without revealing it.

    Another token may see other apps, so polling starts again with it.
    """
    token_source = f"{api_url} {token.get_secret_value()}"
    return f"{provider}:{hashlib.sha256(token_source.encode()).hexdigest()[:16]}"
