"""Stored results of access checks of subscriptions' creators."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.subscription import AccessSource, Scope, Subscription
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.encryption import SecretBox
from storage.repositories import Repositories
from tests.support.factories import ANDROID, NOON
from tests.support.repositories import make_repositories

BEN = "U0BEN"
LATER = NOON + timedelta(hours=1)
OWN = Scope(seen_as=AccessSource.OWN)


@pytest.fixture
def repositories_with_key(repositories: Repositories) -> Repositories:
    """Repositories that can store accounts."""
    return make_repositories(repositories.database, SecretBox(["key-" * 10]))


async def connect_account(repositories: Repositories, provider_user: str = "ben") -> None:
    await repositories.of("T1").accounts.connect(
        BEN, BITRISE, SecretStr("a-token"), provider_user=provider_user, name=provider_user, at=NOON
    )


async def subscribe(repositories: Repositories) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=NotificationRule(), by=BEN, at=NOON, baseline=Baseline(), scope=OWN
    )


async def subscriptions_to_check(repositories: Repositories) -> list[Subscription]:
    return await repositories.subscriptions.to_check(NOON, 10, providers=[BITRISE])


async def test_a_check_result_is_ignored_once_the_account_was_disconnected(
    repositories_with_key: Repositories,
) -> None:
    await connect_account(repositories_with_key)
    subscription = await subscribe(repositories_with_key)
    assert subscription.confirmed_at == NOON
    assert subscription.unseen_at is None
    await repositories_with_key.of("T1").accounts.disconnect(BEN, at=LATER)
    assert not await repositories_with_key.subscriptions.mark_confirmed(
        subscription, LATER, OWN, account=NOON
    )
    await repositories_with_key.subscriptions.mark_checked(subscription, LATER, OWN, account=NOON)
    [checked] = await subscriptions_to_check(repositories_with_key)
    assert (checked.unseen_at, checked.checked_at) == (LATER, None)


async def test_a_check_result_of_an_earlier_account_is_ignored(
    repositories_with_key: Repositories,
) -> None:
    await connect_account(repositories_with_key)
    subscription = await subscribe(repositories_with_key)
    before = NOON - timedelta(days=1)
    assert not await repositories_with_key.subscriptions.mark_confirmed(
        subscription, LATER, OWN, account=before
    )
    assert not await repositories_with_key.of("T1").subscriptions.stop_without_access(
        subscription, LATER, account=before
    )
    assert [
        (found.stopped, found.unseen_at) for found in await subscriptions_to_check(repositories_with_key)
    ] == [(None, None)]
    assert await repositories_with_key.of("T1").subscriptions.stop_without_access(
        subscription, LATER, account=NOON
    )
    assert await subscriptions_to_check(repositories_with_key) == []


async def test_a_subscription_made_while_its_creators_account_is_removed_shows_nothing(
    repositories_with_key: Repositories,
) -> None:
    subscription = await subscribe(repositories_with_key)
    assert subscription.unseen_at == NOON
    await connect_account(repositories_with_key)
    assert (await subscribe(repositories_with_key)).unseen_at is None


async def test_connecting_another_account_triggers_an_access_check(
    repositories_with_key: Repositories,
) -> None:
    await connect_account(repositories_with_key)
    subscription = await subscribe(repositories_with_key)
    assert await repositories_with_key.subscriptions.mark_confirmed(subscription, LATER, OWN, account=NOON)
    assert await subscriptions_to_check(repositories_with_key) == []
    await connect_account(repositories_with_key)
    assert [(found.id, found.unseen_at) for found in await subscriptions_to_check(repositories_with_key)] == [
        (subscription.id, None)
    ]
    await connect_account(repositories_with_key, provider_user="another-user")
    assert [(found.id, found.unseen_at) for found in await subscriptions_to_check(repositories_with_key)] == [
        (subscription.id, NOON)
    ]


async def test_subscriptions_with_the_bots_access_are_checked_unless_its_token_acts_for_all(
    repositories: Repositories,
) -> None:
    await repositories.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=NotificationRule(), by=BEN, at=NOON, baseline=Baseline()
    )
    here, both = [BITRISE], [BITRISE, BUILDIO]
    to_check = repositories.subscriptions.to_check
    assert len(await to_check(NOON, 10, providers=both)) == 1
    assert await to_check(NOON, 10, providers=both, acting=here) == []
    assert await to_check(NOON, 10, providers=[BUILDIO]) == []
    assert await to_check(NOON, 10, providers=[]) == []
