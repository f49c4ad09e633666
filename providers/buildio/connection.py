"""The connection to Build.io: clients, apps, tokens and polling, made from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from pydantic import SecretStr

from domain.build import App
from domain.credentials import Credentials, ProviderUser
from domain.provider_errors import Forbidden, InvalidToken, NotFound, ProviderError
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.oauth import BuildioOAuth, endpoints_beside
from providers.buildio.pipelines.commands import find_stage
from providers.buildio.polling.deployments import WORKFLOW
from providers.buildio.polling.source import REQUESTS_AN_APP, BuildioBuildSource
from providers.buildio.provider import BUILDIO
from providers.http.environment import ProviderEnvironment
from providers.http.pauses import TokenPauses
from services.provider_connection import Finding, OAuthFlow, ProviderConfig, ProviderConnection, apps_finding
from storage.watch_reset import WatchBaseline


class BuildioSettings(Protocol):
    """The settings that are read here."""

    buildio_token: SecretStr | None
    buildio_api_url: str
    buildio_client_id: str | None
    buildio_client_secret: SecretStr | None
    poll_interval: float
    poll_interval_active: float
    requests_per_minute: int


def connect(environment: ProviderEnvironment) -> ProviderConnection[BuildioClient]:
    """Return the connection to Build.io. Nobody acts there but as themselves: the bot's token only reads."""
    settings: BuildioSettings = environment.settings
    oauth = _oauth_flow(environment, settings)
    seconds = min(settings.poll_interval, settings.poll_interval_active)

    async def read_baseline(client: BuildioClient, apps: Sequence[App]) -> WatchBaseline:
        source = BuildioBuildSource(client, clock=environment.clock)
        builds = {}
        for app in apps:
            with suppress(Forbidden, NotFound):  # the bot can't poll it either
                builds[app.slug] = await source.baseline(app.slug)
        return WatchBaseline(builds)

    return ProviderConnection(
        BUILDIO,
        _client_factory(environment, settings),
        apps=_apps,
        app=_app,
        owner=_owner,
        reads_logs=_reads_logs,
        names={"branches": (_branches,), "workflows": (_deployments, _processes)},
        find_stage=find_stage,
        oauth=oauth,
        config=ProviderConfig(
            settings.buildio_token, sign_in_url=environment.oauth_start_url if oauth is not None else None
        ),
        api_url=settings.buildio_api_url,
        build_source=lambda client, provider_clock: BuildioBuildSource(
            client, clock=environment.clock, provider_clock=provider_clock
        ),
        apps_per_poll=max(int(settings.requests_per_minute * seconds / 60 / REQUESTS_AN_APP), 1),
        read_baseline=read_baseline,
        check_client=_check_client,
        check_oauth=_check_oauth,
    )


def _oauth_flow(environment: ProviderEnvironment, settings: BuildioSettings) -> BuildioOAuth | None:
    """Return the sign-in at Build.io; None where the settings have no application for it."""
    if settings.buildio_client_id is None or settings.buildio_client_secret is None:
        return None
    authorize_url, token_url = endpoints_beside(settings.buildio_api_url)
    return BuildioOAuth(
        environment.http,
        settings.buildio_client_id,
        settings.buildio_client_secret,
        authorize_url,
        token_url,
        environment.oauth_redirect_url,
        environment.clock,
    )


def _client_factory(
    environment: ProviderEnvironment, settings: BuildioSettings
) -> Callable[[Credentials], BuildioClient]:
    """Return what makes clients; those that share a token share its pauses."""
    pauses = TokenPauses(environment.storage.pauses if environment.storage is not None else None)

    def make(credentials: Credentials) -> BuildioClient:
        return BuildioClient(
            environment.http,
            credentials=credentials,
            base_url=settings.buildio_api_url,
            clock=environment.clock,
            pauses=pauses,
        )

    return make


async def _apps(buildio: BuildioClient) -> list[App]:
    return [app.as_app() for app in await buildio.apps()]


async def _app(buildio: BuildioClient, slug: str) -> App:
    return (await buildio.app(slug)).as_app()


async def _branches(buildio: BuildioClient, app_slug: str) -> list[str]:
    # No list of them is to be had: the one that the app stands on ("Apps").
    current = (await buildio.app(app_slug)).deployment
    return [current.branch] if current is not None and current.branch else []


async def _deployments(_buildio: BuildioClient, _app_slug: str) -> list[str]:
    return [WORKFLOW]


async def _processes(buildio: BuildioClient, app_slug: str) -> list[str]:
    """The app's processes: all of a type by a pattern, then each by its name."""
    dynos = await buildio.dynos(app_slug)
    return [*dict.fromkeys(f"{one.type}.*" for one in dynos), *(one.name for one in dynos)]


async def _owner(buildio: BuildioClient) -> ProviderUser:
    # The e-mail address is all that the reference names ("Identity").
    email = (await buildio.me()).email
    return ProviderUser(id=email.casefold(), name=email)


async def _reads_logs(_buildio: BuildioClient, _app: App) -> bool:
    # Why a deployment failed is part of what the app says of itself ("Apps").
    return True


async def _check_client(buildio: BuildioClient) -> AsyncIterator[Finding]:
    try:
        me = await buildio.me()
        apps = len(await buildio.apps())
    except ProviderError as problem:
        yield Finding("Build.io", str(problem), "check BUILDIO_TOKEN and BUILDIO_API_URL")
        return
    yield Finding("Build.io", f"connected as {me.email}")
    yield apps_finding("Build.io apps", apps)


async def _check_oauth(oauth: OAuthFlow) -> Finding:
    try:
        await oauth.check()
    except InvalidToken as problem:
        return Finding(
            "Build.io sign-in",
            str(problem),
            "copy the application's ID and secret into BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET",
        )
    except ProviderError as problem:
        return Finding("Build.io sign-in", str(problem), "check BUILDIO_API_URL")
    return Finding("Build.io sign-in", "Build.io accepts the application's ID and secret")
