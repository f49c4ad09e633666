"""The services that handling a request may need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from services.accounts.provider_clients import Clients
from services.actions.registry import ActionRegistry
from services.authorization.authorizer import Authorizer
from services.home.build_cache import RecentBuildsCache
from services.jobs.hidden_messages import MessageExpiry
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.polling.pollers import Pollers
from services.request.late_replies import LateReplies
from services.slack.response_urls import SlackUrls
from services.worker_processes.pool import Runner
from storage.repositories import Repositories

if TYPE_CHECKING:  # a spec names the request context, which has the services
    from services.provider_spec import ProviderRegistry


@dataclass(frozen=True)
class Uninstallation:
    """An uninstallation of the app from a workspace, or, with no `team`, from an organisation, as Slack reports it.

    `certain`: the app is gone from there, and not only one of its tokens.
    """

    enterprise: str | None
    team: str | None
    at: datetime | None
    certain: bool


@dataclass(frozen=True)
class ChangeEvents:
    """Callbacks for changes, which wake up the background job concerned.

    `home_changed` takes the ids of the workspace and of the user who made the change.
    """

    outbox_changed: Callable[[], None]
    home_changed: Callable[[str, str], None]
    workflow_steps_changed: Callable[[], None]
    pending_actions_changed: Callable[[], None]
    access_changed: Callable[[], None]
    temporary_files_changed: Callable[[], None]


@dataclass(frozen=True)
class Services:
    """Everything that handling a request may need; made once, by the assembly.

    `slack` returns the client of a workspace.
    """

    registry: ProviderRegistry
    actions: ActionRegistry
    clients: Clients
    runner: Runner
    authorizer: Authorizer
    storage: Repositories
    slack: Callable[[str], AsyncWebClient]
    session: aiohttp.ClientSession
    response_urls: SlackUrls
    pollers: Pollers
    events: ChangeEvents
    handle_uninstallation: Callable[[Uninstallation], Awaitable[None]]
    option_cache: OptionCache
    duration_estimates: DurationEstimates
    recent_builds: RecentBuildsCache
    message_expiry: MessageExpiry
    late_replies: LateReplies
    clock: Callable[[], datetime]
