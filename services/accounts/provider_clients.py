"""The clients of each provider: one per person with their own token, and one with the bot's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from domain.credentials import FixedToken, ProviderUser, secrets_equal
from domain.fair_limiter import Requester
from domain.provider import Provider
from domain.provider_client import BuildClient, LogClient
from services.accounts.app_catalog import PATIENCE_SECONDS, AppCatalog, AppLists
from services.accounts.token_refresh import TokenRefresher
from services.accounts.token_verification import PAUSE_SECONDS, TokenVerifier
from services.accounts.user_accounts import UserAccounts
from services.accounts.user_tokens import ServiceToken, UserToken
from services.cache import Cache
from services.events import PersonChanged
from services.jobs.background_job import BackgroundJob
from services.provider_connection import NameKind, ProviderConfig, ProviderConnection
from services.slack.workspace_members import MemberDirectory
from storage.accounts import Account
from storage.encryption import DecryptionError
from storage.repositories import Repositories

# The most people whose app lists are cached per provider.
MAX_USERS = 100
# Builds that were not found cost no request for a while.
MISSES_FRESH = timedelta(minutes=1)
MAX_MISSES = 10_000

Client = TypeVar("Client")
ReadNames = Callable[[str], Awaitable[Sequence[str]]]


class UserClient(Generic[Client]):
    """One person's clients for one request, with the accounts that it has read."""

    def __init__(self, clients: ProviderClients[Client], accounts: UserAccounts) -> None:
        self._clients = clients
        self.accounts = accounts
        self.provider = clients.provider

    @cached_property
    def reading(self) -> Client:
        """The client that reads with the bot's token if the person has none of their own."""
        return self._clients.make_client(self.accounts, strict=False)

    @cached_property
    def own(self) -> Client:
        """The client that reads and changes with the person's token only, or the bot's if that acts for people."""
        return self._clients.make_client(self.accounts, strict=True)

    @cached_property
    def apps(self) -> AppCatalog[Client]:
        """The apps that the person's own token sees."""
        return self._clients.catalog(self.own, self.accounts)

    @cached_property
    def builds(self) -> BuildClient | None:
        """The client that lists builds as `reading` does; None if the provider lists none."""
        return self._clients.build_client(self.reading)

    def name_readers(self, kind: NameKind) -> list[ReadNames]:
        """Return functions that list an app's names of this kind as this person."""
        functions = self._clients.connection.names.get(kind, ())
        return [partial(function, self.reading) for function in functions]


class ProviderClients(Generic[Client]):
    """All clients of one provider.

    `service` is the bot's own, `service_builds` and `service_logs` read builds and their logs if the provider has them.
    `state` is in-memory state of the provider's features. `provider_clock` is the provider's time. `misses` caches
    builds that were not found, by workspace and person first.
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
        options_seconds: float = PATIENCE_SECONDS,
        provider_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.members = members
        self.provider = connection.provider
        self.service_acts = config.acts
        self.sign_in_url = config.sign_in_url
        self.oauth = connection.oauth
        self.connection = connection
        self._service_token = config.token
        self.clock = clock
        self.provider_clock = provider_clock or clock
        verifier = TokenVerifier(self.owner_of, pause_seconds=verify_seconds)
        self.token_refresher = TokenRefresher(connection.oauth, storage, verifier=verifier, clock=clock)
        self.service = connection.make_client(ServiceToken(config.token, connection.provider))
        self.service_apps = AppCatalog(
            connection, self.service, AppLists(clock=clock, patience_seconds=options_seconds)
        )
        self.service_builds = self.build_client(self.service)
        self.service_logs: LogClient | None = (
            connection.logs(self.service) if connection.logs is not None else None
        )
        self.state = connection.make_state(self.service) if connection.make_state is not None else None
        self._app_lists = AppLists(clock=clock, max_size=MAX_USERS, patience_seconds=options_seconds)
        self.misses = Cache[tuple[str, ...], bool](max_age=MISSES_FRESH, max_size=MAX_MISSES, clock=clock)

    def for_user(self, accounts: UserAccounts) -> UserClient[Client]:
        """Return the person's clients, for as long as these accounts are used: for one request."""
        return UserClient(self, accounts)

    def make_client(self, accounts: UserAccounts, *, strict: bool) -> Client:
        """Return a client that acts as the person; if `strict`, it does not even read with the bot's token."""
        token = UserToken(
            accounts,
            provider=self.provider,
            service_token=self._service_token,
            members=self.members,
            service_acts=self.service_acts,
            strict=strict,
            refresher=self.token_refresher,
        )
        return self.connection.make_client(token)

    def catalog(self, client: Client, accounts: UserAccounts) -> AppCatalog[Client]:
        """Return the apps that the person's client sees, as far as known."""
        return AppCatalog(self.connection, client, self._app_lists, (accounts.team, accounts.person))

    def build_client(self, client: Client) -> BuildClient | None:
        """Return what lists builds with a client; None if the provider lists none."""
        return self.connection.builds(client) if self.connection.builds is not None else None

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it, and its people's accounts are deleted."""
        self._app_lists.forget(lambda key: key[0] == team)
        self.misses.forget(lambda key: key[0] == team)

    def forget_person(self, team: str, person: str) -> None:
        """Forget what was read with the person's account, since the account has changed."""
        self._app_lists.forget(lambda key: key == (team, person))
        self.misses.forget(lambda key: key[:2] == (team, person))

    def forget_everyone(self) -> None:
        """Forget what was read with anybody's account."""
        self._app_lists.forget(lambda _key: True)
        self.misses.forget(lambda _key: True)

    async def owner_of(self, token: SecretStr, requester: Requester) -> ProviderUser | None:
        """Return the owner of a token that was just pasted; None if it is not a person's. Raises ProviderError."""
        return await self.connection.owner(self.connection.make_client(FixedToken(token, requester)))

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

    async def is_linked(self, accounts: UserAccounts) -> bool:
        """Return whether the person has a working account of their own, and belongs to the workspace.

        Raises MembershipUnknown.
        """
        account = await self.account_of(accounts)
        return (
            account is not None
            and account.works
            and await self.members.belongs(accounts.team, accounts.person)
        )

    async def account_of(self, accounts: UserAccounts) -> Account | None:
        """Return the person's account, member or not; a refused one is verified again first."""
        account = await accounts.find(self.provider)
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
