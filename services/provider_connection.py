"""The connection to a provider: its clients, apps, accounts and checks, made from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from aiohttp import web
from pydantic import SecretStr

from domain.build import App
from domain.credentials import Credentials, ProviderUser, Tokens
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_client import BuildClient, LogClient
from services.jobs.background_job import BackgroundJob, WorkspaceCache
from storage.watch_reset import WatchBaseline


@dataclass(frozen=True)
class Finding:
    """Result of one check; `fix` says what to do if it failed."""

    check: str
    result: str
    fix: str | None = None

    @property
    def passed(self) -> bool:
        """Return whether the check passed."""
        return self.fix is None


def apps_finding(what: str, count: int) -> Finding:
    """Return the finding on how many apps a token sees; none is a failure."""
    if not count:
        return Finding(what, "the token can see none", "give its owner access to the apps")
    return Finding(what, f"the token can see {count}")


Client = TypeVar("Client")


class OAuthFlow(Protocol):
    """A provider's authorization page, where users let the bot act for them (OAuth 2.0, RFC 6749)."""

    def authorize(self, state: str, verifier: str) -> str:
        """Return the page's URL; `state` comes back with the user, and `verifier` is the secret of this one login."""

    async def exchange(self, code: str, verifier: str) -> Tokens:
        """Return the tokens for the code that the user comes back with. Raises ProviderError."""

    async def check(self) -> None:
        """Check that the provider accepts the bot's OAuth client. Raises InvalidToken, or another ProviderError."""

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        """Return new tokens. Raises InvalidToken if the user has to sign in again, or another ProviderError."""


NameKind = Literal["branches", "workflows", "pipelines"]
Names = Callable[[Client, str], Awaitable[Sequence[str]]]


class ProviderState(WorkspaceCache, Protocol):
    """In-memory state of a provider's own features, which only the provider's folder knows, and its jobs."""

    @property
    def jobs(self) -> Sequence[BackgroundJob]:
        """The background jobs that the state needs."""


# Adds the provider's own routes to the HTTP server; the first argument polls the provider now.
AddRoutes = Callable[[Callable[[], Awaitable[None]], web.Application], None]
# Makes a provider's own background jobs from the bot's client.
JobFactory = Callable[[Client], Sequence[BackgroundJob]]


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
    """The functions of a provider, each for a client; all but the `make_…` functions raise ProviderError.

    `make_client` makes the client from credentials. `apps` returns all apps that the token sees, `app` one of them by
    its slug. `owner` returns None for a token that belongs to no user. `reads_logs` tells whether build failures of an
    app may be explained to others on behalf of the token's owner. `names` returns names of an app to pick from,
    by its slug: several functions each, since one may be refused or slow. `oauth` is None if
    users can only paste a token. `find_stage` returns the deployment stage of an app, on which rules may
    depend, by the bot's client and a person's; None if it is unknown.

    `builds` wraps a client to list and read builds; None if the provider has no such lists, so that only recorded
    builds are known. `logs` wraps one to read build logs; None if there are none. `make_state` makes the in-memory
    state of the provider's features with the bot's own client, and `make_jobs` the background jobs that run while the
    provider is polled.
    """

    provider: Provider
    make_client: Callable[[Credentials], Client]
    apps: Callable[[Client], Awaitable[Sequence[App]]]
    app: Callable[[Client, str], Awaitable[App]]
    owner: Callable[[Client], Awaitable[ProviderUser | None]]
    reads_logs: Callable[[Client, App], Awaitable[bool]]
    names: Mapping[NameKind, Sequence[Names[Client]]] = field(default_factory=dict)
    find_stage: Callable[[App, Client, Client], Awaitable[str | None]] | None = None
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
