"""The services that handling a request may need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from services.accounts.provider_clients import Clients
from services.authorization.authorizer import Authorizer
from services.events import EventBus
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
class SlackServices:
    """What a request may need of Slack; `client` returns the client of a workspace."""

    client: Callable[[str], AsyncWebClient]
    session: aiohttp.ClientSession
    urls: SlackUrls
    message_expiry: MessageExpiry
    late_replies: LateReplies


@dataclass(frozen=True)
class Lookups:
    """Cached answers of the providers."""

    options: OptionCache
    durations: DurationEstimates


@dataclass(frozen=True)
class Services:
    """The services that handling a request may need; made once, by the assembly."""

    registry: ProviderRegistry
    clients: Clients
    pollers: Pollers
    slack: SlackServices
    lookups: Lookups
    storage: Repositories
    authorizer: Authorizer
    events: EventBus
    runner: Runner
    clock: Callable[[], datetime]
