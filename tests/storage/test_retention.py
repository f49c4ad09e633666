"""Pruning old data, but neither pending notifications nor what statistics need."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import sqlite_utils

from domain.build import BuildRequest, BuildState
from domain.message import Message
from providers.bitrise.provider import BITRISE
from storage.migrations import migrations
from storage.repositories import Repositories
from storage.retention import prune
from storage.slack_messages import NewMessage
from tests.storage.test_poll_recorder import pending_notifications, record_poll, subscribe
from tests.support.factories import ANDROID, NOON, make_build, make_recipient


async def test_notified_builds_are_pruned_except_for_statistics(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(
        repositories, make_build(1, BuildState.FAILED, branch="main"), make_build(2, BuildState.RUNNING)
    )
    await repositories.outbox.begin(
        await pending_notifications(repositories),
        NewMessage(parcel="p", team="T1", channel="C1", subject="build 1 x"),
        NOON,
    )
    await repositories.outbox.mark_delivered("p", "1.0")
    assert await prune(repositories.database, before=NOON + timedelta(days=1)) == 3
    [[number, state, branch, body]] = await repositories.database.read(
        lambda db: list(db.execute("SELECT number, state, branch, body FROM builds WHERE ended = 1"))
    )
    assert (number, state, branch, body) == (1, "failed", "main", "")
    assert await repositories.watched_builds.build(make_build(1).provider, make_build(1).slug) is None
    assert len(await repositories.watched_builds.open_builds(ANDROID.provider)) == 1
    await record_poll(repositories, make_build(1, BuildState.FAILED))
    assert await pending_notifications(repositories) == []


async def test_pending_notifications_are_never_pruned(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    assert await prune(repositories.database, before=NOON + timedelta(days=1)) == 0
    assert len(await pending_notifications(repositories)) == 1


async def test_recent_data_is_not_pruned(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    await repositories.outbox.begin(
        await pending_notifications(repositories),
        NewMessage(parcel="p", team="T1", channel="C1", subject="x"),
        NOON,
    )
    await repositories.outbox.mark_delivered("p", "1.0")
    assert await prune(repositories.database, before=NOON) == 0


async def test_streaks_without_recent_builds_are_pruned_unless_they_are_red(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    green, red = make_build(1, branch="gone"), make_build(2, BuildState.FAILED, branch="broken")
    await record_poll(repositories, green, red)
    await repositories.outbox.drop(make_recipient("C1"), "is_archived")
    await prune(repositories.database, before=NOON)
    assert await branches(repositories) == {"gone", "broken"}
    await prune(repositories.database, before=NOON + timedelta(days=1))
    assert await branches(repositories) == {"broken"}
    await record_poll(repositories, make_build(3, branch="broken"))
    [fixed] = await pending_notifications(repositories)
    assert fixed.standing is not None
    assert fixed.standing.position == "fixed"


async def branches(repositories: Repositories) -> set[str]:
    rows = await repositories.database.read(lambda db: db.execute("SELECT branch FROM series").fetchall())
    return {branch for (branch,) in rows}


async def test_pending_notifications_of_deleted_builds_are_pruned(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1), make_build(2))
    await repositories.database.write(lambda db: db.execute("DELETE FROM builds WHERE number = 1"))
    await prune(repositories.database, before=NOON + timedelta(days=1))
    assert await repositories.outbox.depth() == 1
    assert [notification.build.number for notification in await pending_notifications(repositories)] == [2]


async def test_build_requests_are_deleted_with_the_last_subscription_of_their_app(
    repositories: Repositories,
) -> None:
    subscription = await subscribe(repositories)
    request = BuildRequest(provider=BITRISE, app_slug=ANDROID.slug, slug="r1")
    await repositories.build_requests.begin(request, [make_recipient("C1")], Message("waits"), NOON)
    await repositories.of("T1").subscriptions.remove(subscription)
    assert await repositories.build_requests.open(BITRISE, ANDROID.slug) == []
    assert await repositories.build_requests.begin(request, [make_recipient("C1")], Message("waits"), NOON)


def test_the_docs_list_the_retention_of_every_table() -> None:
    db = sqlite_utils.Database(memory=True)
    migrations.apply(db)
    tables = {name for name in db.table_names() if not name.startswith(("sqlite_", "_sqlite_"))}
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    table = page.partition("| table | what it holds | how long |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", table, re.MULTILINE)
    assert sorted(documented) == sorted(tables)
