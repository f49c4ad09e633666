"""What the assembly needs of the providers: their clients, the pages to sign in on, and who watches them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot.oauth_pages import SigningIn, begin_at, comes_back_to
from bot.settings import Settings
from domain.credentials import Credentials
from domain.errors import BadToken
from domain.notifications.changes import compare
from domain.notifications.matching import match
from domain.polling import Reader
from domain.provider import Provider
from providers.bitrise.api.client import Bitrise
from providers.bitrise.polling.source import BitriseReader
from providers.bitrise.spec import bitrise_plug
from providers.buildio.api.client import Buildio
from providers.buildio.api.oauth import BuildioOAuth, endpoints_beside
from providers.buildio.polling.source import REQUESTS_AN_APP, BuildioReader
from providers.buildio.spec import buildio_plug
from providers.http.transport import Http
from services.accounts.provider_clients import Clients, ClientsAt, Settled
from services.polling.poll import Look
from services.polling.poller import Intervals, Watcher
from services.polling.pollers import Lookout
from services.slack.workspace_members import MemberDirectory
from services.worker_processes.pool import Runner
from storage.poll_recorder import Recorder
from storage.repositories import Storage

Clock = Callable[[], datetime]
HttpOf = Mapping[Provider, Http]

# Read by themselves in one look, however short the interval: a handful of new apps should not have to queue.
FEWEST_APPS = 10


def clients_of(
    settings: Settings,
    https: HttpOf,
    storage: Storage,
    *,
    members: MemberDirectory,
    runner: Runner,
    asked: Callable[[], None],
    clock: Clock,
) -> Clients:
    """The clients of all providers, each over connections of its own.

    SERVICE_TOKEN_ACTS is Bitrise's: at Build.io nobody acts but as themselves.
    """
    bitrise = Settled(settings.bitrise_token, acts=settings.service_token_acts)
    door = buildio_door(settings, https[Provider.BUILDIO], clock)
    page = f"{settings.public_url}{begin_at(Provider.BUILDIO)}" if door is not None else None
    buildio = Settled(settings.buildio_token, sign_in=page)
    known: dict[str, Any] = {"members": members, "asked": asked, "clock": clock}
    bitrise_time, buildio_time = https[Provider.BITRISE].clock, https[Provider.BUILDIO].clock
    return Clients(
        ClientsAt(
            bitrise_plug(_bitrise(settings, https[Provider.BITRISE], runner, clock)),
            bitrise,
            storage,
            provider_clock=bitrise_time,
            **known,
        ),
        ClientsAt(
            buildio_plug(_buildio(settings, https[Provider.BUILDIO], clock), door),
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
    except BadToken:
        await pause()
        try:
            await probe()
        except BadToken as refusal:
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


def sign_in_pages(clients: Clients, storage: Storage, *, clock: Clock) -> Iterator[SigningIn]:
    """The pages on which people sign in, of each provider that has one."""
    for one in clients.all:
        if one.door is not None:
            yield SigningIn(one.provider, one.door, storage.sign_ins, owner_of=one.owner_of, clock=clock)


def buildio_door(settings: Settings, http: Http, clock: Clock) -> BuildioOAuth | None:
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


def _buildio(settings: Settings, http: Http, clock: Clock) -> Callable[[Credentials], Buildio]:
    """What makes a client of Build.io for somebody; those who share a token share its pauses."""
    pauses: dict[str, datetime] = {}

    def make(credentials: Credentials) -> Buildio:
        return Buildio(
            http,
            credentials=credentials,
            base_url=settings.buildio_api_url,
            clock=clock,
            pauses=pauses,
        )

    return make


def _bitrise(
    settings: Settings, http: Http, runner: Runner, clock: Clock
) -> Callable[[Credentials], Bitrise]:
    """What makes a client of Bitrise for somebody; those who share a token share its pauses."""
    pauses: dict[str, datetime] = {}

    def make(credentials: Credentials) -> Bitrise:
        return Bitrise(
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
    settings: Settings, clients: Clients, storage: Storage, *, found: Callable[[], None], clock: Clock
) -> Lookout:
    """What watches each provider for which there is a token."""
    watched = list[tuple[Reader, Watcher]]()

    def watch(reader: Reader, url: str, token: SecretStr, most_apps: int, provider_clock: Clock) -> None:
        look = Look(
            reader,
            storage,
            Recorder(storage.database, compare=compare, match=match),
            token=_fingerprint(reader.provider, url, token),
            clock=clock,
            provider_clock=provider_clock,
            most_apps=most_apps,
        )
        intervals = Intervals(rest=settings.poll_interval, active=settings.poll_interval_active)
        watcher = Watcher(
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
        bitrise = BitriseReader(clients.bitrise.service, clock=clock)
        watch(bitrise, settings.bitrise_api_url, settings.bitrise_token, most, clients.bitrise.provider_clock)
    if settings.buildio_token is not None:
        seconds = min(settings.poll_interval, settings.poll_interval_active)
        most = max(int(settings.requests_per_minute * seconds / 60 / REQUESTS_AN_APP), 1)
        time_there = clients.buildio.provider_clock
        buildio = BuildioReader(clients.buildio.service, clock=clock, provider_clock=time_there)
        watch(buildio, settings.buildio_api_url, settings.buildio_token, most, time_there)
    return Lookout(watched)


def _fingerprint(provider: Provider, api_url: str, token: SecretStr) -> str:
    """A name for the token that does not give it away; another token may see other apps, so it reads anew."""
    told = f"{api_url} {token.get_secret_value()}"
    return f"{provider}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
