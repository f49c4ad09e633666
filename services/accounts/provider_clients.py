"""The clients of each provider: one per person, under their own token, and one under the bot's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from domain.constant_time import secrets_equal
from domain.credentials import FixedToken, ProviderUser
from domain.fair_limiter import Requester
from domain.provider import Provider
from domain.provider_client import BuildClient, LogClient
from services.accounts.app_catalog import AppCatalog
from services.accounts.token_refresh import TokenRefresher
from services.accounts.token_verification import PAUSE_SECONDS, TokenVerifier
from services.accounts.user_tokens import ServiceToken, UserToken
from services.jobs.background_job import BackgroundJob
from services.lookup.negative_cache import NegativeCache
from services.provider_connection import Names, ProviderConfig, ProviderConnection
from services.slack.workspace_members import MemberDirectory
from storage.accounts import Account
from storage.encryption import DecryptionError
from storage.repositories import Repositories

# However many people there are, so many clients and lists of apps are kept of each provider.
MAX_USER_CLIENTS = 100

Client = TypeVar("Client")
ReadNames = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class UserClient(Generic[Client]):
    """The clients under which one person is answered.

    `reading` reads with the bot's token where they have none of their own; `own` reads and changes with theirs alone,
    or with the bot's where the operator lets it act for people. `builds` lists builds as `reading`; None where the
    provider lists none. `misses` are builds that were looked for in vain.
    """

    reading: Client
    own: Client
    apps: AppCatalog[Client]
    builds: BuildClient | None = None
    misses: NegativeCache = field(default_factory=NegativeCache)


class ProviderClients(Generic[Client]):
    """All clients of one provider.

    `service` is the bot's own, `service_builds` and `service_logs` its lists of builds and their logs where the
    provider has them. `state` is what the provider's own features keep in memory. `provider_clock` is the time at the
    provider.
    """

    def __init__(
        self,
        connection: ProviderConnection[Client],
        config: ProviderConfig,
        storage: Repositories,
        *,
        members: MemberDirectory,
        outbox_changed: Callable[[], None],
        clock: Callable[[], datetime],
        verify_seconds: float = PAUSE_SECONDS,
        provider_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.members = members
        self.provider = connection.provider
        self.service_acts = config.acts
        self.sign_in_url = config.sign_in_url
        self.oauth = connection.oauth
        self.connection = connection
        self._storage = storage
        self._service_token = config.token
        self.clock = clock
        self.provider_clock = provider_clock or clock
        verifier = TokenVerifier(self.owner_of, pause_seconds=verify_seconds)
        self.token_refresher = TokenRefresher(
            connection.oauth, storage, verifier=verifier, outbox_changed=outbox_changed, clock=clock
        )
        self.service = connection.make_client(ServiceToken(config.token, connection.provider))
        self.service_apps = AppCatalog(connection, self.service, clock=clock)
        self.service_builds = self._builds(self.service)
        self.service_logs: LogClient | None = (
            connection.logs(self.service) if connection.logs is not None else None
        )
        self.state = connection.make_state(self.service) if connection.make_state is not None else None
        self._user_clients: OrderedDict[tuple[str, str], UserClient[Client]] = OrderedDict()

    def for_person(self, team: str, person: str) -> UserClient[Client]:
        """Return the clients under which this person is answered; `""` is a workflow, which has no account."""
        key = (team, person)
        if key not in self._user_clients:
            reading = self.connection.make_client(self._credentials(team, person, strict=False))
            own = self.connection.make_client(self._credentials(team, person, strict=True))
            self._user_clients[key] = UserClient(
                reading,
                own,
                AppCatalog(self.connection, own, clock=self.clock),
                self._builds(reading),
            )
        self._user_clients.move_to_end(key)
        while len(self._user_clients) > MAX_USER_CLIENTS:
            self._user_clients.popitem(last=False)
        return self._user_clients[key]

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it, and its people's accounts are deleted."""
        for key in [one for one in self._user_clients if one[0] == team]:
            del self._user_clients[key]

    def forget_person(self, team: str, person: str) -> None:
        """Forget what was read with the person's account, since it is another one from now on."""
        self._user_clients.pop((team, person), None)

    async def owner_of(self, token: SecretStr, requester: Requester) -> ProviderUser | None:
        """Return the owner of a token that was just pasted; None where it is no person's. Raises ProviderError."""
        return await self.connection.owner(self.connection.make_client(FixedToken(token, requester)))

    def branches(self, team: str, person: str) -> list[ReadNames]:
        """Return the ways of listing an app's branches as this person."""
        return self._readers_for(self.connection.branches, team, person)

    def workflows(self, team: str, person: str) -> list[ReadNames]:
        """Return the ways of listing an app's workflows as this person."""
        return self._readers_for(self.connection.workflows, team, person)

    def pipelines(self, team: str, person: str) -> list[ReadNames]:
        """Return the ways of listing an app's pipelines as this person."""
        return self._readers_for(self.connection.pipelines, team, person)

    def _readers_for(self, ways: Sequence[Names[Client]], team: str, person: str) -> list[ReadNames]:
        return [partial(way, self.for_person(team, person).reading) for way in ways]

    @property
    def has_service_token(self) -> bool:
        """Whether the bot has a token of its own there."""
        return self._service_token is not None

    @property
    def service_tokens(self) -> Sequence[SecretStr]:
        """The bot's own token, if it has one."""
        return [self._service_token] if self._service_token is not None else []

    def is_service_token(self, token: SecretStr) -> bool:
        """Whether the token is the bot's own."""
        return self._service_token is not None and secrets_equal(
            token.get_secret_value(), self._service_token
        )

    async def is_linked(self, team: str, person: str) -> bool:
        """Whether the person has an account of their own that works, and belongs to the workspace.

        Raises MembershipUnknown.
        """
        account = await self.account_of(team, person)
        return account is not None and account.works and await self.members.belongs(team, person)

    async def account_of(self, team: str, person: str) -> Account | None:
        """Return the person's account, member or not; a refused one is tried again first."""
        account = await self._storage.of(team).accounts.find(person, self.provider) if person else None
        if account is None or account.works:
            return account
        with suppress(DecryptionError):
            return await self.token_refresher.current(account)
        return account

    async def acts_for(self, team: str, person: str) -> bool:
        """Whether the bot's own token acts for them: the operator allows it, for full members only.

        `""` is a workflow, for which the access rules decide. Raises MembershipUnknown.
        """
        return self.service_acts and (not person or await self.members.is_full_member(team, person))

    def make_jobs(self, on_update: Callable[[], None]) -> Mapping[str, BackgroundJob]:
        """Make the provider's own background jobs, by name; `found` is called once one has found news."""
        make = self.connection.make_jobs
        return make(self.service, on_update) if make is not None else {}

    def _builds(self, client: Client) -> BuildClient | None:
        return self.connection.builds(client) if self.connection.builds is not None else None

    def _credentials(self, team: str, person: str, *, strict: bool) -> UserToken:
        return UserToken(
            self._storage,
            team,
            person,
            provider=self.provider,
            service=self._service_token,
            members=self.members,
            service_acts=self.service_acts,
            strict=strict,
            renewing=self.token_refresher,
        )


class Clients:
    """All clients of all providers, in the order in which the providers are offered."""

    def __init__(self, clients: Sequence[ProviderClients[Any]], members: MemberDirectory) -> None:
        self.members = members
        self._all = {one.provider: one for one in clients}

    @property
    def all(self) -> Sequence[ProviderClients[Any]]:
        """The clients of each provider."""
        return tuple(self._all.values())

    def at(self, provider: Provider) -> ProviderClients[Any]:
        """Return the clients of one provider. Raises KeyError for one that this bot does not have."""
        return self._all[provider]

    @property
    def configured(self) -> tuple[Provider, ...]:
        """The providers for which the operator has configured a token."""
        return tuple(provider for provider, one in self._all.items() if one.has_service_token)

    @property
    def first(self) -> Provider:
        """The provider that is meant where none is named: the first one that is configured."""
        return next(iter(self.configured or self._all))

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it, and its people's accounts are deleted."""
        self.members.forget(team)
        for one in self._all.values():
            one.forget(team)

    async def close(self) -> None:
        """Wait until tokens that are being refreshed are stored."""
        for one in self._all.values():
            await one.token_refresher.close()

    def forget_person(self, team: str, person: str) -> None:
        """Forget what was read with the person's accounts, since they are others from now on."""
        for one in self._all.values():
            one.forget_person(team, person)
