"""The parts of the bot that answering a request may need."""

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
from services.request.late_replies import LateAnswers
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
class Services:
    """Everything that answering a person may need; made once, by the assembly.

    `slack` gives the client of a workspace; `home_changed` takes a workspace and a person.
    """

    registry: ProviderRegistry
    actions: ActionRegistry
    clients: Clients
    runner: Runner
    authorizer: Authorizer
    storage: Repositories
    slack: Callable[[str], AsyncWebClient]
    session: aiohttp.ClientSession
    slack_addresses: SlackUrls
    lookout: Pollers
    outbox_changed: Callable[[], None]
    home_changed: Callable[[str, str], None]
    steps_changed: Callable[[], None]
    proposals_changed: Callable[[], None]
    access_changed: Callable[[], None]
    passing_changed: Callable[[], None]
    departed: Callable[[Uninstallation], Awaitable[None]]
    choices: OptionCache
    usual_times: DurationEstimates
    overview: RecentBuildsCache
    vanishing: MessageExpiry
    late_answers: LateAnswers
    clock: Callable[[], datetime]
