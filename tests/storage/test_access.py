"""What is noted of whether the makers of subscriptions still see what they show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.subscription import AccessSource, Scope, Subscription
from storage.encryption import SecretBox
from storage.repositories import Repositories
from tests.support.factories import ANDROID, NOON
from tests.support.repositories import make_repositories

BEN = "U0BEN"
LATER = NOON + timedelta(hours=1)
OWN = Scope(seen_as=AccessSource.OWN)


@pytest.fixture
def sealing(repositories: Repositories) -> Repositories:
    """Storage that keeps accounts."""
    return make_repositories(repositories.database, SecretBox(["key-" * 10]))


async def link(repositories: Repositories, as_: str = "ben") -> None:
    await repositories.of("T1").accounts.connect(
        BEN, Provider.BITRISE, SecretStr("a-token"), provider_user=as_, name=as_, at=NOON
    )


async def subscribe(repositories: Repositories) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=NotificationRule(), by=BEN, at=NOON, baseline=Baseline(), scope=OWN
    )


async def due(repositories: Repositories) -> list[Subscription]:
    return await repositories.subscriptions.to_check(NOON, 10, providers=[Provider.BITRISE])


async def test_an_answer_that_comes_after_its_account_has_gone_counts_for_nothing(
    sealing: Repositories,
) -> None:
    await link(sealing)
    one = await subscribe(sealing)
    assert one.confirmed_at == NOON
    assert one.unseen_at is None
    await sealing.of("T1").accounts.disconnect(BEN, at=LATER)
    assert not await sealing.subscriptions.mark_confirmed(one, LATER, OWN, account=NOON)
    await sealing.subscriptions.mark_checked(one, LATER, OWN, account=NOON)
    [there] = await due(sealing)
    assert (there.unseen_at, there.checked_at) == (LATER, None)


async def test_an_answer_about_an_account_from_before_neither_shows_nor_stops_it(
    sealing: Repositories,
) -> None:
    await link(sealing)
    one = await subscribe(sealing)
    before = NOON - timedelta(days=1)
    assert not await sealing.subscriptions.mark_confirmed(one, LATER, OWN, account=before)
    assert not await sealing.of("T1").subscriptions.stop_without_access(one, LATER, account=before)
    assert [(each.stopped, each.unseen_at) for each in await due(sealing)] == [(None, None)]
    assert await sealing.of("T1").subscriptions.stop_without_access(one, LATER, account=NOON)
    assert await due(sealing) == []


async def test_one_that_is_made_while_its_makers_account_goes_shows_nothing(sealing: Repositories) -> None:
    one = await subscribe(sealing)
    assert one.unseen_at == NOON
    await link(sealing)
    assert (await subscribe(sealing)).unseen_at is None


async def test_another_account_has_it_asked_anew(sealing: Repositories) -> None:
    await link(sealing)
    one = await subscribe(sealing)
    assert await sealing.subscriptions.mark_confirmed(one, LATER, OWN, account=NOON)
    assert await due(sealing) == []
    await link(sealing)
    assert [(each.id, each.unseen_at) for each in await due(sealing)] == [(one.id, None)]
    await link(sealing, as_="somebody-else")
    assert [(each.id, each.unseen_at) for each in await due(sealing)] == [(one.id, NOON)]


async def test_what_shows_the_bots_own_access_is_asked_about_only_where_its_token_does_not_act_for_all(
    repositories: Repositories,
) -> None:
    await repositories.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=NotificationRule(), by=BEN, at=NOON, baseline=Baseline()
    )
    here, both = [Provider.BITRISE], [Provider.BITRISE, Provider.BUILDIO]
    to_check = repositories.subscriptions.to_check
    assert len(await to_check(NOON, 10, providers=both)) == 1
    assert await to_check(NOON, 10, providers=both, acting=here) == []
    assert await to_check(NOON, 10, providers=[Provider.BUILDIO]) == []
    assert await to_check(NOON, 10, providers=[]) == []
