"""The token for a person's requests: their own, or the bot's where that is allowed."""

from __future__ import annotations

import structlog
from pydantic import SecretStr

from domain.credentials import TokenOwner
from domain.fair_limiter import NOBODY, Requester
from domain.provider import Provider
from domain.provider_errors import InvalidToken, NotConnected
from services.accounts.token_refresh import TokenRefresher
from services.slack.workspace_members import MemberDirectory, NotAMember
from storage.accounts import Account
from storage.encryption import DecryptionError
from storage.repositories import Repositories

log = structlog.get_logger()

BROKEN = "{provider} does not take your token any more. Link your account again with `{command} connect`"
NO_LONGER_READABLE = "I can't open your token any more. Link your account again with `{command} connect`"


class ServiceToken:
    """The bot's own token: it polls and reads, and never changes anything."""

    def __init__(self, token: SecretStr | None, provider: Provider) -> None:
        self._token = token
        self._provider = provider
        self.requester = NOBODY

    def owner_of(self, token: SecretStr) -> TokenOwner:
        """Return the bot."""
        del token
        return TokenOwner.BOT

    async def token(self, *, changes: bool) -> SecretStr | None:
        """Return the token. Raises NotConnected for a change, and if there is no token."""
        if changes or self._token is None:
            raise NotConnected(provider=self._provider)
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        """Raise ServiceTokenRefused, so that log and messages name the bot's token as the refused one."""
        del token
        raise ServiceTokenRefused(provider=self._provider)


class UserToken:
    """One person's own token.

    If they have none, the bot's token is used: for everything (`service_acts`, for full members) or only for reading;
    if `strict`, not even for that, since some things may not be read with another's access. A person who no longer
    belongs to the workspace counts as having no token. That is checked here, since all reads and changes for a person
    pass here.
    """

    def __init__(
        self,
        storage: Repositories,
        team: str,
        person: str,
        *,
        provider: Provider,
        service_token: SecretStr | None,
        members: MemberDirectory,
        service_acts: bool,
        strict: bool,
        refresher: TokenRefresher,
    ) -> None:
        self._accounts = storage.of(team).accounts
        self._team = team
        self._person = person
        self.requester = Requester(team, person)
        self._members = members
        self._provider = provider
        self._service = service_token
        self._service_acts = service_acts
        self._strict = strict
        self._refresher = refresher

    def owner_of(self, token: SecretStr) -> TokenOwner:
        """Return the person, or the bot if its token was used."""
        return TokenOwner.BOT if token == self._service else TokenOwner.PERSON

    async def token(self, *, changes: bool) -> SecretStr | None:
        """Return the token for this request. Raises NotConnected, of which MembershipUnknown is a subclass."""
        account = await self._find_account(check_again=True)
        if account is None or not await self._members.belongs(self._team, self._person):
            if self._service is not None and (
                not (changes or self._strict) or await self._may_use_service_token()
            ):
                return self._service
            if account is not None:
                raise NotAMember(provider=self._provider)
            raise NotConnected(provider=self._provider)
        if account.works and (token := await self._token_of(account)) is not None:
            return token
        if changes or self._strict or self._service is None:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        return self._service

    async def refused(self, token: SecretStr) -> bool:
        """Handle the provider's refusal of this token: a person's own is verified again or refreshed.

        Returns whether to repeat the request. Raises NotConnected if they have to link their account again,
        ServiceTokenRefused if the token was the bot's, and ProviderDown if the provider does not say.
        """
        account = await self._find_account()
        if self._service is not None and token == self._service:
            raise ServiceTokenRefused(provider=self._provider)
        if account is None:
            return False
        if not account.works:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        try:
            if self._accounts.token(account) != token:
                return account.renewable  # it was refreshed during this request
            if await self._refresher.handle_refusal(token, account):
                return True
        except DecryptionError as problem:
            raise self._report_unreadable(account, problem) from problem
        current = await self._find_account()
        if current is not None and not current.works:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        return False

    async def _may_use_service_token(self) -> bool:
        """Return whether the bot's token may be used for changes and strict reads."""
        if not self._service_acts or not self._person:
            return self._service_acts
        return await self._members.is_full_member(self._team, self._person)

    async def _find_account(self, *, check_again: bool = False) -> Account | None:
        account = await self._accounts.find(self._person, self._provider) if self._person else None
        if account is None or account.works or not check_again:
            return account
        try:
            return await self._refresher.current(account)
        except DecryptionError as problem:
            raise self._report_unreadable(account, problem) from problem

    async def _token_of(self, account: Account) -> SecretStr | None:
        try:
            return await self._refresher.token_of(account)
        except DecryptionError as problem:
            raise self._report_unreadable(account, problem) from problem

    def _report_unreadable(self, account: Account, problem: DecryptionError) -> AccountNotConnected:
        log.error("account.sealed", team=account.team, person=account.user, reason=str(problem))
        return AccountNotConnected(NO_LONGER_READABLE, provider=self._provider)


class ServiceTokenRefused(InvalidToken):
    """The bot's own token, which was used for this request, is not valid."""

    sentence = "{provider} does not accept the bot's own token. Ask whoever runs Buildbell to replace it"

    def statement(self) -> str:
        """Return the error as a sentence, without the provider's text, which is for the operator."""
        return self._format_sentence(self.sentence, None)


class AccountNotConnected(NotConnected):
    """The person's account no longer works; the sentence is complete."""

    def __init__(self, sentence: str, *, provider: Provider) -> None:
        self.sentence = sentence
        super().__init__(provider=provider)
