"""The provider spec of Tiny CI: everything that the bot needs to know about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import SecretStr

from domain.access_policy import Permission
from domain.build import App
from domain.credentials import ProviderUser
from domain.message import Message
from messages.provider_presentation import ProviderPresentation
from services.provider_connection import ProviderConfig, ProviderConnection
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext
from tests.tiny.actions import StartJob
from tests.tiny.client import TinyClient, reading_client
from tests.tiny.commands import COMMANDS
from tests.tiny.interactions import INTERACTIONS
from tests.tiny.messages import job_list, retry_button
from tests.tiny.provider import TINY
from tests.tiny.simulator import TinySimulator
from tests.tiny.source import TinyBuildSource

SERVICE_TOKEN = "tiny-token-of-the-bot"


def tiny_spec(service: TinySimulator, clock: Callable[[], datetime]) -> ProviderSpec:
    """Return the spec of Tiny CI, whose API is this simulator."""
    return ProviderSpec(
        provider=TINY,
        presentation=ProviderPresentation(
            TINY,
            run="job",
            first_command="`/tiny jobs` to see what ran",
            card_buttons=lambda build, app: [retry_button(build, app)] if build.ended else [],
        ),
        permissions=(Permission.TRIGGER, Permission.SUBSCRIBE),
        interactions=INTERACTIONS,
        app_card=_app_card,
        actions=(StartJob,),
        main_permission=Permission.TRIGGER,
        commands=COMMANDS,
        app_names="Projects are named by their name.",
        connect=partial(_connect, service, clock),
        token_setting="TINY_TOKEN",
    )


def _connect(
    service: TinySimulator, clock: Callable[[], datetime], _environment: Any
) -> ProviderConnection[TinyClient]:
    return ProviderConnection(
        TINY,
        lambda credentials: TinyClient(service, credentials, clock),
        apps=TinyClient.apps,
        app=TinyClient.app,
        owner=_owner,
        reads_logs=_reads_logs,
        config=ProviderConfig(SecretStr(SERVICE_TOKEN)),
        build_source=lambda _client, _provider_clock: TinyBuildSource(service),
        apps_per_poll=10,
    )


async def _app_card(app: App, context: RequestContext) -> Message:
    return job_list(app, await reading_client(context).jobs(app.slug))


async def _owner(client: TinyClient) -> ProviderUser:
    user = await client.user()
    return ProviderUser(id=user, name=user)


async def _reads_logs(_client: TinyClient, _app: App) -> bool:
    return False
