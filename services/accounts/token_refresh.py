"""People's tokens: exchanged for new ones before they end, and asked about again before they count as refused."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from pydantic import SecretStr

from domain.credentials import Tokens
from domain.errors import InvalidToken, ProviderDown, ProviderError
from domain.fair_limiter import Requester
from messages import accounts as message_accounts
from services.accounts.single_flight import SingleFlight
from services.accounts.token_verification import TokenVerifier, Verdict
from services.provider_connection import OAuthFlow
from storage.accounts import Account
from storage.repositories import Repositories

log = structlog.get_logger()

RENEWED_BEFORE = timedelta(minutes=2)
# A token that was refused is asked about again when its owner next needs it, but no more often than this.
ASKED_AGAIN = timedelta(seconds=30)
# Whoever waits for an answer, or for a form that Slack opens within three seconds, waits so long for that.
HEALING_SECONDS = 1.0
MOST_REMEMBERED = 10_000
_NOT_YET = "your sign-in could not be renewed; try again in a minute"

_NOT_SAID = "it did not accept your token, and then did not say whether it does"

# A person of a workspace.
Place = tuple[str, str]


class TokenRefresher:
    """Renews each person's token at one provider once, however many ask for it at the same time."""

    def __init__(
        self,
        oauth: OAuthFlow | None,
        storage: Repositories,
        *,
        verifier: TokenVerifier,
        outbox_changed: Callable[[], None],
        clock: Callable[[], datetime],
        healing_seconds: float = HEALING_SECONDS,
    ) -> None:
        self._verifier = verifier
        self._healing_seconds = healing_seconds
        # What is being asked about, and until when (a time of the event loop) somebody waits for it.
        self._healing: dict[Place, tuple[asyncio.Task[None], float]] = {}
        self._asked_again: OrderedDict[Place, datetime] = OrderedDict()
        self._door = oauth
        self._storage = storage
        self._asked = outbox_changed
        self._clock = clock
        self._exchanges: SingleFlight[Place] = SingleFlight(clock)

    async def close(self) -> None:
        """Wait for what is being renewed or asked about."""
        await self._exchanges.close()
        await self._verifier.close()
        await asyncio.gather(*(task for task, _ in self._healing.values()), return_exceptions=True)

    async def current(self, account: Account) -> Account:
        """The account as it stands: one whose token was refused is asked about again, at a bounded rate.

        Where the provider takes the token after all, the account works again, and so does what hangs on it. While it
        does not say for longer than a moment the account counts as refused. Raises DecryptionError.
        """
        if account.works:
            return account
        key, now = (account.team, account.user), asyncio.get_running_loop().time()
        accounts = self._storage.of(account.team).accounts
        if key not in self._healing:
            if not self._may_ask_again(key):
                return account
            # A task of its own: it goes on where whoever asked waits no longer.
            task = asyncio.create_task(self._heal(account, accounts.token(account)), name="heal account")
            self._healing[key] = task, now + self._healing_seconds
            task.add_done_callback(lambda _: self._healing.pop(key, None))
        task, until = self._healing[key]
        # All who need the account meanwhile wait for the same answer, and together no longer than the first.
        await asyncio.wait({task}, timeout=max(until - now, 0.0))
        return await accounts.find(account.user, account.provider) or account

    async def _heal(self, account: Account, token: SecretStr) -> None:
        """Let the account work again where the provider takes its token."""
        try:
            if await self.verify(token, account, at_once=True) is not Verdict.ACCEPTED:
                return
            if await self._storage.of(account.team).accounts.mark_token_accepted(account):
                log.info("account.accepted_again", team=account.team, person=account.user)
            self._asked_again.pop((account.team, account.user), None)
        except Exception:
            # Nobody may be waiting for it any more.
            log.exception("account.not_healed", team=account.team, person=account.user)

    async def verify(self, token: SecretStr, account: Account, *, at_once: bool = False) -> Verdict:
        """Ask the provider whether it takes this token for the account's owner."""
        return await self._verifier.verify(token, Requester(account.team, account.user), at_once=at_once)

    def _may_ask_again(self, key: Place) -> bool:
        before = self._asked_again.get(key)
        if before is not None and self._clock() - before < ASKED_AGAIN:
            return False
        self._asked_again[key] = self._clock()
        self._asked_again.move_to_end(key)
        while len(self._asked_again) > MOST_REMEMBERED:
            self._asked_again.popitem(last=False)
        return True

    async def _broken(self, account: Account) -> None:
        """The account's token is good no more: its owner is asked for another one, once."""
        message = message_accounts.token_refused(account.name, account.provider)
        accounts = self._storage.of(account.team).accounts
        if await accounts.mark_token_refused(account, message.encode(), self._clock()):
            log.info("account.refused", team=account.team, person=account.user)
            self._asked()

    async def token_of(self, account: Account) -> SecretStr | None:
        """The account's token, renewed where it is about to end; None where its owner has to link it anew.

        Raises DecryptionError, and ProviderDown where it has ended and can't be renewed now.
        """
        tokens = self._storage.of(account.team).accounts.tokens(account)
        if not self._ends_within(RENEWED_BEFORE, tokens):
            return tokens.access_token
        lasts = not self._ends_within(timedelta(0), tokens)
        key = (account.team, account.user)
        if lasts and (self._exchanges.is_running(key) or not self._exchanges.may_start(key)):
            return tokens.access_token
        again = await self._renewed(account)
        if again is None:
            return None
        tokens = self._storage.of(account.team).accounts.tokens(again)
        if self._ends_within(timedelta(0), tokens):
            raise ProviderDown(_NOT_YET, provider=account.provider)
        return tokens.access_token

    async def handle_refusal(self, token: SecretStr, account: Account) -> bool:
        """The provider has refused this token of the account; returns whether to ask again. Raises DecryptionError.

        It was renewed, or it is taken after all: one refusal is no proof. Where it is refused once more and can't be
        renewed, its owner is asked for another one. Raises ProviderDown where the provider does not say.
        """
        accounts = self._storage.of(account.team).accounts
        if accounts.tokens(account).refresh_token is None:
            return await self._is_accepted(token, account)
        again = await self._renewed(account)
        return again is not None and accounts.token(again) != token

    async def _is_accepted(self, token: SecretStr, account: Account) -> bool:
        verdict = await self.verify(token, account)
        if verdict is Verdict.UNKNOWN:
            raise ProviderDown(_NOT_SAID, provider=account.provider)
        if verdict is Verdict.REFUSED:
            await self._broken(account)
        return verdict is Verdict.ACCEPTED

    async def _renewed(self, account: Account) -> Account | None:
        """The account after it was renewed, or after that was tried; None where it works no longer."""
        key = (account.team, account.user)
        if self._exchanges.is_running(key) or self._exchanges.may_start(key):
            await self._exchanges.run_once(key, lambda: self._renew(key, account))
        again = await self._storage.of(account.team).accounts.find(account.user, account.provider)
        return again if again is not None and again.works else None

    async def _renew(self, key: Place, account: Account) -> None:
        accounts = self._storage.of(account.team).accounts
        there = await accounts.find(account.user, account.provider)
        if there is None or there.sealed != account.sealed:
            return  # it was renewed since it was read: what it was renewed with works no second time
        try:
            kept = await accounts.store_renewed_tokens(account, await self._ask(accounts.tokens(account)))
        except InvalidToken:
            if await self.verify(accounts.token(account), account) is Verdict.REFUSED:
                self._exchanges.record_success(key)
                await self._broken(account)
            else:
                self._exchanges.record_failure(key)  # what it was renewed from lasts still
        except ProviderError as problem:
            pause = self._exchanges.record_failure(key)
            log.warning(
                "account.not_renewed",
                team=account.team,
                person=account.user,
                provider=account.provider,
                reason=type(problem).__name__,
                again_in_seconds=pause.total_seconds(),
            )
        except Exception:
            # Whoever waits for it is told so; it must not be the end of anybody else.
            self._exchanges.record_failure(key)
            log.exception("account.not_kept", team=account.team, person=account.user)
        else:
            self._exchanges.record_success(key)
            log.info("account.renewed", team=account.team, person=account.user, kept=kept)

    async def _ask(self, tokens: Tokens) -> Tokens:
        if self._door is None or tokens.refresh_token is None:
            raise InvalidToken
        return await self._door.refresh(tokens.refresh_token)

    def _ends_within(self, span: timedelta, tokens: Tokens) -> bool:
        return tokens.expires_at is not None and tokens.expires_at <= self._clock() + span
