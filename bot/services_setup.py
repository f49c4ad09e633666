"""The assembly of the services that requests use, and of what renders for Slack: the dispatcher and Homes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.providers_setup import ProviderParts
from bot.settings import Settings
from bot.slack.setup import SlackParts
from bot.timings import Timings
from domain.access_policy import AllowRule, ApprovalRule
from services.authorization.authorizer import Authorizer
from services.container import Lookups, Services, SlackServices
from services.events import EventBus
from services.home.build_cache import RecentBuildsCache
from services.home.refresher import HomeRefresher
from services.jobs.hidden_messages import MessageExpiry
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import RateLimits
from services.request.late_replies import LateReplies
from services.slack.response_urls import SlackUrls
from services.worker_processes.pool import Runner
from storage.repositories import Repositories

Clock = Callable[[], datetime]


def create_services(
    settings: Settings,
    storage: Repositories,
    slack: SlackParts,
    providers: ProviderParts,
    *,
    rules: Sequence[AllowRule | ApprovalRule],
    runner: Runner,
    events: EventBus,
    timings: Timings,
    clock: Clock,
) -> Services:
    """Create the services; `rules` are the operator's access rules."""
    clients = providers.clients
    return Services(
        registry=providers.registry,
        clients=clients,
        pollers=providers.pollers,
        slack=SlackServices(
            client=slack.patient_clients,
            session=slack.session,
            urls=SlackUrls(settings.slack_api_url),
            message_expiry=MessageExpiry(seconds=timings.shown_seconds),
            late_replies=LateReplies(),
        ),
        lookups=Lookups(
            options=OptionCache(clock=clock),
            durations=DurationEstimates(
                lambda provider: clients.at(provider).service_builds, storage, clock=clock
            ),
        ),
        storage=storage,
        authorizer=Authorizer(rules, storage, clients, slack.user_groups),
        events=events,
        runner=runner,
        clock=clock,
    )


def create_home_refresher(services: Services, *, progress_seconds: float) -> HomeRefresher:
    """Create what renders Homes, with the builds of the first provider."""
    first = services.clients.at(services.registry.first.provider)
    return HomeRefresher(
        RecentBuildsCache(first.provider, first.service_builds, services.storage, clock=services.clock),
        services.lookups.durations,
        services.clients,
        services.pollers,
        services.events,
        clock=services.clock,
        progress_seconds=progress_seconds,
    )


def create_dispatcher(
    settings: Settings,
    storage: Repositories,
    slack: SlackParts,
    providers: ProviderParts,
    *,
    metrics: Metrics,
    timings: Timings,
    clock: Clock,
) -> Dispatcher:
    """Create the dispatcher of notifications."""
    return Dispatcher(
        slack.impatient_clients,
        storage,
        counts=metrics,
        clock=clock,
        new_key=lambda: secrets.token_hex(8),
        presentation_of=providers.registry.presentation_of,
        provider_clocks={clients.provider: clients.provider_clock for clients in providers.clients.all},
        limits=RateLimits(
            backlog=settings.backlog_count,
            backlog_age=timedelta(minutes=settings.backlog_minutes),
            flood=settings.flood_limit,
            progress=timings.progress_seconds,
        ),
        is_current=providers.pollers.is_current,
    )
