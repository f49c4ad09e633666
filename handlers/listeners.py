"""What Slack sends in: one module per surface."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers import actions, commands, error_handler, home, lifecycle_events, mentions, options, shortcuts
from handlers.external_users import Outsiders
from handlers.lifecycle_events import is_departure
from handlers.middleware import RequestTracker
from providers.bitrise import link_previews, workflow_functions
from providers.bitrise.artifacts.artifact_index import ArtifactIndex
from providers.bitrise.builds import abort_submission, small_forms, trigger_submission
from providers.bitrise.logs.follower import LogFollowers
from providers.buildio import form_registry as buildio_modals
from services.accounts.app_catalog import AppCatalog
from services.accounts.pasted_tokens import FormGuard
from services.accounts.provider_clients import Clients, ProviderClients, ProviderConfig
from services.actions.expiry import PendingActionExpiry
from services.authorization.authorizer import Authorizer
from services.authorization.user_groups import UserGroups
from services.container import Services, Uninstallation
from services.features.accounts import form_submissions
from services.features.subscriptions import form
from services.home.build_cache import RecentBuildsCache
from services.home.refresher import HomeEvents, HomeRefresher
from services.jobs.access_checker import AccessChecker
from services.jobs.hidden_messages import MessageExpiry
from services.jobs.temporary_files import TemporaryFileCleanup
from services.jobs.workflow_steps import WorkflowStepCompletion
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.request.context import workspace_of
from services.request.late_replies import LateAnswers
from services.slack.response_urls import SlackUrls
from services.slack.workspace_members import MemberDirectory

__all__ = [
    "AccessChecker",
    "AppCatalog",
    "ArtifactIndex",
    "Authorizer",
    "Clients",
    "DurationEstimates",
    "HomeEvents",
    "HomeRefresher",
    "LateAnswers",
    "LogFollowers",
    "MemberDirectory",
    "MessageExpiry",
    "OptionCache",
    "PendingActionExpiry",
    "ProviderClients",
    "ProviderConfig",
    "RecentBuildsCache",
    "RequestTracker",
    "Services",
    "SlackUrls",
    "TemporaryFileCleanup",
    "Uninstallation",
    "UserGroups",
    "WorkflowStepCompletion",
    "is_departure",
    "register",
    "workspace_of",
]


_SURFACES = (
    commands,
    mentions,
    link_previews,
    actions,
    shortcuts,
    options,
    abort_submission,
    trigger_submission,
    form,
    small_forms,
    form_submissions,
    buildio_modals,
    workflow_functions,
    lifecycle_events,
)


def register(app: AsyncApp, services: Services, listening: RequestTracker, homes: HomeRefresher) -> None:
    """Make the app listen to every surface."""

    @app.middleware
    async def once(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await listening.once(body, next)

    error_handler.register(app, services)
    outsiders = Outsiders(services, listening)

    @app.middleware
    async def members(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await outsiders.check(body, next)

    guard = FormGuard(services)

    @app.middleware
    async def typed_tokens(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await guard.check(body, next)

    for surface in _SURFACES:
        surface.register(app, services, listening)
    home.register(app, services, listening, homes)
