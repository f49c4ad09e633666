"""The services that handling a request may need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from services.accounts.provider_clients import Clients
from services.authorization.authorizer import Authorizer
from services.events import EventBus
from services.jobs.hidden_messages import MessageExpiry
from services.lookup.duration_estimates import DurationEstimates
from services.lookup.option_cache import OptionCache
from services.polling.poller import Pollers
from services.provider_description import ProviderDescription, ProviderRegistry
from services.request.late_replies import LateReplies
from services.slack.response_urls import SlackUrls
from services.worker_processes.pool import Runner
from storage.repositories import Repositories


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

    registry: ProviderRegistry[ProviderDescription]
    clients: Clients
    pollers: Pollers
    slack: SlackServices
    lookups: Lookups
    storage: Repositories
    authorizer: Authorizer
    events: EventBus
    runner: Runner
    clock: Callable[[], datetime]
