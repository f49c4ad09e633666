"""Under whose token a person is answered: their own, or, where it may stand in, the bot's."""

from __future__ import annotations

import structlog
from pydantic import SecretStr

from domain.credentials import TokenOwner
from domain.errors import InvalidToken, NotConnected
from domain.fair_limiter import NOBODY, Requester
from domain.provider import Provider
from services.accounts.token_refresh import TokenRefresher
from services.slack.workspace_members import MemberDirectory, NotAMember
from storage.accounts import Account
from storage.encryption import DecryptionError
from storage.repositories import Repositories

log = structlog.get_logger()

BROKEN = "{provider} does not take your token any more. Link your account again with `{command} connect`"
NO_LONGER_READABLE = "I can't open your token any more. Link your account again with `{command} connect`"


class ServiceToken:
    """The bot's own token: it watches and reads, and never changes anything."""

    def __init__(self, token: SecretStr | None, provider: Provider) -> None:
        self._token = token
        self._provider = provider
        self.requester = NOBODY

    def owner_of(self, token: SecretStr) -> TokenOwner:
        """The bot's own."""
        del token
        return TokenOwner.BOT

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token. Raises NotConnected for what would change something, and where there is none."""
        if changes or self._token is None:
            raise NotConnected(provider=self._provider)
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        """Say whose token it was, in the watcher's log and to whoever is shown something by it.

        Raises ServiceTokenRefused.
        """
        del token
        raise ServiceTokenRefused(provider=self._provider)


class UserToken:
    """One person's own token.

    Where they have none the bot's token stands in, for all (`service_acts`, for full members) or for reading alone;
    where it is `strict`, for nothing: some things may not even be read with somebody else's eyes. Somebody who does not
    belong to the workspace any more is as one who has none. That is asked here, since whatever is read or changed for
    a person passes here, however they asked for it.
    """

    def __init__(
        self,
        storage: Repositories,
        team: str,
        person: str,
        *,
        provider: Provider,
        service: SecretStr | None,
        members: MemberDirectory,
        service_acts: bool,
        strict: bool,
        renewing: TokenRefresher,
    ) -> None:
        self._accounts = storage.of(team).accounts
        self._team = team
        self._person = person
        self.requester = Requester(team, person)
        self._members = members
        self._provider = provider
        self._service = service
        self._service_acts = service_acts
        self._strict = strict
        self._renewing = renewing

    def owner_of(self, token: SecretStr) -> TokenOwner:
        """The person's own, or the bot's that stood in for it."""
        return TokenOwner.BOT if token == self._service else TokenOwner.PERSON

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token for this request. Raises NotConnected, of which MembershipUnknown is one."""
        account = await self._account(ask_again=True)
        if account is None or not await self._members.belongs(self._team, self._person):
            if self._service is not None and (not (changes or self._strict) or await self._serves()):
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
        """The provider does not take this token: where it is theirs, it is asked about again, renewed, or asked for.

        Returns whether the request may be made again. Raises NotConnected where they have to link their account anew,
        ServiceTokenRefused where the token was the bot's, and ProviderDown where the provider does not say.
        """
        account = await self._account()
        if self._service is not None and token == self._service:
            raise ServiceTokenRefused(provider=self._provider)
        if account is None:
            return False
        if not account.works:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        try:
            if self._accounts.token(account) != token:
                return account.renewable  # it was renewed while this request was under way
            if await self._renewing.handle_refusal(token, account):
                return True
        except DecryptionError as problem:
            raise self._sealed(account, problem) from problem
        again = await self._account()
        if again is not None and not again.works:
            raise AccountNotConnected(BROKEN, provider=self._provider)
        return False

    async def _serves(self) -> bool:
        """Whether the bot's token also does what must not be done with somebody else's eyes."""
        if not self._service_acts or not self._person:
            return self._service_acts
        return await self._members.is_full_member(self._team, self._person)

    async def _account(self, *, ask_again: bool = False) -> Account | None:
        account = await self._accounts.find(self._person, self._provider) if self._person else None
        if account is None or account.works or not ask_again:
            return account
        try:
            return await self._renewing.current(account)
        except DecryptionError as problem:
            raise self._sealed(account, problem) from problem

    async def _token_of(self, account: Account) -> SecretStr | None:
        try:
            return await self._renewing.token_of(account)
        except DecryptionError as problem:
            raise self._sealed(account, problem) from problem

    def _sealed(self, account: Account, problem: DecryptionError) -> AccountNotConnected:
        log.error("account.sealed", team=account.team, person=account.user, reason=str(problem))
        return AccountNotConnected(NO_LONGER_READABLE, provider=self._provider)


class ServiceTokenRefused(InvalidToken):
    """The bot's own token is not valid, with which this was read."""

    sentence = "{provider} does not accept the bot's own token. Ask whoever runs Buildbell to replace it"

    def statement(self) -> str:
        """What is so, without the provider's words, which are for whoever runs the bot."""
        return self._format_sentence(self.sentence, None)


class AccountNotConnected(NotConnected):
    """The person had an account that works no longer; the sentence is whole."""

    def __init__(self, sentence: str, *, provider: Provider) -> None:
        self.sentence = sentence
        super().__init__(provider=provider)
