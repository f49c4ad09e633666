"""Tokens that end: renewed before they do, once, and never twice with the same refresh token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.exchanging import FIRST_PAUSE
from bot.fair_limiter import Requester
from bot.http import BadToken, ProviderDown, Tokens
from bot.provider import Provider
from bot.vault import Vault
from handlers.renewing import ASKED_AGAIN, RENEWED_BEFORE, Renewing
from handlers.token_verification import TokenVerifier
from storage import Account, Database, Storage
from tests.builds import NOON

LASTS = timedelta(hours=2)
PATIENCE = 30.0


@dataclass
class Clock:
    passed: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return NOON + self.passed


@dataclass
class Door:
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
            raise BadToken("used twice")
        self.asked.append(given)
        return tokens(len(self.asked) + 1, self.clock() + LASTS)


@dataclass
class Judge:
    """Says of each token what the provider says when it is asked whose it is."""

    problem: Exception | None = field(default_factory=lambda: BadToken("revoked"))
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
class Scene:
    storage: Storage
    clock: Clock
    door: Door
    judge: Judge
    renewing: Renewing
    woken: list[None]

    async def account(self) -> Account:
        found = await self.storage.of("T1").accounts.find("U1", Provider.BUILDIO)
        assert found is not None
        return found

    async def token(self) -> str | None:
        got = await self.renewing.token_of(await self.account())
        return got.get_secret_value() if got is not None else None


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    database = await Database.open(tmp_path / "b.db")
    storage, clock = Storage(database, Vault(["key-" * 10])), Clock()
    door, woken = Door(clock), list[None]()
    judge = Judge()
    verifier = TokenVerifier(judge, pause_seconds=5.0, sleep=judge.sleep)
    renewing = Renewing(
        door,
        storage,
        verifier=verifier,
        asked=lambda: woken.append(None),
        clock=clock,
        healing_seconds=PATIENCE,
    )
    await storage.of("T1").accounts.connect(
        "U1", Provider.BUILDIO, tokens(1, NOON + LASTS), provider_user="a@b.c", name="a@b.c", at=NOON
    )
    yield Scene(storage, clock, door, judge, renewing, woken)
    await renewing.close()
    await database.close()


async def test_a_token_that_lasts_is_used_as_it_is(scene: Scene) -> None:
    assert await scene.token() == "access-1"
    assert scene.door.asked == []


async def test_one_that_is_about_to_end_is_renewed_once_for_all_who_wait(scene: Scene) -> None:
    scene.clock.passed = LASTS
    assert await asyncio.gather(*(scene.token() for _ in range(8))) == ["access-2"] * 8
    assert scene.door.asked == ["refresh-1"]
    scene.clock.passed = LASTS * 2
    assert await scene.token() == "access-3"


async def test_while_it_is_renewed_the_old_one_serves_as_long_as_it_lasts(scene: Scene) -> None:
    scene.clock.passed = LASTS - RENEWED_BEFORE / 2
    scene.door.gate = asyncio.Event()
    first = asyncio.create_task(scene.token())
    await scene.door.came.wait()
    assert await scene.token() == "access-1"
    scene.door.gate.set()
    assert await first == "access-2"


async def test_whoever_has_read_the_account_before_it_was_renewed_spends_nothing_twice(scene: Scene) -> None:
    stale = await scene.account()
    scene.clock.passed = LASTS
    assert await scene.token() == "access-2"
    got = await scene.renewing.token_of(stale)
    assert got is not None
    assert got.get_secret_value() == "access-2"
    assert scene.door.asked == ["refresh-1"]
    assert (await scene.account()).works


async def test_whoever_gives_up_waiting_does_not_lose_the_new_token(scene: Scene) -> None:
    scene.clock.passed = LASTS
    scene.door.gate = asyncio.Event()
    asking = asyncio.create_task(scene.token())
    await scene.door.came.wait()
    asking.cancel()
    scene.door.gate.set()
    await scene.renewing.close()
    assert await scene.token() == "access-2"


async def test_a_refusal_breaks_the_account_and_asks_for_another_once(scene: Scene) -> None:
    scene.clock.passed = LASTS
    scene.door.problem = BadToken("revoked")
    assert await scene.token() is None
    assert not (await scene.account()).works
    assert len(scene.woken) == 1


async def test_a_failure_is_tried_again_after_a_pause_and_the_old_one_serves_meanwhile(scene: Scene) -> None:
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


async def test_one_that_was_linked_anew_meanwhile_is_not_overwritten(scene: Scene) -> None:
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


async def paste(scene: Scene) -> Account:
    """Link the account by a token that can't be renewed."""
    return await scene.storage.of("T1").accounts.connect(
        "U1", Provider.BUILDIO, SecretStr("pasted-1"), provider_user="x@y.z", name="x@y.z", at=NOON
    )


async def test_a_token_is_asked_about_once_more_for_all_before_it_counts_as_refused(scene: Scene) -> None:
    account = await paste(scene)
    token = SecretStr("pasted-1")
    scene.judge.problem = None
    assert await asyncio.gather(*(scene.renewing.instead_of(token, account) for _ in range(5))) == [True] * 5
    assert (scene.judge.asked, scene.judge.slept) == (["pasted-1"], [5.0])
    scene.judge.problem = ProviderDown("no answer")
    with pytest.raises(ProviderDown, match="did not say"):
        await scene.renewing.instead_of(token, account)
    assert (await scene.account()).works
    scene.judge.problem = BadToken("revoked")
    assert not await scene.renewing.instead_of(token, account)
    assert not (await scene.account()).works


async def test_a_refused_account_is_asked_about_again_at_a_bounded_rate_and_heals_by_itself(
    scene: Scene,
) -> None:
    await scene.renewing.instead_of(SecretStr("pasted-1"), await paste(scene))
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
    # Only after a refusal a pause comes before the question.
    assert scene.judge.slept == [5.0]
    # One that healed is asked about at once where it is refused another time.
    scene.judge.problem = BadToken("revoked")
    await scene.renewing.instead_of(SecretStr("pasted-1"), await scene.account())
    assert not (await scene.account()).works
    scene.judge.problem = None
    assert (await scene.renewing.current(await scene.account())).works


async def test_all_who_need_a_refused_account_wait_for_the_answer_that_is_under_way(scene: Scene) -> None:
    await scene.renewing.instead_of(SecretStr("pasted-1"), await paste(scene))
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
    scene: Scene,
) -> None:
    await scene.renewing.instead_of(SecretStr("pasted-1"), await paste(scene))
    scene.judge.problem, scene.judge.gate = None, asyncio.Event()
    hasty = Renewing(
        scene.door,
        scene.storage,
        verifier=TokenVerifier(scene.judge),
        asked=lambda: None,
        clock=scene.clock,
        healing_seconds=0.01,
    )
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            assert not (await hasty.current(await scene.account())).works
        # Whoever comes later waits no longer than whoever asked first.
        hasty._healing_seconds = PATIENCE * 2
    scene.judge.gate.set()
    await hasty.close()
    assert (await scene.account()).works


async def test_a_refused_renewal_locks_nobody_out_whose_token_is_taken_still(scene: Scene) -> None:
    scene.clock.passed = LASTS - RENEWED_BEFORE
    scene.door.problem, scene.judge.problem = BadToken("revoked"), None
    assert await scene.token() == "access-1"
    assert (await scene.account()).works
