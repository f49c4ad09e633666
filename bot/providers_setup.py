"""What the assembly needs of the providers: their clients, the pages to sign in on, and who watches them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot.oauth_pages import OAuthPages, begin_at, comes_back_to
from bot.settings import Settings
from domain.credentials import Credentials
from domain.errors import InvalidToken
from domain.notifications.changes import compare
from domain.notifications.matching import match
from domain.polling import BuildSource
from domain.provider import Provider
from providers.bitrise import spec as bitrise_spec
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.polling.source import BitriseBuildSource
from providers.bitrise.spec import bitrise_connection
from providers.buildio import spec as buildio_spec
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.oauth import BuildioOAuth, endpoints_beside
from providers.buildio.polling.source import REQUESTS_AN_APP, BuildioBuildSource
from providers.buildio.spec import buildio_connection
from providers.http.transport import HttpTransport
from services.accounts.provider_clients import Clients, ProviderClients, ProviderConfig
from services.actions.registry import ActionRegistry
from services.polling.poll import Poll
from services.polling.poller import Intervals, Poller
from services.polling.pollers import Pollers
from services.provider_spec import ProviderRegistry
from services.slack.workspace_members import MemberDirectory
from services.worker_processes.pool import Runner
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories

Clock = Callable[[], datetime]
HttpOf = Mapping[Provider, HttpTransport]

# The one list of providers: what is added here is offered everywhere.
SPECS = ProviderRegistry((bitrise_spec.SPEC, buildio_spec.SPEC))
ACTIONS = ActionRegistry(action for spec in SPECS for action in spec.actions)

# Read by themselves in one look, however short the interval: a handful of new apps should not have to queue.
FEWEST_APPS = 10


def clients_of(
    settings: Settings,
    https: HttpOf,
    storage: Repositories,
    *,
    members: MemberDirectory,
    runner: Runner,
    asked: Callable[[], None],
    clock: Clock,
) -> Clients:
    """The clients of all providers, each over connections of its own.

    SERVICE_TOKEN_ACTS is Bitrise's: at Build.io nobody acts but as themselves.
    """
    bitrise = ProviderConfig(settings.bitrise_token, acts=settings.service_token_acts)
    door = buildio_door(settings, https[Provider.BUILDIO], clock)
    page = f"{settings.public_url}{begin_at(Provider.BUILDIO)}" if door is not None else None
    buildio = ProviderConfig(settings.buildio_token, sign_in=page)
    known: dict[str, Any] = {"members": members, "asked": asked, "clock": clock}
    bitrise_time, buildio_time = https[Provider.BITRISE].clock, https[Provider.BUILDIO].clock
    return Clients(
        ProviderClients(
            bitrise_connection(_bitrise(settings, https[Provider.BITRISE], runner, clock)),
            bitrise,
            storage,
            provider_clock=bitrise_time,
            **known,
        ),
        ProviderClients(
            buildio_connection(_buildio(settings, https[Provider.BUILDIO], clock), door),
            buildio,
            storage,
            provider_clock=buildio_time,
            **known,
        ),
    )


class ServiceTokenRefused(Exception):
    """A provider does not accept the token that the bot watches it with."""


async def check_service_token(
    name: str, probe: Callable[[], Awaitable[None]], *, pause: Callable[[], Awaitable[None]]
) -> None:
    """Ask a provider whether it accepts the token of the setting `name`; once more before a refusal counts.

    Raises ServiceTokenRefused, or another ProviderError where nothing was found out.
    """
    try:
        await probe()
    except InvalidToken:
        await pause()
        try:
            await probe()
        except InvalidToken as refusal:
            label = refusal.provider.label if refusal.provider is not None else "The provider"
            raise ServiceTokenRefused(f"{label} refuses {name} ({refusal.words or 401}).") from refusal


def service_probes(settings: Settings, clients: Clients) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """One small request for each token that the bot has at a provider, by the setting's name.

    Each raises ProviderError.
    """
    probes: dict[str, Callable[[], Awaitable[None]]] = {}
    if settings.bitrise_token is not None:
        probes["BITRISE_TOKEN"] = clients.bitrise.service.probe
    if settings.buildio_token is not None:
        probes["BUILDIO_TOKEN"] = clients.buildio.service.probe
    if clients.buildio.door is not None:
        probes["BUILDIO_CLIENT_ID with BUILDIO_CLIENT_SECRET"] = clients.buildio.door.check
    return probes


def sign_in_pages(clients: Clients, storage: Repositories, *, clock: Clock) -> Iterator[OAuthPages]:
    """The pages on which people sign in, of each provider that has one."""
    for one in clients.all:
        if one.door is not None:
            yield OAuthPages(one.provider, one.door, storage.sign_ins, owner_of=one.owner_of, clock=clock)


def buildio_door(settings: Settings, http: HttpTransport, clock: Clock) -> BuildioOAuth | None:
    """The page on which people sign in at Build.io, where the settings have an application for it."""
    if settings.buildio_client_id is None or settings.buildio_client_secret is None:
        return None
    authorize_url, token_url = endpoints_beside(settings.buildio_api_url)
    return BuildioOAuth(
        http,
        settings.buildio_client_id,
        settings.buildio_client_secret,
        authorize_url,
        token_url,
        f"{settings.public_url}{comes_back_to(Provider.BUILDIO)}",
        clock,
    )


def _buildio(settings: Settings, http: HttpTransport, clock: Clock) -> Callable[[Credentials], BuildioClient]:
    """What makes a client of Build.io for somebody; those who share a token share its pauses."""
    pauses: dict[str, datetime] = {}

    def make(credentials: Credentials) -> BuildioClient:
        return BuildioClient(
            http,
            credentials=credentials,
            base_url=settings.buildio_api_url,
            clock=clock,
            pauses=pauses,
        )

    return make


def _bitrise(
    settings: Settings, http: HttpTransport, runner: Runner, clock: Clock
) -> Callable[[Credentials], BitriseClient]:
    """What makes a client of Bitrise for somebody; those who share a token share its pauses."""
    pauses: dict[str, datetime] = {}

    def make(credentials: Credentials) -> BitriseClient:
        return BitriseClient(
            http,
            credentials=credentials,
            base_url=settings.bitrise_api_url,
            clock=clock,
            download_hosts=settings.download_hosts,
            abort_rules=settings.abort_kinds,
            runner=runner,
            pauses=pauses,
        )

    return make


def lookout_of(
    settings: Settings, clients: Clients, storage: Repositories, *, found: Callable[[], None], clock: Clock
) -> Pollers:
    """What watches each provider for which there is a token."""
    watched = list[tuple[BuildSource, Poller]]()

    def watch(reader: BuildSource, url: str, token: SecretStr, most_apps: int, provider_clock: Clock) -> None:
        look = Poll(
            reader,
            storage,
            PollRecorder(storage.database, compare=compare, match=match, run_messages=storage.run_messages),
            token=_fingerprint(reader.provider, url, token),
            clock=clock,
            provider_clock=provider_clock,
            most_apps=most_apps,
        )
        intervals = Intervals(rest=settings.poll_interval, active=settings.poll_interval_active)
        watcher = Poller(
            look,
            intervals=intervals,
            found=found,
            probe=reader.probe,
            clock=clock,
            randomness=random.Random(),  # noqa: S311 - it only spreads the looks out
        )
        watched.append((reader, watcher))

    if settings.bitrise_token is not None:
        # Most looks are made with the list of all apps; only what it does not cover takes its turn.
        most = max(round(settings.requests_per_minute * settings.poll_interval / 60), FEWEST_APPS)
        bitrise = BitriseBuildSource(clients.bitrise.service, clock=clock)
        watch(bitrise, settings.bitrise_api_url, settings.bitrise_token, most, clients.bitrise.provider_clock)
    if settings.buildio_token is not None:
        seconds = min(settings.poll_interval, settings.poll_interval_active)
        most = max(int(settings.requests_per_minute * seconds / 60 / REQUESTS_AN_APP), 1)
        time_there = clients.buildio.provider_clock
        buildio = BuildioBuildSource(clients.buildio.service, clock=clock, provider_clock=time_there)
        watch(buildio, settings.buildio_api_url, settings.buildio_token, most, time_there)
    return Pollers(watched)


def _fingerprint(provider: Provider, api_url: str, token: SecretStr) -> str:
    """A name for the token that does not give it away; another token may see other apps, so it reads anew."""
    told = f"{api_url} {token.get_secret_value()}"
    return f"{provider}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
