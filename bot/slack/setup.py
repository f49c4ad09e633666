"""The assembly of the Slack side: HTTP session, tenancy, clients of the workspaces, their members and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.settings import Settings
from bot.slack.tenancy import SlackTenancy, create_tenancy
from services.authorization.user_groups import UserGroups
from services.jobs.background_job import WorkspaceCache
from services.slack.web_client import client_options, create_slack_session, web_client
from services.slack.workspace_clients import WorkspaceClients
from services.slack.workspace_members import MemberDirectory
from storage.repositories import Repositories


@dataclass(frozen=True)
class SlackParts:
    """The parts that talk to Slack.

    `client` is the bot's own, without a workspace. Of the clients of the workspaces, the patient ones retry a call
    that Slack limits; the dispatcher, which retries by itself, uses the impatient ones.
    """

    session: aiohttp.ClientSession
    client: AsyncWebClient
    tenancy: SlackTenancy
    patient_clients: WorkspaceClients
    impatient_clients: WorkspaceClients
    members: MemberDirectory
    user_groups: UserGroups

    @property
    def caches(self) -> Sequence[WorkspaceCache]:
        """The parts that keep data of workspaces in memory; the providers' clients have the members' directory."""
        return (self.tenancy, self.patient_clients, self.impatient_clients, self.user_groups)


async def create_slack_parts(
    exit_stack: AsyncExitStack,
    settings: Settings,
    storage: Repositories,
    *,
    clock: Callable[[], datetime],
) -> SlackParts:
    """Create the parts; the exit stack closes them."""
    session = await exit_stack.enter_async_context(create_slack_session())
    client = web_client(settings.slack_api_url, settings.slack_bot_token, session, patient=True)
    tenancy = create_tenancy(settings, client, storage, clock)
    exit_stack.push_async_callback(tenancy.close)
    patient, impatient = (
        WorkspaceClients(
            tenancy.token_for, **client_options(settings.slack_api_url, session, patient=is_patient)
        )
        for is_patient in (True, False)
    )
    return SlackParts(
        session=session,
        client=client,
        tenancy=tenancy,
        patient_clients=patient,
        impatient_clients=impatient,
        members=MemberDirectory(patient, clock=clock),
        user_groups=UserGroups(patient, clock=clock),
    )
