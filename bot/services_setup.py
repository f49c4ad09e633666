"""The assembly of the services that requests use, of what renders for Slack, and of jobs that need no token."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from bot.providers_setup import ProviderParts
from bot.roles import Role
from bot.settings import Settings
from bot.slack.setup import SlackParts
from bot.timings import Timings
from domain.access_policy import AllowRule, ApprovalRule
from services.actions.expiry import PendingActionExpiry
from services.authorization.authorizer import Authorizer
from services.container import Lookups, Services, SlackServices
from services.events import EventBus
from services.home.build_cache import RecentBuildsCache
from services.home.refresher import HomeRefresher
from services.jobs.access_checker import AccessChecker
from services.jobs.audit_anchor import AnchorWriter
from services.jobs.background_job import BackgroundJob
from services.jobs.data_cleanup import DataCleanup
from services.jobs.engine import Engine, LocalEngine, sweep
from services.jobs.hidden_messages import MessageExpiry
from services.jobs.interrupted_work import InterruptedWork
from services.jobs.temporary_files import TemporaryFileCleanup
from services.jobs.workflow_steps import WorkflowStepCompletion
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import RateLimits
from services.polling.status_reader import PollStatusReader
from services.request.context import context_outside
from services.request.late_replies import LateReplies
from services.slack.response_urls import SlackUrls
from services.worker_processes.pool import Runner
from storage.database_url import is_postgres
from storage.repositories import Repositories

Clock = Callable[[], datetime]


def create_engine(database_url: str, *, clock: Clock) -> Engine:
    """Create the engine of background work: bots on PostgreSQL can be several, one on a file is alone."""
    engine: Engine
    if is_postgres(database_url):
        # Imported only here: it takes time, and most bots use a file.
        from services.jobs.procrastinate_engine import ProcrastinateEngine  # noqa: PLC0415

        engine = ProcrastinateEngine(database_url, clock=clock)
    else:
        engine = LocalEngine(clock=clock)
    sweep(engine)
    return engine


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
            options=OptionCache(clock=clock, patience_seconds=timings.options_seconds),
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
            takeover=timings.takeover_seconds,
        ),
        is_current=providers.pollers.is_current,
    )


def create_process_jobs(settings: Settings, services: Services) -> Iterator[BackgroundJob]:
    """Yield the jobs for what only this process knows, whatever its roles are."""
    yield services.slack.message_expiry
    yield services.slack.late_replies
    for clients in services.clients.all:
        if clients.state is not None:
            yield from clients.state.jobs
    if Role.POLL not in settings.roles:
        yield PollStatusReader(services.pollers, services.events)


def create_jobs(
    settings: Settings, services: Services, anchor: AnchorWriter | None, timings: Timings
) -> Iterator[BackgroundJob]:
    """Yield the jobs of the role `jobs`."""
    storage, clock = services.storage, services.clock
    yield InterruptedWork(storage, services.registry.first.provider, clock=clock)
    yield PendingActionExpiry(storage, clock=clock)
    yield TemporaryFileCleanup(storage, services.slack.client, clock=clock)
    yield AccessChecker(
        services.clients,
        storage,
        services.pollers,
        registry=services.registry,
        context_for=partial(context_outside, services),
        clock=clock,
        every=timedelta(seconds=timings.access_check_seconds),
    )
    yield DataCleanup(
        storage,
        settings.secret_box(),
        history=timedelta(days=settings.history_days),
        audit=timedelta(days=settings.audit_days),
        clock=clock,
    )
    if anchor is not None:
        yield anchor
    # Steps of Workflow Builder wait for builds of the first provider.
    first = services.clients.at(services.registry.first.provider)
    if first.service_builds is not None:
        yield WorkflowStepCompletion(first, first.service_builds, storage, services.slack.client, clock=clock)
