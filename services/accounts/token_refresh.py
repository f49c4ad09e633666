"""Refreshes people's tokens before they expire, and verifies refused tokens again before it marks them as refused.

Refresh tokens are single-use: a token is refreshed once, even if several requests need it at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from pydantic import SecretStr

from domain.credentials import Tokens
from domain.fair_limiter import Requester
from domain.provider_errors import InvalidToken, ProviderDown, ProviderError
from messages import accounts as message_accounts
from services.accounts.token_verification import TokenVerifier, Verdict
from services.cache import Cache
from services.provider_connection import OAuthFlow
from storage.accounts import Account
from storage.database import DatabaseUnavailable, retry_until_stored
from storage.repositories import Repositories
from storage.session_locks import hold

log = structlog.get_logger()

Key = TypeVar("Key", bound=Hashable)

# After a failure the next try waits, longer each time; until then the old token is used while it is valid.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
# The kind of locks that are held while a token is refreshed, and how long to wait for another bot that does so: longer
# than a request to Slack or a provider takes.
REFRESH_LOCK = "refresh"
REFRESH_WAIT_SECONDS = 40.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SingleFlight(Generic[Key]):
    """The refreshes in progress and the failed ones, by the token's owner."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, datetime] = {}

    def is_running(self, key: Key) -> bool:
        """Return whether this owner's token is being refreshed now."""
        return key in self._running

    def may_start(self, key: Key) -> bool:
        """Return whether the pause after the last failure is over."""
        return self._clock() >= self._not_before.get(key, _LONG_AGO)

    async def run_once(self, key: Key, refresh: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the refresh in progress, or start this one; `refresh` raises nothing."""
        if key not in self._running:
            # In its own task: if the request were cancelled in between, the refresh token would be spent for nothing.
            task = self._running[key] = asyncio.create_task(refresh(), name="exchange")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        await asyncio.shield(self._running[key])

    def record_failure(self, key: Key) -> timedelta:
        """Record a failure; return the pause before the next try."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        self._not_before[key] = self._clock() + pause
        return pause

    def record_success(self, key: Key) -> None:
        """Record a success, or that the account no longer works; this ends the pause."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    async def close(self) -> None:
        """Wait for refreshes in progress: an unstored new token is lost, and the old one is already spent."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)


REFRESH_BEFORE = timedelta(minutes=2)
# A refused token is verified again when its owner next needs it, but no more often than this.
ASKED_AGAIN = timedelta(seconds=30)
# The longest that a request waits for this check; Slack opens forms only within three seconds.
CHECK_SECONDS = 1.0
MAX_CACHED = 10_000
_REFRESH_FAILED = "your sign-in couldn't be renewed; try again in a minute"

_VERIFICATION_FAILED = "it rejected your token, and checking that failed"

# A workspace and a person.
UserKey = tuple[str, str]


class TokenRefresher:
    """Refreshes each person's token at one provider, once for all requests that need it at the same time."""

    def __init__(
        self,
        oauth: OAuthFlow | None,
        storage: Repositories,
        *,
        verifier: TokenVerifier,
        clock: Callable[[], datetime],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._verifier = verifier
        self._check_seconds = check_seconds
        # Checks in progress, and until when (by the event loop's time) requests wait for them.
        self._checks: dict[UserKey, tuple[asyncio.Task[None], float]] = {}
        self._last_checks = Cache[UserKey, bool](max_age=ASKED_AGAIN, max_size=MAX_CACHED, clock=clock)
        self._oauth = oauth
        self._storage = storage
        self._clock = clock
        self._refreshes: SingleFlight[UserKey] = SingleFlight(clock)

    async def close(self) -> None:
        """Wait for refreshes and checks in progress."""
        await self._refreshes.close()
        await self._verifier.close()
        await asyncio.gather(*(task for task, _ in self._checks.values()), return_exceptions=True)

    async def current(self, account: Account) -> Account:
        """Return the account's current state; a refused token is verified again, at a bounded rate.

        If the provider accepts the token after all, the account works again, with everything that depends on it. If the
        provider does not answer soon, the account counts as refused. Raises DecryptionError.
        """
        if account.works:
            return account
        key, now = (account.team, account.user), asyncio.get_running_loop().time()
        accounts = self._storage.of(account.team).accounts
        if key not in self._checks:
            if not self._may_check_again(key):
                return account
            # In its own task: it continues if the request no longer waits.
            task = asyncio.create_task(
                self._check_again(account, accounts.token(account)), name="heal account"
            )
            self._checks[key] = task, now + self._check_seconds
            task.add_done_callback(lambda _: self._checks.pop(key, None))
        task, until = self._checks[key]
        # All requests that need the account wait for the same check, and no longer than the first one does.
        await asyncio.wait({task}, timeout=max(until - now, 0.0))
        return await accounts.find(account.user, account.provider) or account

    async def _check_again(self, account: Account, token: SecretStr) -> None:
        """Mark the account as working again if the provider accepts its token."""
        try:
            if await self.verify(token, account, at_once=True) is not Verdict.ACCEPTED:
                return
            if await self._storage.of(account.team).accounts.mark_token_accepted(account):
                log.info("account.accepted_again", team=account.team, person=account.user)
            self._last_checks.forget(lambda key: key == (account.team, account.user))
        except DatabaseUnavailable:
            log.info("account.not_healed_yet", team=account.team, person=account.user)
        except Exception:
            # Logged here, since no request may be waiting for it any more.
            log.exception("account.not_healed", team=account.team, person=account.user)

    async def verify(self, token: SecretStr, account: Account, *, at_once: bool = False) -> Verdict:
        """Ask the provider whether it accepts this token of the account's owner."""
        return await self._verifier.verify(token, Requester(account.team, account.user), at_once=at_once)

    def _may_check_again(self, key: UserKey) -> bool:
        if self._last_checks.get(key) is not None:
            return False
        self._last_checks.store(key, True)
        return True

    async def _mark_refused(self, account: Account) -> None:
        """Mark the account's token as refused, and ask its owner for another one, once."""
        message = message_accounts.token_refused(account.name, account.provider)
        accounts = self._storage.of(account.team).accounts
        if await accounts.mark_token_refused(account, message.encode(), self._clock()):
            log.info("account.refused", team=account.team, person=account.user)

    async def token_of(self, account: Account) -> SecretStr | None:
        """Return the account's token, refreshed if it is about to expire; None if its owner has to link it again.

        Raises DecryptionError, and ProviderDown if it has expired and can't be refreshed now.
        """
        tokens = self._storage.of(account.team).accounts.tokens(account)
        if not self._expires_within(REFRESH_BEFORE, tokens):
            return tokens.access_token
        still_valid = not self._expires_within(timedelta(0), tokens)
        key = (account.team, account.user)
        if still_valid and (self._refreshes.is_running(key) or not self._refreshes.may_start(key)):
            return tokens.access_token
        refreshed = await self._refresh_once(account)
        if refreshed is None:
            return None
        tokens = self._storage.of(account.team).accounts.tokens(refreshed)
        if self._expires_within(timedelta(0), tokens):
            raise ProviderDown(_REFRESH_FAILED, provider=account.provider)
        return tokens.access_token

    async def handle_refusal(self, token: SecretStr, account: Account) -> bool:
        """Handle the provider's refusal of this token; return whether to repeat the request.

        It is repeated if the token was refreshed, or is accepted after all: one refusal is no proof. If it is refused
        again and can't be refreshed, its owner is asked for another one. Raises DecryptionError, and ProviderDown if
        the provider does not say.
        """
        accounts = self._storage.of(account.team).accounts
        if accounts.tokens(account).refresh_token is None:
            return await self._is_accepted(token, account)
        refreshed = await self._refresh_once(account)
        return refreshed is not None and accounts.token(refreshed) != token

    async def _is_accepted(self, token: SecretStr, account: Account) -> bool:
        verdict = await self.verify(token, account)
        if verdict is Verdict.UNKNOWN:
            raise ProviderDown(_VERIFICATION_FAILED, provider=account.provider)
        if verdict is Verdict.REFUSED:
            await self._mark_refused(account)
        return verdict is Verdict.ACCEPTED

    async def _refresh_once(self, account: Account) -> Account | None:
        """Return the account after a refresh or a failed try; None if it no longer works."""
        key = (account.team, account.user)
        if self._refreshes.is_running(key) or self._refreshes.may_start(key):
            await self._refreshes.run_once(key, lambda: self._refresh(key, account))
        refreshed = await self._storage.of(account.team).accounts.find(account.user, account.provider)
        return refreshed if refreshed is not None and refreshed.works else None

    async def _refresh(self, key: UserKey, account: Account) -> None:
        accounts = self._storage.of(account.team).accounts
        locks, name = (
            self._storage.database.session_locks,
            (REFRESH_LOCK, account.team, account.user, account.provider),
        )
        try:
            async with hold(locks, *name, wait_seconds=REFRESH_WAIT_SECONDS) as is_held:
                current = await accounts.find(account.user, account.provider)
                if current is None or current.sealed != account.sealed:
                    return  # it was refreshed since it was read, also by another bot, and its refresh token is spent
                if not is_held:
                    raise ProviderDown(_REFRESH_FAILED, provider=account.provider)
                renewed = await self._request_tokens(accounts.tokens(account))
                # The refresh token is spent: without the new one, the account would have to be linked again.
                stored = await retry_until_stored(lambda: accounts.store_renewed_tokens(account, renewed))
        except InvalidToken:
            if await self.verify(accounts.token(account), account) is Verdict.REFUSED:
                self._refreshes.record_success(key)
                await self._mark_refused(account)
            else:
                self._refreshes.record_failure(key)  # the old token may still be accepted
        except ProviderError as problem:
            pause = self._refreshes.record_failure(key)
            log.warning(
                "account.not_renewed",
                team=account.team,
                person=account.user,
                provider=account.provider,
                reason=type(problem).__name__,
                again_in_seconds=pause.total_seconds(),
            )
        except DatabaseUnavailable:
            self._refreshes.record_failure(key)
        except Exception:
            # No error may reach the requests that wait for this: they go on with the token that is stored.
            self._refreshes.record_failure(key)
            log.exception("account.not_kept", team=account.team, person=account.user)
        else:
            self._refreshes.record_success(key)
            log.info("account.renewed", team=account.team, person=account.user, kept=stored)

    async def _request_tokens(self, tokens: Tokens) -> Tokens:
        if self._oauth is None or tokens.refresh_token is None:
            raise InvalidToken
        return await self._oauth.refresh(tokens.refresh_token)

    def _expires_within(self, span: timedelta, tokens: Tokens) -> bool:
        return tokens.expires_at is not None and tokens.expires_at <= self._clock() + span
