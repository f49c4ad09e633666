"""What the handlers work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from providers.bitrise.artifacts.artifact_index import ArtifactIndex
from providers.bitrise.logs.follower import Following
from providers.bitrise.logs.log_limits import LogLimit
from services.accounts.provider_clients import Clients
from services.authorization.authorizer import Rulings
from services.home.build_cache import Overview
from services.jobs.hidden_messages import Vanishing
from services.lookup.duration_estimates import UsualTimes
from services.lookup.option_cache import Choices
from services.polling.pollers import Lookout
from services.request.late_replies import LateAnswers
from services.slack.response_urls import SlackAddresses
from services.worker_processes.pool import Runner
from storage.repositories import Storage


@dataclass(frozen=True)
class Departure:
    """Slack says that the app was taken out of a workspace, or, with no `team`, of an organisation.

    `at` is when, as Slack says it. `certain`: it is the end of the app there, and not of one token alone.
    """

    enterprise: str | None
    team: str | None
    at: datetime | None
    certain: bool


@dataclass(frozen=True)
class Desk:
    """Everything that answering a person may need; made once, by the assembly.

    `slack` gives the client of a workspace; `home_changed` takes a workspace and a person.
    """

    clients: Clients
    runner: Runner
    rulings: Rulings
    storage: Storage
    slack: Callable[[str], AsyncWebClient]
    session: aiohttp.ClientSession
    slack_addresses: SlackAddresses
    lookout: Lookout
    outbox_changed: Callable[[], None]
    home_changed: Callable[[str, str], None]
    steps_changed: Callable[[], None]
    proposals_changed: Callable[[], None]
    access_changed: Callable[[], None]
    passing_changed: Callable[[], None]
    departed: Callable[[Departure], Awaitable[None]]
    choices: Choices
    usual_times: UsualTimes
    overview: Overview
    following: Following
    whole_logs: LogLimit
    read_logs: LogLimit
    vanishing: Vanishing
    late_answers: LateAnswers
    artifacts: ArtifactIndex
    clock: Callable[[], datetime]
