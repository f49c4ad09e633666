"""What the handlers work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.watch import Lookout
from bot.workers import Runner
from handlers.addresses import SlackAddresses
from handlers.artifact_index import ArtifactIndex
from handlers.choices import Choices
from handlers.clients import Clients
from handlers.expecting import UsualTimes
from handlers.following import Following
from handlers.late_answers import LateAnswers
from handlers.log_limits import LogLimit
from handlers.overview import Overview
from handlers.rulings import Rulings
from handlers.vanishing import Vanishing
from storage import Storage


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
