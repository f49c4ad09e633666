"""How apps stood at the last look: kept with what is owed, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.build import App, Build, BuildChange, BuildState, RunKind
from domain.notification import NewNotification, Notification
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, Snapshot
from domain.provider import Provider
from domain.subscription import Subscription
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from tests.support.factories import NOON, make_build, make_recipient
from tests.support.repositories import make_poll_recorder

SHOP = App(provider=Provider.BUILDIO, slug="shop", title="shop")


def a_deployment(number: int, state: BuildState = BuildState.FAILED, **more: Any) -> Build:
    return make_build(number, state, app=SHOP, provider=Provider.BUILDIO, kind=RunKind.DEPLOYMENT, **more)


async def subscribe(repositories: Repositories, snapshot: str | None = "one", *builds: Build) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel="C1",
        app=SHOP,
        terms=NotificationRule(),
        by="U1",
        at=NOON,
        baseline=Baseline(builds=builds, snapshot=snapshot),
    )


def recorder(repositories: Repositories) -> PollRecorder:
    return make_poll_recorder(repositories.database)


def seen(*builds: Build, was: str | None, body: str, begins: Sequence[Build] = ()) -> PollSnapshot:
    snapshot = Snapshot(app_slug=SHOP.slug, was=was, body=body, begins=tuple(begins))
    return PollSnapshot(
        token="t", provider=Provider.BUILDIO, builds=builds, snapshots=(snapshot,), logs=False
    )


async def snapshot(repositories: Repositories) -> str | None:
    return (await repositories.watched_builds.state("t", Provider.BUILDIO)).snapshots.get(SHOP.slug)


async def owed(repositories: Repositories) -> list[Notification]:
    return await repositories.outbox.due(make_recipient("C1"), 100, NOON)


async def test_what_was_found_by_comparing_is_owed_and_the_app_stands_otherwise_from_then_on(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await recorder(repositories).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert [one.build.number for one in await owed(repositories)] == [1]
    assert await snapshot(repositories) == "two"


async def test_what_breaks_in_the_middle_leaves_the_app_as_it_stood_and_owes_nothing(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)

    def breaks(changes: Sequence[BuildChange], *_more: object) -> list[NewNotification]:
        raise RuntimeError

    broken = make_poll_recorder(repositories.database, match=breaks)
    with pytest.raises(RuntimeError):
        await broken.record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert await snapshot(repositories) == "one"
    assert await owed(repositories) == []
    await recorder(repositories).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert len(await owed(repositories)) == 1


async def test_what_was_compared_with_how_the_app_stood_before_its_watching_began_anew_does_not_count(
    repositories: Repositories,
) -> None:
    first = await subscribe(repositories)
    await repositories.of("T1").subscriptions.remove(first)
    await subscribe(repositories, "anew")
    await recorder(repositories).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert await snapshot(repositories) == "anew"
    assert await owed(repositories) == []


async def test_an_app_that_nobody_waits_for_any_more_is_forgotten(repositories: Repositories) -> None:
    await repositories.of("T1").subscriptions.remove(await subscribe(repositories))
    assert await snapshot(repositories) is None
    await recorder(repositories).record(seen(a_deployment(1), was=None, body="two"), at=NOON)
    assert await snapshot(repositories) is None


async def test_without_a_snapshot_the_watching_begins_with_the_first_look(repositories: Repositories) -> None:
    await subscribe(repositories, None)
    begins = [a_deployment(1), a_deployment(2, BuildState.RUNNING)]
    await recorder(repositories).record(seen(was=None, body="one", begins=begins), at=NOON)
    assert await owed(repositories) == []
    before = a_deployment(2, triggered_at=NOON - timedelta(days=1))
    await recorder(repositories).record(seen(before, was="one", body="two"), at=NOON)
    [told] = await owed(repositories)
    assert told.build.number == 2
    assert told.standing is not None
    assert told.standing.failures == 2


async def test_what_the_provider_says_of_a_failure_stands_where_a_log_would_and_is_redacted(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    words = "Release failed\npostgres://shop:hunter2secret@db.example/shop is no address"
    await recorder(repositories).record(seen(a_deployment(1, problem=words), was="one", body="two"), at=NOON)
    [told] = await owed(repositories)
    assert told.failure is not None
    assert told.failure.lines[0] == "Release failed"
    assert "hunter2secret" not in str(told)
    assert await repositories.failure_analyses.next(Provider.BUILDIO) is None


async def test_every_app_is_every_app_of_one_provider(repositories: Repositories) -> None:
    subscriptions = repositories.of("T1").subscriptions
    for provider in (Provider.BITRISE, Provider.BUILDIO):
        await subscriptions.add_for_every_app(
            channel="C1", provider=provider, terms=NotificationRule(), by="U1", at=NOON
        )
    at_bitrise, at_buildio = await subscriptions.of_channel("C1")
    await subscribe(repositories)
    await recorder(repositories).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert at_bitrise.id not in {one.subscription_id for one in await owed(repositories)}
    assert at_buildio.id in {one.subscription_id for one in await owed(repositories)}


async def test_a_restart_that_was_asked_for_is_known_to_the_next_look_and_forgotten_in_time(
    repositories: Repositories,
) -> None:
    watching = repositories.watched_builds
    await watching.record_restart(Provider.BUILDIO, SHOP.slug, "web.1", NOON)
    [asked] = (await watching.state("t", Provider.BUILDIO)).restarts
    assert (asked.app_slug, asked.dyno, asked.at) == (SHOP.slug, "web.1", NOON)
    await watching.record_restart(Provider.BUILDIO, SHOP.slug, "", NOON + timedelta(hours=1))
    assert [one.dyno for one in (await watching.state("t", Provider.BUILDIO)).restarts] == [""]
