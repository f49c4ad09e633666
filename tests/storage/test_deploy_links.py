"""What channels tie together, and who is shown it."""

from __future__ import annotations

import pytest

from domain.build import App, BuildState
from domain.provider import Provider
from storage.database import WorkspaceGone
from storage.repositories import Repositories
from storage.retention import prune
from tests.storage.test_poll_recorder import owed, record_poll, subscribe
from tests.support.factories import ANDROID, IOS, NOON, make_build

SHOP = App(provider=Provider.BUILDIO, slug="shop-id", title="shop")
STAGING = App(provider=Provider.BUILDIO, slug="staging-id", title="shop-staging")


async def test_a_tie_comes_back_as_it_was_made(repositories: Repositories) -> None:
    ties = repositories.of("T1").deploy_links
    made = await ties.add("C1", SHOP, ANDROID, ["release/*", "main"], by="U1", at=NOON)
    assert (made.app, made.bitrise) == (SHOP, App(slug=ANDROID.slug, title=ANDROID.title))
    assert (set(made.branches), made.set_by, made.set_at) == ({"main", "release/*"}, "U1", NOON)
    assert await ties.find("C1", made.number) == made
    assert await ties.of_channel("C1") == [made]
    assert await ties.of_app("C1", ANDROID.slug) == [made]
    assert await ties.of_app("C1", IOS.slug) == []


async def test_the_same_tie_once_more_is_the_same_one_under_its_new_name(repositories: Repositories) -> None:
    ties = repositories.of("T1").deploy_links
    first = await ties.add("C1", SHOP, ANDROID, ["main", "dev"], by="U1", at=NOON)
    renamed = SHOP.model_copy(update={"title": "shop-eu"})
    again = await ties.add("C1", renamed, ANDROID, ["dev", "main"], by="U2", at=NOON)
    assert again == first.model_copy(update={"app": renamed})
    other = await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert other.number != first.number


async def test_the_number_of_a_tie_that_is_gone_is_never_another_ones(repositories: Repositories) -> None:
    ties = repositories.of("T1").deploy_links
    first = await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert await ties.remove("C1", [first.number]) == 1
    assert await ties.remove("C1", [first.number]) == 0
    again = await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert again.number != first.number
    assert await ties.find("C1", first.number) is None


async def test_a_notification_knows_its_channels_ties_as_they_are_when_it_is_read(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await record_poll(
        repositories,
        make_build(1, commit_hash="c" * 40),
        make_build(2, BuildState.FAILED, commit_hash="d" * 40),
    )
    here, elsewhere = repositories.of("T1").deploy_links, repositories.of("T2").deploy_links
    tie = await here.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    await here.add("C2", STAGING, ANDROID, [], by="U1", at=NOON)
    await here.add("C1", STAGING, IOS, [], by="U1", at=NOON)
    await elsewhere.add("C1", STAGING, ANDROID, [], by="U1", at=NOON)
    assert {one.build.number: one.ties for one in await owed(repositories)} == {1: (tie,), 2: ()}
    await here.remove("C1", [tie.number])
    assert [one.ties for one in await owed(repositories)] == [(), ()]


async def test_a_workspace_that_has_gone_ties_nothing_and_leaves_nothing_tied(
    repositories: Repositories,
) -> None:
    ties = repositories.of("T1").deploy_links
    await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    await repositories.wipe("T1")
    assert await ties.of_channel("C1") == []
    with pytest.raises(WorkspaceGone):
        await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert "T1" not in await repositories.teams()


async def test_ties_are_kept_however_old_they_are(repositories: Repositories) -> None:
    ties = repositories.of("T1").deploy_links
    await ties.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert await prune(repositories.database, before=NOON.replace(year=2036)) == 0
    assert len(await ties.of_channel("C1")) == 1
