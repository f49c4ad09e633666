"""Under whose token a person is answered: their own, or, where it may stand in, the bot's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from pydantic import SecretStr

from bot import messages
from bot.http import NotConnected
from bot.provider import Provider
from bot.vault import CannotOpen
from storage import Account, Storage

log = structlog.get_logger()

BROKEN = "{provider} does not take your token any more. Link your account again with `{command} connect`"
NO_LONGER_READABLE = "I can't open your token any more. Link your account again with `{command} connect`"


class ServiceToken:
    """The bot's own token: it watches and reads, and never changes anything."""

    def __init__(self, token: SecretStr | None, provider: Provider) -> None:
        self._token = token
        self._provider = provider

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token. Raises NotConnected for what would change something, and where there is none."""
        if changes or self._token is None:
            raise NotConnected(provider=self._provider)
        return self._token

    async def refused(self, token: SecretStr) -> None:
        """The watcher says so in its log, and people are told by the lists that it can't be looked at."""


class PersonsToken:
    """One person's own token.

    Where they have none the bot's token stands in, for all (`service_acts`) or for reading alone; where it is `strict`,
    for nothing: some things may not even be read with somebody else's eyes.
    """

    def __init__(
        self,
        storage: Storage,
        team: str,
        person: str,
        *,
        provider: Provider,
        service: SecretStr | None,
        service_acts: bool,
        strict: bool,
        asked: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = storage.of(team).accounts
        self._person = person
        self._provider = provider
        self._service = service
        self._service_acts = service_acts
        self._strict = strict
        self._asked = asked
        self._clock = clock

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token for this request. Raises NotConnected."""
        account = await self._account()
        if account is None:
            if self._service is not None and (self._service_acts or not (changes or self._strict)):
                return self._service
            raise NotConnected(provider=self._provider)
        if account.works:
            return self._open(account)
        if changes or self._strict or self._service is None:
            raise Unlinked(BROKEN, provider=self._provider)
        return self._service

    async def refused(self, token: SecretStr) -> None:
        """The provider does not take this token: if it is the person's, they are asked for another one, once."""
        account = await self._account()
        if account is None or not account.works or self._open(account) != token:
            return
        message = messages.token_refused(account.name, account.provider)
        if await self._accounts.refused(account, message.encode(), self._clock()):
            log.info("account.refused", team=account.team, person=account.user)
            self._asked()

    async def _account(self) -> Account | None:
        return await self._accounts.find(self._person, self._provider) if self._person else None

    def _open(self, account: Account) -> SecretStr:
        try:
            return self._accounts.token(account)
        except CannotOpen as problem:
            log.error("account.sealed", team=account.team, person=account.user, reason=str(problem))
            raise Unlinked(NO_LONGER_READABLE, provider=self._provider) from problem


class Unlinked(NotConnected):
    """The person had an account that works no longer; the sentence is whole."""

    def __init__(self, sentence: str, *, provider: Provider) -> None:
        self.sentence = sentence
        super().__init__(provider=provider)
