"""Tokens that end: renewed before they do, once, and never twice with the same refresh token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.credentials import Tokens
from domain.errors import InvalidToken, ProviderDown
from domain.fair_limiter import Requester
from domain.provider import Provider
from services.accounts.single_flight import FIRST_PAUSE
from services.accounts.token_refresh import ASKED_AGAIN, RENEWED_BEFORE, TokenRefresher
from services.accounts.token_verification import TokenVerifier
from storage.accounts import Account
from storage.database import Database
from storage.encryption import SecretBox
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.repositories import make_repositories

LASTS = timedelta(hours=2)
PATIENCE = 30.0


@dataclass
class Clock:
    passed: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return NOON + self.passed


@dataclass
class FakeOAuthFlow:
    """Gives out numbered tokens; a refresh token works once. Nobody signs in or starts a bot here."""

    clock: Clock
    asked: list[str] = field(default_factory=list)
    problem: Exception | None = None
    gate: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def authorize(self, state: str, verifier: str) -> str:
        raise NotImplementedError

    async def exchange(self, code: str, verifier: str) -> Tokens:
        raise NotImplementedError

    async def check(self) -> None:
        raise NotImplementedError

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        given = refresh_token.get_secret_value()
        self.came.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            self.asked.append(given)
            raise self.problem
        if given in self.asked:
            raise InvalidToken("used twice")
        self.asked.append(given)
        return tokens(len(self.asked) + 1, self.clock() + LASTS)


@dataclass
class Judge:
    """Says of each token what the provider says when it is asked whose it is."""

    problem: Exception | None = field(default_factory=lambda: InvalidToken("revoked"))
    asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    gate: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, token: SecretStr, _requester: Requester) -> None:
        self.asked.append(token.get_secret_value())
        self.came.set()
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
class TokenRefreshFixture:
    storage: Repositories
    clock: Clock
    door: FakeOAuthFlow
    judge: Judge
    renewing: TokenRefresher
    woken: list[None]

    async def account(self) -> Account:
        found = await self.storage.of("T1").accounts.find("U1", Provider.BUILDIO)
        assert found is not None
        return found

    async def token(self) -> str | None:
        got = await self.renewing.token_of(await self.account())
        return got.get_secret_value() if got is not None else None


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[TokenRefreshFixture]:
    database = await Database.open(tmp_path / "b.db")
    storage, clock = make_repositories(database, SecretBox(["key-" * 10])), Clock()
    door, woken = FakeOAuthFlow(clock), list[None]()
    judge = Judge()
    verifier = TokenVerifier(judge, pause_seconds=5.0, sleep=judge.sleep)
    renewing = TokenRefresher(
        door,
        storage,
        verifier=verifier,
        outbox_changed=lambda: woken.append(None),
        clock=clock,
        healing_seconds=PATIENCE,
    )
    await storage.of("T1").accounts.connect(
        "U1", Provider.BUILDIO, tokens(1, NOON + LASTS), provider_user="a@b.c", name="a@b.c", at=NOON
    )
    yield TokenRefreshFixture(storage, clock, door, judge, renewing, woken)
    await renewing.close()
    await database.close()


async def test_a_token_that_lasts_is_used_as_it_is(scene: TokenRefreshFixture) -> None:
    assert await scene.token() == "access-1"
    assert scene.door.asked == []


async def test_one_that_is_about_to_end_is_renewed_once_for_all_who_wait(scene: TokenRefreshFixture) -> None:
    scene.clock.passed = LASTS
    assert await asyncio.gather(*(scene.token() for _ in range(8))) == ["access-2"] * 8
    assert scene.door.asked == ["refresh-1"]
    scene.clock.passed = LASTS * 2
    assert await scene.token() == "access-3"


async def test_while_it_is_renewed_the_old_one_serves_as_long_as_it_lasts(scene: TokenRefreshFixture) -> None:
    scene.clock.passed = LASTS - RENEWED_BEFORE / 2
    scene.door.gate = asyncio.Event()
    first = asyncio.create_task(scene.token())
    await scene.door.came.wait()
    assert await scene.token() == "access-1"
    scene.door.gate.set()
    assert await first == "access-2"


async def test_whoever_has_read_the_account_before_it_was_renewed_spends_nothing_twice(
    scene: TokenRefreshFixture,
) -> None:
    stale = await scene.account()
    scene.clock.passed = LASTS
    assert await scene.token() == "access-2"
    got = await scene.renewing.token_of(stale)
    assert got is not None
    assert got.get_secret_value() == "access-2"
    assert scene.door.asked == ["refresh-1"]
    assert (await scene.account()).works


async def test_whoever_gives_up_waiting_does_not_lose_the_new_token(scene: TokenRefreshFixture) -> None:
    scene.clock.passed = LASTS
    scene.door.gate = asyncio.Event()
    asking = asyncio.create_task(scene.token())
    await scene.door.came.wait()
    asking.cancel()
    scene.door.gate.set()
    await scene.renewing.close()
    assert await scene.token() == "access-2"


async def test_a_refusal_breaks_the_account_and_asks_for_another_once(scene: TokenRefreshFixture) -> None:
    scene.clock.passed = LASTS
    scene.door.problem = InvalidToken("revoked")
    assert await scene.token() is None
    assert not (await scene.account()).works
    assert len(scene.woken) == 1


async def test_a_failure_is_tried_again_after_a_pause_and_the_old_one_serves_meanwhile(
    scene: TokenRefreshFixture,
) -> None:
    scene.clock.passed = LASTS - RENEWED_BEFORE
    scene.door.problem = ProviderDown("no answer")
    assert await scene.token() == "access-1"
    assert await scene.token() == "access-1"
    assert scene.door.asked == ["refresh-1"]
    scene.clock.passed = LASTS
    with pytest.raises(ProviderDown, match="could not be renewed"):
        await scene.token()
    scene.door.problem, scene.door.asked = None, []
    scene.clock.passed += FIRST_PAUSE * 2
    assert await scene.token() == "access-2"
    assert (await scene.account()).works


async def test_one_that_was_linked_anew_meanwhile_is_not_overwritten(scene: TokenRefreshFixture) -> None:
    scene.clock.passed = LASTS
    scene.door.gate = asyncio.Event()
    asking = asyncio.create_task(scene.token())
    await scene.door.came.wait()
    await scene.storage.of("T1").accounts.connect(
        "U1", Provider.BUILDIO, SecretStr("pasted-1"), provider_user="x@y.z", name="x@y.z", at=NOON
    )
    scene.door.gate.set()
    assert await asking == "pasted-1"
    assert (await scene.account()).name == "x@y.z"


async def paste(scene: TokenRefreshFixture) -> Account:
    """Link the account by a token that can't be renewed."""
    return await scene.storage.of("T1").accounts.connect(
        "U1", Provider.BUILDIO, SecretStr("pasted-1"), provider_user="x@y.z", name="x@y.z", at=NOON
    )


async def test_a_token_is_asked_about_once_more_for_all_before_it_counts_as_refused(
    scene: TokenRefreshFixture,
) -> None:
    account = await paste(scene)
    token = SecretStr("pasted-1")
    scene.judge.problem = None
    assert (
        await asyncio.gather(*(scene.renewing.handle_refusal(token, account) for _ in range(5))) == [True] * 5
    )
    assert (scene.judge.asked, scene.judge.slept) == (["pasted-1"], [5.0])
    scene.judge.problem = ProviderDown("no answer")
    with pytest.raises(ProviderDown, match="did not say"):
        await scene.renewing.handle_refusal(token, account)
    assert (await scene.account()).works
    scene.judge.problem = InvalidToken("revoked")
    assert not await scene.renewing.handle_refusal(token, account)
    assert not (await scene.account()).works


async def test_a_refused_account_is_asked_about_again_at_a_bounded_rate_and_heals_by_itself(
    scene: TokenRefreshFixture,
) -> None:
    await scene.renewing.handle_refusal(SecretStr("pasted-1"), await paste(scene))
    scene.judge.asked.clear()
    for _ in range(4):
        assert not (await scene.renewing.current(await scene.account())).works
    assert scene.judge.asked == ["pasted-1"]
    scene.judge.problem = None
    assert not (await scene.renewing.current(await scene.account())).works
    scene.clock.passed += ASKED_AGAIN
    assert (await scene.renewing.current(await scene.account())).works
    assert (await scene.account()).works
    assert await scene.token() == "pasted-1"


async def test_all_who_need_a_refused_account_wait_for_the_answer_that_is_under_way(
    scene: TokenRefreshFixture,
) -> None:
    await scene.renewing.handle_refusal(SecretStr("pasted-1"), await paste(scene))
    scene.judge.problem, scene.judge.gate = None, asyncio.Event()
    scene.judge.came.clear()
    first = asyncio.create_task(scene.renewing.current(await scene.account()))
    await scene.judge.came.wait()
    second = asyncio.create_task(scene.renewing.current(await scene.account()))
    await asyncio.wait({second}, timeout=0.05)
    assert not second.done()
    scene.judge.gate.set()
    assert [one.works for one in await asyncio.gather(first, second)] == [True, True]
    assert scene.judge.asked == ["pasted-1"] * 2


async def test_nobody_waits_long_for_a_provider_that_does_not_say_and_the_answer_counts_once_it_comes(
    scene: TokenRefreshFixture,
) -> None:
    await scene.renewing.handle_refusal(SecretStr("pasted-1"), await paste(scene))
    scene.judge.problem, scene.judge.gate = None, asyncio.Event()
    hasty = TokenRefresher(
        scene.door,
        scene.storage,
        verifier=TokenVerifier(scene.judge),
        outbox_changed=lambda: None,
        clock=scene.clock,
        healing_seconds=0.01,
    )
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            assert not (await hasty.current(await scene.account())).works
    scene.judge.gate.set()
    await hasty.close()
    assert (await scene.account()).works


async def test_a_refused_renewal_locks_nobody_out_whose_token_is_taken_still(
    scene: TokenRefreshFixture,
) -> None:
    scene.clock.passed = LASTS - RENEWED_BEFORE
    scene.door.problem, scene.judge.problem = InvalidToken("revoked"), None
    assert await scene.token() == "access-1"
    assert (await scene.account()).works
