"""The token for a person's requests: their own, or the bot's where that is allowed."""

from __future__ import annotations

import structlog
from pydantic import SecretStr

from domain.credentials import TokenOwner
from domain.fair_limiter import NOBODY, Requester
from domain.provider import Provider
from domain.provider_errors import InvalidToken, NotConnected
from services.accounts.token_refresh import TokenRefresher
from services.accounts.user_accounts import UserAccounts
from services.slack.workspace_members import MemberDirectory, NotAMember
from storage.accounts import Account
from storage.encryption import DecryptionError

log = structlog.get_logger()

BROKEN = "{provider} rejected your token. Reconnect with `{command} connect`"
NO_LONGER_READABLE = "Your stored token can't be decrypted any more. Reconnect with `{command} connect`"


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
        accounts: UserAccounts,
        *,
        provider: Provider,
        service_token: SecretStr | None,
        members: MemberDirectory,
        service_acts: bool,
        strict: bool,
        refresher: TokenRefresher,
    ) -> None:
        self._accounts = accounts
        self._team = accounts.team
        self._person = accounts.person
        self.requester = Requester(accounts.team, accounts.person)
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
        account = await self._accounts.find(self._provider)
        try:
            if account is not None:
                account = await self._refresher.current(account)
            if account is None or not await self._members.belongs(self._team, self._person):
                return await self._service_token_instead(account, changes=changes)
            if account.works and (token := await self._refresher.token_of(account)) is not None:
                return token
        except DecryptionError as problem:
            raise self._report_unreadable(problem) from problem
        if changes or self._strict or self._service is None:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        return self._service

    async def refused(self, token: SecretStr) -> bool:
        """Handle the provider's refusal of this token: a person's own is verified again or refreshed.

        Returns whether to repeat the request. Raises NotConnected if they have to link their account again,
        ServiceTokenRefused if the token was the bot's, and ProviderDown if the provider does not say.
        """
        if self._service is not None and token == self._service:
            raise ServiceTokenRefused(provider=self._provider)
        account = await self._read_again()
        if account is None:
            return False
        try:
            if self._accounts.stored.token(account) != token:
                return account.renewable  # it was refreshed during this request
            if await self._refresher.handle_refusal(token, account):
                self._accounts.forget()
                return True
        except DecryptionError as problem:
            raise self._report_unreadable(problem) from problem
        await self._read_again()
        return False

    async def _read_again(self) -> Account | None:
        """Return the account as it is now. Raises AccountNotConnected if its token is refused."""
        self._accounts.forget()
        account = await self._accounts.find(self._provider)
        if account is not None and not account.works:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        return account

    async def _service_token_instead(self, account: Account | None, *, changes: bool) -> SecretStr:
        """Return the bot's token for a person without an account, or who does not belong here. Raises NotConnected."""
        if self._service is not None and (
            not (changes or self._strict) or await self._may_use_service_token()
        ):
            return self._service
        if account is not None:
            raise NotAMember(provider=self._provider)
        raise NotConnected(provider=self._provider)

    async def _may_use_service_token(self) -> bool:
        """Return whether the bot's token may be used for changes and strict reads."""
        if not self._service_acts or not self._person:
            return self._service_acts
        return await self._members.is_full_member(self._team, self._person)

    def _report_unreadable(self, problem: DecryptionError) -> AccountNotConnected:
        log.error("account.sealed", team=self._team, person=self._person, reason=str(problem))
        return AccountNotConnected(NO_LONGER_READABLE, provider=self._provider)


class ServiceTokenRefused(InvalidToken):
    """The bot's own token, which was used for this request, is not valid."""

    sentence = "{provider} rejected Buildbell's own token. Ask whoever runs Buildbell to replace it"

    def statement(self) -> str:
        """Return the error as a sentence, without the provider's text, which is for the operator."""
        return self._format_sentence(self.sentence, None)


class AccountNotConnected(NotConnected):
    """The person's account no longer works; the sentence is complete."""

    def __init__(self, sentence: str, *, provider: Provider) -> None:
        self.sentence = sentence
        super().__init__(provider=provider)
