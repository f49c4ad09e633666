"""Expiring tokens: refreshed before they expire, once, and never twice with the same refresh token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from pydantic import SecretStr

from domain.credentials import Tokens
from domain.fair_limiter import Requester
from domain.provider_errors import InvalidToken, ProviderDown
from domain.unit import Unit
from providers.buildio.provider import BUILDIO
from services.accounts.token_refresh import ASKED_AGAIN, FIRST_PAUSE, REFRESH_BEFORE, TokenRefresher
from services.accounts.token_verification import TokenVerifier
from services.accounts.user_accounts import UserAccounts
from services.accounts.user_tokens import UserToken
from storage.accounts import Account
from storage.encryption import SecretBox
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.repositories import make_repositories
from tests.support.shared_database import open_repositories

LASTS = timedelta(hours=2)
PATIENCE = 30.0


@dataclass
class Clock:
    passed: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return NOON + self.passed


@dataclass
class FakeOAuthFlow:
    """Issues numbered tokens; a refresh token works once. Sign-in and the check at the start are not needed here."""

    clock: Clock
    requests: list[str] = field(default_factory=list)
    problem: Exception | None = None
    gate: asyncio.Event | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)

    def authorize(self, state: str, verifier: str) -> str:
        raise NotImplementedError

    async def exchange(self, code: str, verifier: str) -> Tokens:
        raise NotImplementedError

    async def check(self) -> None:
        raise NotImplementedError

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        token = refresh_token.get_secret_value()
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            self.requests.append(token)
            raise self.problem
        if token in self.requests:
            raise InvalidToken("used twice")
        self.requests.append(token)
        return tokens(len(self.requests) + 1, self.clock() + LASTS)


@dataclass
class FakeVerification:
    """The provider's answer to a verification; `problem` is the error that it raises."""

    problem: Exception | None = field(default_factory=lambda: InvalidToken("revoked"))
    requests: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    gate: asyncio.Event | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, token: SecretStr, _requester: Requester) -> None:
        self.requests.append(token.get_secret_value())
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def tokens(number: int, until: datetime | None) -> Tokens:
    return Tokens(
        access_token=SecretStr(f"access-{number}"),
        refresh_token=SecretStr(f"refresh-{number}"),
        expires_at=until,
    )


@dataclass
class TokenRefreshHarness:
    storage: Repositories
    clock: Clock
    oauth: FakeOAuthFlow
    verification: FakeVerification
    refresher: TokenRefresher
    notices: list[None]

    async def account(self) -> Account:
        found = await self.storage.of("T1").accounts.find("U1", BUILDIO)
        assert found is not None
        return found

    async def token(self) -> str | None:
        token = await self.refresher.token_of(await self.account())
        return token.get_secret_value() if token is not None else None


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[TokenRefreshHarness]:
    database = await SqliteDatabase.open(tmp_path / "b.db")
    storage, clock = make_repositories(database, SecretBox(["key-" * 10])), Clock()
    oauth, notices = FakeOAuthFlow(clock), list[None]()
    verification = FakeVerification()
    verifier = TokenVerifier(verification, pause_seconds=5.0, sleep=verification.sleep)
    database.use_engine(lambda _db, unit, *_: notices.append(None) if unit is Unit.DELIVER else None)
    refresher = TokenRefresher(
        oauth,
        storage,
        verifier=verifier,
        clock=clock,
        check_seconds=PATIENCE,
    )
    await storage.of("T1").accounts.connect(
        "U1", BUILDIO, tokens(1, NOON + LASTS), provider_user="a@b.c", name="a@b.c", at=NOON
    )
    yield TokenRefreshHarness(storage, clock, oauth, verification, refresher, notices)
    await refresher.close()
    await database.close()


async def test_a_valid_token_is_used_without_a_refresh(harness: TokenRefreshHarness) -> None:
    assert await harness.token() == "access-1"
    assert harness.oauth.requests == []


async def test_an_expiring_token_is_refreshed_once_for_all_requests(harness: TokenRefreshHarness) -> None:
    harness.clock.passed = LASTS
    assert await asyncio.gather(*(harness.token() for _ in range(8))) == ["access-2"] * 8
    assert harness.oauth.requests == ["refresh-1"]
    harness.clock.passed = LASTS * 2
    assert await harness.token() == "access-3"


async def test_the_old_token_is_used_during_a_refresh_while_it_is_valid(harness: TokenRefreshHarness) -> None:
    harness.clock.passed = LASTS - REFRESH_BEFORE / 2
    harness.oauth.gate = asyncio.Event()
    first = asyncio.create_task(harness.token())
    await harness.oauth.called.wait()
    assert await harness.token() == "access-1"
    harness.oauth.gate.set()
    assert await first == "access-2"


async def test_a_request_goes_on_with_a_token_that_was_refreshed_since_it_began(
    harness: TokenRefreshHarness,
) -> None:
    token = UserToken(
        UserAccounts(harness.storage, "T1", "U1"),
        provider=BUILDIO,
        service_token=None,
        members=mock.Mock(belongs=mock.AsyncMock(return_value=True)),
        service_acts=False,
        strict=True,
        refresher=harness.refresher,
    )
    old = await token.token(changes=True)
    await harness.storage.of("T1").accounts.store_renewed_tokens(
        await harness.account(), tokens(2, NOON + LASTS)
    )
    assert await token.token(changes=True) == old == SecretStr("access-1")
    assert await token.refused(SecretStr("access-1"))
    assert await token.token(changes=True) == SecretStr("access-2")
    assert harness.oauth.requests == harness.verification.requests == []


async def test_an_account_read_before_a_refresh_does_not_spend_the_refresh_token_twice(
    harness: TokenRefreshHarness,
) -> None:
    stale = await harness.account()
    harness.clock.passed = LASTS
    assert await harness.token() == "access-2"
    token = await harness.refresher.token_of(stale)
    assert token is not None
    assert token.get_secret_value() == "access-2"
    assert harness.oauth.requests == ["refresh-1"]
    assert (await harness.account()).works


async def test_a_cancelled_request_does_not_lose_the_new_token(harness: TokenRefreshHarness) -> None:
    harness.clock.passed = LASTS
    harness.oauth.gate = asyncio.Event()
    request = asyncio.create_task(harness.token())
    await harness.oauth.called.wait()
    request.cancel()
    harness.oauth.gate.set()
    await harness.refresher.close()
    assert await harness.token() == "access-2"


async def test_a_refused_refresh_breaks_the_account_and_asks_for_another_token_once(
    harness: TokenRefreshHarness,
) -> None:
    harness.clock.passed = LASTS
    harness.oauth.problem = InvalidToken("revoked")
    assert await harness.token() is None
    assert not (await harness.account()).works
    assert len(harness.notices) == 1


async def test_a_failed_refresh_is_tried_again_after_a_pause_and_the_old_token_is_used_meanwhile(
    harness: TokenRefreshHarness,
) -> None:
    harness.clock.passed = LASTS - REFRESH_BEFORE
    harness.oauth.problem = ProviderDown("no answer")
    assert await harness.token() == "access-1"
    assert await harness.token() == "access-1"
    assert harness.oauth.requests == ["refresh-1"]
    harness.clock.passed = LASTS
    with pytest.raises(ProviderDown, match="couldn't be renewed"):
        await harness.token()
    harness.oauth.problem, harness.oauth.requests = None, []
    harness.clock.passed += FIRST_PAUSE * 2
    assert await harness.token() == "access-2"
    assert (await harness.account()).works


async def test_an_account_that_was_linked_again_meanwhile_is_not_overwritten(
    harness: TokenRefreshHarness,
) -> None:
    harness.clock.passed = LASTS
    harness.oauth.gate = asyncio.Event()
    request = asyncio.create_task(harness.token())
    await harness.oauth.called.wait()
    await harness.storage.of("T1").accounts.connect(
        "U1", BUILDIO, SecretStr("pasted-1"), provider_user="x@y.z", name="x@y.z", at=NOON
    )
    harness.oauth.gate.set()
    assert await request == "pasted-1"
    assert (await harness.account()).name == "x@y.z"


async def link_pasted_token(harness: TokenRefreshHarness) -> Account:
    """Link the account with a token that can't be refreshed."""
    return await harness.storage.of("T1").accounts.connect(
        "U1", BUILDIO, SecretStr("pasted-1"), provider_user="x@y.z", name="x@y.z", at=NOON
    )


async def test_a_token_is_verified_once_for_all_requests_before_it_counts_as_refused(
    harness: TokenRefreshHarness,
) -> None:
    account = await link_pasted_token(harness)
    token = SecretStr("pasted-1")
    harness.verification.problem = None
    assert (
        await asyncio.gather(*(harness.refresher.handle_refusal(token, account) for _ in range(5)))
        == [True] * 5
    )
    assert (harness.verification.requests, harness.verification.slept) == (["pasted-1"], [5.0])
    harness.verification.problem = ProviderDown("no answer")
    with pytest.raises(ProviderDown, match="checking that failed"):
        await harness.refresher.handle_refusal(token, account)
    assert (await harness.account()).works
    harness.verification.problem = InvalidToken("revoked")
    assert not await harness.refresher.handle_refusal(token, account)
    assert not (await harness.account()).works


async def test_a_refused_account_is_verified_again_at_a_bounded_rate_and_recovers_by_itself(
    harness: TokenRefreshHarness,
) -> None:
    await harness.refresher.handle_refusal(SecretStr("pasted-1"), await link_pasted_token(harness))
    harness.verification.requests.clear()
    for _ in range(4):
        assert not (await harness.refresher.current(await harness.account())).works
    assert harness.verification.requests == ["pasted-1"]
    harness.verification.problem = None
    assert not (await harness.refresher.current(await harness.account())).works
    harness.clock.passed += ASKED_AGAIN
    assert (await harness.refresher.current(await harness.account())).works
    assert (await harness.account()).works
    assert await harness.token() == "pasted-1"
    # Only the verification after a refusal waits before the request.
    assert harness.verification.slept == [5.0]
    # An account that recovered is verified at once after another refusal.
    harness.verification.problem = InvalidToken("revoked")
    await harness.refresher.handle_refusal(SecretStr("pasted-1"), await harness.account())
    assert not (await harness.account()).works
    harness.verification.problem = None
    assert (await harness.refresher.current(await harness.account())).works


async def test_all_requests_for_a_refused_account_wait_for_the_same_verification(
    harness: TokenRefreshHarness,
) -> None:
    await harness.refresher.handle_refusal(SecretStr("pasted-1"), await link_pasted_token(harness))
    harness.verification.problem, harness.verification.gate = None, asyncio.Event()
    harness.verification.called.clear()
    first = asyncio.create_task(harness.refresher.current(await harness.account()))
    await harness.verification.called.wait()
    second = asyncio.create_task(harness.refresher.current(await harness.account()))
    await asyncio.wait({second}, timeout=0.05)
    assert not second.done()
    harness.verification.gate.set()
    assert [account.works for account in await asyncio.gather(first, second)] == [True, True]
    assert harness.verification.requests == ["pasted-1"] * 2


async def test_requests_do_not_wait_long_for_a_verification_but_a_late_result_counts(
    harness: TokenRefreshHarness,
) -> None:
    await harness.refresher.handle_refusal(SecretStr("pasted-1"), await link_pasted_token(harness))
    harness.verification.problem, harness.verification.gate = None, asyncio.Event()
    hasty = TokenRefresher(
        harness.oauth,
        harness.storage,
        verifier=TokenVerifier(harness.verification),
        clock=harness.clock,
        check_seconds=0.01,
    )
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            assert not (await hasty.current(await harness.account())).works
        # A later request waits no longer than the first one.
        hasty._check_seconds = PATIENCE * 2
    harness.verification.gate.set()
    await hasty.close()
    assert (await harness.account()).works


async def test_a_refused_refresh_does_not_lock_out_a_user_whose_token_is_still_accepted(
    harness: TokenRefreshHarness,
) -> None:
    harness.clock.passed = LASTS - REFRESH_BEFORE
    harness.oauth.problem, harness.verification.problem = InvalidToken("revoked"), None
    assert await harness.token() == "access-1"
    assert (await harness.account()).works


async def test_several_bots_refresh_a_token_once(postgres: PostgresServer) -> None:
    async with open_repositories(postgres, 3) as bots:
        clock = Clock()
        oauth, verification = FakeOAuthFlow(clock), FakeVerification()
        harnesses = [
            TokenRefreshHarness(
                storage,
                clock,
                oauth,
                verification,
                TokenRefresher(oauth, storage, verifier=TokenVerifier(verification), clock=clock),
                [],
            )
            for storage in bots
        ]
        await (
            bots[0]
            .of("T1")
            .accounts.connect(
                "U1", BUILDIO, tokens(1, NOON + LASTS), provider_user="a@b.c", name="a@b.c", at=NOON
            )
        )
        for number in range(1, 6):
            clock.passed = LASTS * number
            oauth.gate, oauth.called = asyncio.Event(), asyncio.Event()
            waiting = [asyncio.create_task(harness.token()) for harness in harnesses]
            await oauth.called.wait()
            # The others have read the account by now, and wait for the one that refreshes it.
            for harness in harnesses:
                await harness.account()
            oauth.gate.set()
            assert await asyncio.gather(*waiting) == [f"access-{number + 1}"] * 3
            assert len(oauth.requests) == number
        assert verification.requests == []
        for harness in harnesses:
            await harness.refresher.close()
