"""The clients of each provider: one per person with their own token, and one with the bot's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from cachetools import LRUCache
from pydantic import SecretStr

from domain.credentials import FixedToken, ProviderUser, secrets_equal
from domain.fair_limiter import Requester
from domain.provider import Provider
from domain.provider_client import BuildClient, LogClient
from services.accounts.app_catalog import AppCatalog
from services.accounts.token_refresh import TokenRefresher
from services.accounts.token_verification import PAUSE_SECONDS, TokenVerifier
from services.accounts.user_tokens import ServiceToken, UserToken
from services.cache import Cache
from services.events import PersonChanged
from services.jobs.background_job import BackgroundJob
from services.provider_connection import NameKind, ProviderConfig, ProviderConnection
from services.slack.workspace_members import MemberDirectory
from storage.accounts import Account
from storage.encryption import DecryptionError
from storage.repositories import Repositories

# The most people whose clients and app lists are cached per provider.
MAX_USER_CLIENTS = 100
# Builds that were not found cost no request for a while.
MISSES_FRESH = timedelta(minutes=1)
MAX_MISSES = 100

Client = TypeVar("Client")
ReadNames = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class UserClient(Generic[Client]):
    """One person's clients.

    `reading` reads with the bot's token if they have none of their own; `own` reads and changes with theirs only, or
    with the bot's if the operator lets it act for people. `builds` lists builds as `reading`; None if the provider
    lists none. `misses` caches builds that were not found.
    """

    reading: Client
    own: Client
    apps: AppCatalog[Client]
    builds: BuildClient | None
    misses: Cache[tuple[str, ...], bool]


class ProviderClients(Generic[Client]):
    """All clients of one provider.

    `service` is the bot's own, `service_builds` and `service_logs` read builds and their logs if the provider has them.
    `state` is in-memory state of the provider's features. `provider_clock` is the provider's time.
    """

    def __init__(
        self,
        connection: ProviderConnection[Client],
        config: ProviderConfig,
        storage: Repositories,
        *,
        members: MemberDirectory,
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
        self.token_refresher = TokenRefresher(connection.oauth, storage, verifier=verifier, clock=clock)
        self.service = connection.make_client(ServiceToken(config.token, connection.provider))
        self.service_apps = AppCatalog(connection, self.service, clock=clock)
        self.service_builds = self._make_build_client(self.service)
        self.service_logs: LogClient | None = (
            connection.logs(self.service) if connection.logs is not None else None
        )
        self.state = connection.make_state(self.service) if connection.make_state is not None else None
        self._user_clients = LRUCache[tuple[str, str], UserClient[Client]](MAX_USER_CLIENTS)

    def for_person(self, team: str, person: str) -> UserClient[Client]:
        """Return this person's clients; `""` is a workflow, which has no account."""
        key = (team, person)
        if key not in self._user_clients:
            reading = self.connection.make_client(self._make_user_token(team, person, strict=False))
            own = self.connection.make_client(self._make_user_token(team, person, strict=True))
            self._user_clients[key] = UserClient(
                reading,
                own,
                AppCatalog(self.connection, own, clock=self.clock),
                self._make_build_client(reading),
                Cache(max_age=MISSES_FRESH, max_size=MAX_MISSES, clock=self.clock),
            )
        return self._user_clients[key]

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it, and its people's accounts are deleted."""
        for key in [known for known in self._user_clients if known[0] == team]:
            del self._user_clients[key]

    def forget_person(self, team: str, person: str) -> None:
        """Forget what was read with the person's account, since the account has changed."""
        self._user_clients.pop((team, person), None)

    def forget_everyone(self) -> None:
        """Forget what was read with anybody's account."""
        self._user_clients.clear()

    async def owner_of(self, token: SecretStr, requester: Requester) -> ProviderUser | None:
        """Return the owner of a token that was just pasted; None if it is not a person's. Raises ProviderError."""
        return await self.connection.owner(self.connection.make_client(FixedToken(token, requester)))

    def name_readers(self, kind: NameKind, team: str, person: str) -> list[ReadNames]:
        """Return functions that list an app's names of this kind as this person."""
        reading = self.for_person(team, person).reading
        return [partial(function, reading) for function in self.connection.names.get(kind, ())]

    @property
    def has_service_token(self) -> bool:
        """True if the bot has its own token of this provider."""
        return self._service_token is not None

    @property
    def service_tokens(self) -> Sequence[SecretStr]:
        """The bot's own token, if it has one."""
        return [self._service_token] if self._service_token is not None else []

    def is_service_token(self, token: SecretStr) -> bool:
        """Return whether the token is the bot's own."""
        return self._service_token is not None and secrets_equal(
            token.get_secret_value(), self._service_token
        )

    async def is_linked(self, team: str, person: str) -> bool:
        """Return whether the person has a working account of their own, and belongs to the workspace.

        Raises MembershipUnknown.
        """
        account = await self.account_of(team, person)
        return account is not None and account.works and await self.members.belongs(team, person)

    async def account_of(self, team: str, person: str) -> Account | None:
        """Return the person's account, member or not; a refused one is verified again first."""
        account = await self._storage.of(team).accounts.find(person, self.provider) if person else None
        if account is None or account.works:
            return account
        with suppress(DecryptionError):
            return await self.token_refresher.current(account)
        return account

    async def acts_for(self, team: str, person: str) -> bool:
        """Return whether the bot's own token acts for the person: if the operator allows it, for full members only.

        `""` is a workflow, for which the access rules decide. Raises MembershipUnknown.
        """
        return self.service_acts and (not person or await self.members.is_full_member(team, person))

    def make_jobs(self) -> Sequence[BackgroundJob]:
        """Make the provider's own background jobs."""
        make = self.connection.make_jobs
        return make(self.service) if make is not None else ()

    def _make_build_client(self, client: Client) -> BuildClient | None:
        return self.connection.builds(client) if self.connection.builds is not None else None

    def _make_user_token(self, team: str, person: str, *, strict: bool) -> UserToken:
        return UserToken(
            self._storage,
            team,
            person,
            provider=self.provider,
            service_token=self._service_token,
            members=self.members,
            service_acts=self.service_acts,
            strict=strict,
            refresher=self.token_refresher,
        )


class Clients:
    """All clients of all providers, in the order in which the providers are offered."""

    def __init__(self, clients: Sequence[ProviderClients[Any]], members: MemberDirectory) -> None:
        self.members = members
        self._all = {client.provider: client for client in clients}

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
        return tuple(provider for provider, clients in self._all.items() if clients.has_service_token)

    @property
    def first(self) -> Provider:
        """The default provider: the first one that is configured."""
        return next(iter(self.configured or self._all))

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it, and its people's accounts are deleted."""
        self.members.forget(team)
        for clients in self._all.values():
            clients.forget(team)

    async def close(self) -> None:
        """Wait until tokens that are being refreshed are stored."""
        for clients in self._all.values():
            await clients.token_refresher.close()

    def forget_person(self, team: str, person: str) -> None:
        """Forget what was read with the person's accounts, since they have changed."""
        for clients in self._all.values():
            clients.forget_person(team, person)

    def note_person_changed(self, event: PersonChanged) -> None:
        """Forget all that is known of a person who has changed; of all, if anybody may have."""
        if not event.person:
            self.members.forget_everyone()
            for clients in self._all.values():
                clients.forget_everyone()
            return
        self.members.forget_person(event.team, event.person)
        self.forget_person(event.team, event.person)
