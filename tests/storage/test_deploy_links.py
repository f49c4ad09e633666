"""Deploy links of channels, and the notifications that show them."""

from __future__ import annotations

import pytest

from domain.build import App, BuildState
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.database import WorkspaceGone
from storage.repositories import Repositories
from storage.retention import prune
from tests.storage.test_poll_recorder import pending_notifications, record_poll, subscribe
from tests.support.factories import ANDROID, IOS, NOON, make_build

SHOP = App(provider=BUILDIO, slug="shop-id", title="shop")
STAGING = App(provider=BUILDIO, slug="staging-id", title="shop-staging")


async def test_a_deploy_link_is_read_as_it_was_added(repositories: Repositories) -> None:
    deploy_links = repositories.of("T1").deploy_links
    made = await deploy_links.add("C1", SHOP, ANDROID, ["release/*", "main"], by="U1", at=NOON)
    assert (made.app, made.bitrise) == (SHOP, App(provider=BITRISE, slug=ANDROID.slug, title=ANDROID.title))
    assert (set(made.branches), made.set_by) == ({"main", "release/*"}, "U1")
    assert await deploy_links.find("C1", made.number) == made
    assert await deploy_links.of_channel("C1") == [made]
    assert await deploy_links.of_app("C1", ANDROID.slug) == [made]
    assert await deploy_links.of_app("C1", IOS.slug) == []


async def test_adding_the_same_deploy_link_again_updates_its_title(repositories: Repositories) -> None:
    deploy_links = repositories.of("T1").deploy_links
    first = await deploy_links.add("C1", SHOP, ANDROID, ["main", "dev"], by="U1", at=NOON)
    renamed = SHOP.model_copy(update={"title": "shop-eu"})
    again = await deploy_links.add("C1", renamed, ANDROID, ["dev", "main"], by="U2", at=NOON)
    assert again == first.model_copy(update={"app": renamed})
    other = await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert other.number != first.number


async def test_the_number_of_a_removed_deploy_link_is_never_reused(repositories: Repositories) -> None:
    deploy_links = repositories.of("T1").deploy_links
    first = await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert await deploy_links.remove("C1", [first.number]) == 1
    assert await deploy_links.remove("C1", [first.number]) == 0
    again = await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert again.number != first.number
    assert await deploy_links.find("C1", first.number) is None


async def test_a_notification_has_the_current_deploy_links_of_its_channel(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await record_poll(
        repositories,
        make_build(1, commit_hash="c" * 40),
        make_build(2, BuildState.FAILED, commit_hash="d" * 40),
    )
    here, elsewhere = repositories.of("T1").deploy_links, repositories.of("T2").deploy_links
    link = await here.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    await here.add("C2", STAGING, ANDROID, [], by="U1", at=NOON)
    await here.add("C1", STAGING, IOS, [], by="U1", at=NOON)
    await elsewhere.add("C1", STAGING, ANDROID, [], by="U1", at=NOON)
    assert {
        notification.build.number: notification.ties
        for notification in await pending_notifications(repositories)
    } == {1: (link,), 2: ()}
    await here.remove("C1", [link.number])
    assert [notification.ties for notification in await pending_notifications(repositories)] == [(), ()]


async def test_a_wiped_workspace_keeps_and_adds_no_deploy_links(
    repositories: Repositories,
) -> None:
    deploy_links = repositories.of("T1").deploy_links
    await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    await repositories.wipe("T1")
    assert await deploy_links.of_channel("C1") == []
    with pytest.raises(WorkspaceGone):
        await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert "T1" not in await repositories.teams()


async def test_deploy_links_are_never_pruned(repositories: Repositories) -> None:
    deploy_links = repositories.of("T1").deploy_links
    await deploy_links.add("C1", SHOP, ANDROID, [], by="U1", at=NOON)
    assert await prune(repositories.database, before=NOON.replace(year=2036)) == 0
    assert len(await deploy_links.of_channel("C1")) == 1
