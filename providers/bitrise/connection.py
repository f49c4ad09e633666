"""The connection to Bitrise: clients, apps, tokens and polling, made from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from aiohttp import web
from pydantic import SecretStr

from domain.abort_kind import AbortReasonRule
from domain.build import App
from domain.credentials import Credentials, ProviderUser
from domain.fair_limiter import Requester
from domain.provider_client import LogClient
from domain.provider_errors import Forbidden, InvalidToken, NotFound, ProviderError, RequestRejected
from providers.bitrise.api.client import BitriseBuilds, BitriseClient
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.build_requests.poller import BuildRequestPoller
from providers.bitrise.polling.restored_baseline import read_restored_baseline
from providers.bitrise.polling.source import BitriseBuildSource
from providers.bitrise.provider import BITRISE
from providers.bitrise.state import BitriseState
from providers.bitrise.webhook import Webhook
from providers.http.environment import ProviderEnvironment
from providers.http.pauses import TokenPauses
from services.jobs.background_job import BackgroundJob
from services.provider_connection import Finding, ProviderConfig, ProviderConnection, apps_finding

_FAILED = 2
# A few new apps should not wait, however short the interval: so many are read by themselves in one poll.
MIN_APPS_PER_POLL = 10
WEBHOOK_PATH = "/webhooks/bitrise"


class BitriseSettings(Protocol):
    """The settings that are read here."""

    bitrise_token: SecretStr | None
    bitrise_api_url: str
    bitrise_webhook_secret: SecretStr | None
    webhook_secret: SecretStr | None
    service_token_acts: bool
    download_hosts: tuple[str, ...]
    abort_kinds: tuple[AbortReasonRule, ...]
    poll_interval: float
    requests_per_minute: int


def connect(environment: ProviderEnvironment) -> ProviderConnection[BitriseClient]:
    """Return the connection to Bitrise."""
    settings: BitriseSettings = environment.settings
    # Most polls read the list of all apps; only apps that it does not cover take turns.
    in_one_poll = round(settings.requests_per_minute * settings.poll_interval / 60)
    return ProviderConnection(
        BITRISE,
        _client_factory(environment, settings),
        apps=_apps,
        app=BitriseClient.app,
        owner=_owner,
        reads_logs=_reads_logs,
        names={
            "branches": (BitriseClient.branches,),
            # Those of its bitrise.yml first, which not every token may read, then others that were ever started.
            "workflows": (_configured_workflows, BitriseClient.workflows),
            "pipelines": (_configured_pipelines,),
        },
        builds=BitriseBuilds,
        logs=_logs,
        make_state=partial(BitriseState, clock=environment.clock, follow_seconds=environment.follow_seconds),
        make_jobs=partial(_make_jobs, environment, settings),
        config=ProviderConfig(settings.bitrise_token, acts=settings.service_token_acts),
        api_url=settings.bitrise_api_url,
        build_source=lambda client, _provider_clock: BitriseBuildSource(client, clock=environment.clock),
        apps_per_poll=max(in_one_poll, MIN_APPS_PER_POLL),
        read_baseline=partial(read_restored_baseline, clock=environment.clock),
        check_client=_check_client,
        add_routes=partial(_add_routes, settings),
    )


def _client_factory(
    environment: ProviderEnvironment, settings: BitriseSettings
) -> Callable[[Credentials], BitriseClient]:
    """Return what makes clients; those that share a token share its pauses."""
    pauses = TokenPauses(environment.storage.pauses if environment.storage is not None else None)
    # A bitrise.yml may be crafted to parse slowly, so only one of each person's is parsed at a time.
    yml_locks: WeakValueDictionary[Requester, asyncio.Lock] = WeakValueDictionary()
    runner: dict[str, Any] = {} if environment.runner is None else {"runner": environment.runner}

    def make(credentials: Credentials) -> BitriseClient:
        return BitriseClient(
            environment.http,
            credentials=credentials,
            base_url=settings.bitrise_api_url,
            clock=environment.clock,
            download_hosts=settings.download_hosts,
            abort_rules=settings.abort_kinds,
            pauses=pauses,
            yml_lock=yml_locks.setdefault(credentials.requester, asyncio.Lock()),
            **runner,
        )

    return make


def _make_jobs(
    environment: ProviderEnvironment,
    settings: BitriseSettings,
    client: BitriseClient,
) -> Sequence[BackgroundJob]:
    if environment.storage is None:
        return ()
    poller = BuildRequestPoller(
        client,
        environment.storage,
        every_seconds=settings.poll_interval,
        clock=environment.clock,
    )
    return (poller,)


def _add_routes(
    settings: BitriseSettings, poll_now: Callable[[], Awaitable[None]], app: web.Application
) -> None:
    if settings.webhook_secret is None:
        return
    webhook = Webhook(settings.webhook_secret, settings.bitrise_webhook_secret, poll_now=poll_now)
    app.router.add_post(WEBHOOK_PATH, webhook.take)


def _logs(bitrise: BitriseClient) -> LogClient:
    return bitrise


async def _apps(bitrise: BitriseClient) -> list[App]:
    return [app async for app in bitrise.apps()]


async def _configured_workflows(bitrise: BitriseClient, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).workflows


async def _configured_pipelines(bitrise: BitriseClient, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).pipelines


async def _owner(bitrise: BitriseClient) -> ProviderUser | None:
    me = await bitrise.me()
    return ProviderUser(id=me.slug, name=me.username) if me.username and me.slug else None


async def _reads_logs(bitrise: BitriseClient, app: App) -> bool:
    """Return whether the token may read logs; a role that lists builds may not (Bitrise's documents, "Roles").

    Tries it on the latest failed build, whose log would be shown. If no build has failed, tries to read bitrise.yml.
    """
    try:
        async for page in bitrise.builds(app.slug, BuildListParams(status=_FAILED), limit=1).pages():
            for build in page.items:
                await bitrise.log(app.slug, build.slug)
                return True
            break
        await bitrise.app_yml(app.slug)
    except Forbidden:
        return False
    except (NotFound, RequestRejected):
        return True  # there is none, but they may look for it
    except ProviderError:
        return False
    return True


async def _check_client(bitrise: BitriseClient) -> AsyncIterator[Finding]:
    try:
        me = await bitrise.me()
        apps = 0
        async for page in bitrise.apps().pages():
            apps = page.total or len(page.items)
            break
    except ProviderError as problem:
        yield Finding("Bitrise", str(problem), await _bitrise_fix(bitrise, problem))
        return
    yield Finding("Bitrise", f"connected as {me.username or me.slug or 'a workspace token'}")
    yield apps_finding("Bitrise apps", apps)


async def _bitrise_fix(bitrise: BitriseClient, problem: ProviderError) -> str:
    """Find out whether the token or the URL is wrong: the API's roots answer without a token ("Root URLs")."""
    refused = isinstance(problem, InvalidToken | Forbidden)
    if not refused and not isinstance(problem, NotFound):
        return "check the network, BITRISE_API_URL and BITRISE_TOKEN"
    try:
        await bitrise.root(versioned=refused)
    except (ProviderError, ValueError):
        return "check BITRISE_TOKEN and BITRISE_API_URL"
    if refused:
        return "BITRISE_API_URL is correct: check BITRISE_TOKEN"
    return "BITRISE_API_URL must end with the version, such as https://api.bitrise.io/v0.1"
