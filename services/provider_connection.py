"""How a provider is reached: clients, apps and accounts, made from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web
from pydantic import SecretStr

from domain.build import App
from domain.credentials import Credentials, ProviderUser, Tokens
from domain.finding import Finding
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_client import BuildClient, LogClient
from services.jobs.background_job import BackgroundJob, WorkspaceCache
from storage.watch_reset import WatchBaseline

Client = TypeVar("Client")


class OAuthFlow(Protocol):
    """A provider's own page on which people let the bot act for them (OAuth 2.0, RFC 6749)."""

    def authorize(self, state: str, verifier: str) -> str:
        """The page's address; `state` comes back with them, and `verifier` is the secret of this one login."""

    async def exchange(self, code: str, verifier: str) -> Tokens:
        """The tokens for the code that they come back with. Raises ProviderError."""

    async def check(self) -> None:
        """Find out whether the provider knows the bot there. Raises InvalidToken, or another ProviderError."""

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        """The next tokens. Raises InvalidToken where they have to sign in anew, and another ProviderError."""


Names = Callable[[Client, str], Awaitable[Sequence[str]]]


class ProviderState(BackgroundJob, WorkspaceCache, Protocol):
    """What a provider's own features keep in memory; only the provider's folder knows what it is."""


# Adds the provider's own routes to the HTTP server; the second argument polls the provider now.
AddRoutes = Callable[[web.Application, Callable[[], None]], None]
# Makes a provider's own background jobs, by name, with the bot's client and what to call once a job has found news.
JobFactory = Callable[[Client, Callable[[], None]], Mapping[str, BackgroundJob]]


@dataclass(frozen=True)
class ProviderConfig:
    """An operator's settings of a provider: the bot's own token, which only reads, unless it `acts` for everybody.

    `sign_in_url` is the address of the page where people sign in instead of pasting a token.
    """

    token: SecretStr | None
    acts: bool = False
    sign_in_url: str | None = None


@dataclass(frozen=True)
class ProviderConnection(Generic[Client]):
    """What is made of credentials, and what the provider says under them; all but `make` raise ProviderError.

    `apps` are all that the token sees, and `app` is one of them by its slug. `owner` is None where the token is no
    person's. `reads_logs`: whether why an app's builds fail may be shown to others in this one's name. `branches`,
    `workflows` and `pipelines` name those of an app, by its slug, for people to pick from: one way of asking each,
    since one may be refused or slow. `door` is None where people can only paste a token.

    `builds` wraps a client that lists and reads builds; None where the provider has no such lists, so that only what
    the poller has recorded is known. `logs` wraps one that reads builds' logs; None where there are none. `make_state`
    makes what the provider's features keep in memory, with the bot's own client, and `make_jobs` the background jobs
    that run while the provider is polled.
    """

    provider: Provider
    make_client: Callable[[Credentials], Client]
    apps: Callable[[Client], Awaitable[Sequence[App]]]
    app: Callable[[Client, str], Awaitable[App]]
    owner: Callable[[Client], Awaitable[ProviderUser | None]]
    reads_logs: Callable[[Client, App], Awaitable[bool]]
    branches: Sequence[Names[Client]] = ()
    workflows: Sequence[Names[Client]] = ()
    pipelines: Sequence[Names[Client]] = ()
    oauth: OAuthFlow | None = None
    builds: Callable[[Client], BuildClient] | None = None
    logs: Callable[[Client], LogClient] | None = None
    make_state: Callable[[Client], ProviderState] | None = None
    make_jobs: JobFactory[Any] | None = None
    # The operator's settings, and the API's address.
    config: ProviderConfig = ProviderConfig(None)
    api_url: str = ""
    # Makes what polls the provider, from the bot's client and the provider's clock; how many apps one poll may read.
    build_source: Callable[[Client, Callable[[], datetime]], BuildSource] | None = None
    apps_per_poll: int = 1
    # Reads the builds of each app, from which polling starts again after a restore. Raises ProviderError.
    read_baseline: Callable[[Client, Sequence[App]], Awaitable[WatchBaseline]] | None = None
    # Checks of `buildbell doctor` with the bot's client, and with the application that users sign in with.
    check_client: Callable[[Client], AsyncIterator[Finding]] | None = None
    check_oauth: Callable[[OAuthFlow], Awaitable[Finding]] | None = None
    add_routes: AddRoutes | None = None
