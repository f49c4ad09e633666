"""The assembly of the background jobs that need no provider's token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from bot.settings import Settings
from bot.timings import Timings
from services.actions.expiry import PendingActionExpiry
from services.container import Services
from services.jobs.access_checker import AccessChecker
from services.jobs.audit_anchor import AnchorWriter
from services.jobs.background_job import BackgroundJob
from services.jobs.data_cleanup import DataCleanup
from services.jobs.temporary_files import TemporaryFileCleanup
from services.jobs.workflow_steps import WorkflowStepCompletion
from services.request.context import context_outside


def create_jobs(
    settings: Settings, services: Services, anchor: AnchorWriter | None, timings: Timings
) -> Iterator[BackgroundJob]:
    """Yield the jobs."""
    storage, events, clock = services.storage, services.events, services.clock
    yield services.slack.message_expiry
    yield services.slack.late_replies
    for clients in services.clients.all:
        if clients.state is not None:
            yield from clients.state.jobs
    yield PendingActionExpiry(storage, events, clock=clock)
    yield TemporaryFileCleanup(storage, services.slack.client, clock=clock)
    yield AccessChecker(
        services.clients,
        storage,
        services.pollers,
        events,
        registry=services.registry,
        context_for=partial(context_outside, services),
        clock=clock,
        every=timedelta(seconds=timings.access_check_seconds),
    )
    yield DataCleanup(
        storage,
        settings.secret_box(),
        events,
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
