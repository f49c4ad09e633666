"""The assembly of the providers: their clients, sign-in pages, pollers and jobs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot.oauth_pages import OAuthPages, redirect_path, start_path
from bot.settings import Settings
from domain.credentials import Credentials
from domain.errors import InvalidToken
from domain.notifications.changes import find_changes
from domain.notifications.matching import match_changes
from domain.polling import BuildSource
from domain.provider import Provider
from providers.bitrise import spec as bitrise_spec
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.build_requests.poller import BuildRequestPoller
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
from services.jobs.background_job import BackgroundJob
from services.polling.failure_analyzer import FailureAnalyzer
from services.polling.poll import Poll
from services.polling.poller import Intervals, Poller
from services.polling.pollers import Pollers
from services.provider_connection import ProviderConnection
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


def make_clients(
    settings: Settings,
    https: HttpOf,
    storage: Repositories,
    *,
    members: MemberDirectory,
    runner: Runner,
    asked: Callable[[], None],
    follow_seconds: float,
    clock: Clock,
) -> Clients:
    """Make the clients of all providers, each over connections of its own.

    SERVICE_TOKEN_ACTS is Bitrise's: at Build.io nobody acts but as themselves.
    """
    bitrise = ProviderConfig(settings.bitrise_token, acts=settings.service_token_acts)
    door = buildio_oauth(settings, https[Provider.BUILDIO], clock)
    page = f"{settings.public_url}{start_path(Provider.BUILDIO)}" if door is not None else None
    buildio = ProviderConfig(settings.buildio_token, sign_in_url=page)
    known: dict[str, Any] = {"members": members, "asked": asked, "clock": clock}

    def bitrise_jobs(client: BitriseClient, found: Callable[[], None]) -> Mapping[str, BackgroundJob]:
        seconds = settings.poll_interval
        return {
            "approvals": BuildRequestPoller(client, storage, every_seconds=seconds, found=found, clock=clock)
        }

    connections: Sequence[tuple[ProviderConnection[Any], ProviderConfig]] = (
        (
            bitrise_connection(
                _bitrise_client_factory(settings, https[Provider.BITRISE], runner, clock),
                follow_seconds=follow_seconds,
                clock=clock,
                make_jobs=bitrise_jobs,
            ),
            bitrise,
        ),
        (
            buildio_connection(_buildio_client_factory(settings, https[Provider.BUILDIO], clock), door),
            buildio,
        ),
    )
    return Clients(
        [
            ProviderClients(
                connection, config, storage, provider_clock=https[connection.provider].clock, **known
            )
            for connection, config in connections
        ],
        members,
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


def service_probes(clients: Clients) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """Return one small request for each token that the bot has at a provider, by the setting's name.

    Each raises ProviderError.
    """
    probes: dict[str, Callable[[], Awaitable[None]]] = {}
    for spec in SPECS:
        one = clients.at(spec.provider)
        if one.has_service_token:
            probes[spec.token_setting] = one.service.probe
        if one.oauth is not None:
            probes[spec.oauth_settings] = one.oauth.check
    return probes


def sign_in_pages(clients: Clients, storage: Repositories, *, clock: Clock) -> Iterator[OAuthPages]:
    """The pages on which people sign in, of each provider that has one."""
    for one in clients.all:
        if one.oauth is not None:
            yield OAuthPages(
                one.provider, one.oauth, storage.oauth_sessions, owner_of=one.owner_of, clock=clock
            )


def buildio_oauth(settings: Settings, http: HttpTransport, clock: Clock) -> BuildioOAuth | None:
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
        f"{settings.public_url}{redirect_path(Provider.BUILDIO)}",
        clock,
    )


def _buildio_client_factory(
    settings: Settings, http: HttpTransport, clock: Clock
) -> Callable[[Credentials], BuildioClient]:
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


def _bitrise_client_factory(
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


def make_pollers(
    settings: Settings, clients: Clients, storage: Repositories, *, found: Callable[[], None], clock: Clock
) -> Pollers:
    """What watches each provider for which there is a token."""
    watched = list[tuple[BuildSource, Poller]]()

    def watch(reader: BuildSource, url: str, token: SecretStr, most_apps: int, provider_clock: Clock) -> None:
        look = Poll(
            reader,
            storage,
            PollRecorder(
                storage.database, compare=find_changes, match=match_changes, run_messages=storage.run_messages
            ),
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
        there = clients.at(Provider.BITRISE)
        bitrise = BitriseBuildSource(there.service, clock=clock)
        watch(bitrise, settings.bitrise_api_url, settings.bitrise_token, most, there.provider_clock)
    if settings.buildio_token is not None:
        seconds = min(settings.poll_interval, settings.poll_interval_active)
        most = max(int(settings.requests_per_minute * seconds / 60 / REQUESTS_AN_APP), 1)
        there = clients.at(Provider.BUILDIO)
        time_there = there.provider_clock
        buildio = BuildioBuildSource(there.service, clock=clock, provider_clock=time_there)
        watch(buildio, settings.buildio_api_url, settings.buildio_token, most, time_there)
    return Pollers(watched)


def failure_analyzers(
    clients: Clients, storage: Repositories, *, runner: Runner, found: Callable[[], None], clock: Clock
) -> Mapping[Provider, FailureAnalyzer]:
    """Make what finds out why builds failed, for each provider whose logs can be read."""
    return {
        one.provider: FailureAnalyzer(
            one.provider, one.service_logs, storage, runner=runner, found=found, clock=clock
        )
        for one in clients.all
        if one.service_logs is not None
    }


def asking_parts(
    pollers: Pollers,
    clients: Clients,
    analyzers: Mapping[Provider, FailureAnalyzer],
    *,
    found: Callable[[], None],
) -> Mapping[str, BackgroundJob]:
    """Return the parts that ask providers with the tokens that the start checks, by name."""
    parts: dict[str, BackgroundJob] = {"lookout": pollers}
    for provider in pollers.pollers:
        parts |= clients.at(provider).make_jobs(found)
        if provider in analyzers:
            parts[f"failures of {provider}"] = analyzers[provider]
    return parts


def _fingerprint(provider: Provider, api_url: str, token: SecretStr) -> str:
    """A name for the token that does not give it away; another token may see other apps, so it reads anew."""
    told = f"{api_url} {token.get_secret_value()}"
    return f"{provider}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
