"""How apps stood at the last look: kept with what is owed, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.build import App, Build, BuildChange, BuildState, RunKind
from domain.notifications.changes import compare
from domain.notifications.matching import match
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, Snapshot
from domain.provider import Provider
from storage.outbox import NewNotification, Notification
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from storage.subscriptions import Subscription
from tests.support.factories import NOON, make_build, make_recipient

SHOP = App(provider=Provider.BUILDIO, slug="shop", title="shop")


def a_deployment(number: int, state: BuildState = BuildState.FAILED, **more: Any) -> Build:
    return make_build(number, state, app=SHOP, provider=Provider.BUILDIO, kind=RunKind.DEPLOYMENT, **more)


async def subscribe(storage: Repositories, snapshot: str | None = "one", *builds: Build) -> Subscription:
    return await storage.of("T1").subscriptions.add(
        channel="C1",
        app=SHOP,
        terms=NotificationRule(),
        by="U1",
        at=NOON,
        baseline=Baseline(builds=builds, snapshot=snapshot),
    )


def recorder(storage: Repositories) -> PollRecorder:
    return PollRecorder(storage.database, compare=compare, match=match)


def seen(*builds: Build, was: str | None, body: str, begins: Sequence[Build] = ()) -> PollSnapshot:
    snapshot = Snapshot(app_slug=SHOP.slug, was=was, body=body, begins=tuple(begins))
    return PollSnapshot(
        token="t", provider=Provider.BUILDIO, builds=builds, snapshots=(snapshot,), logs=False
    )


async def snapshot(storage: Repositories) -> str | None:
    return (await storage.watching.state("t", Provider.BUILDIO)).snapshots.get(SHOP.slug)


async def owed(storage: Repositories) -> list[Notification]:
    return await storage.outbox.due(make_recipient("C1"), 100, NOON)


async def test_what_was_found_by_comparing_is_owed_and_the_app_stands_otherwise_from_then_on(
    storage: Repositories,
) -> None:
    await subscribe(storage)
    await recorder(storage).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert [one.build.number for one in await owed(storage)] == [1]
    assert await snapshot(storage) == "two"


async def test_what_breaks_in_the_middle_leaves_the_app_as_it_stood_and_owes_nothing(
    storage: Repositories,
) -> None:
    await subscribe(storage)

    def breaks(changes: Sequence[BuildChange], *_more: object) -> list[NewNotification]:
        raise RuntimeError

    broken = PollRecorder(storage.database, compare=compare, match=breaks)
    with pytest.raises(RuntimeError):
        await broken.record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert await snapshot(storage) == "one"
    assert await owed(storage) == []
    await recorder(storage).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert len(await owed(storage)) == 1


async def test_what_was_compared_with_how_the_app_stood_before_its_watching_began_anew_does_not_count(
    storage: Repositories,
) -> None:
    first = await subscribe(storage)
    await storage.of("T1").subscriptions.remove(first)
    await subscribe(storage, "anew")
    await recorder(storage).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert await snapshot(storage) == "anew"
    assert await owed(storage) == []


async def test_an_app_that_nobody_waits_for_any_more_is_forgotten(storage: Repositories) -> None:
    await storage.of("T1").subscriptions.remove(await subscribe(storage))
    assert await snapshot(storage) is None
    await recorder(storage).record(seen(a_deployment(1), was=None, body="two"), at=NOON)
    assert await snapshot(storage) is None


async def test_without_a_snapshot_the_watching_begins_with_the_first_look(storage: Repositories) -> None:
    await subscribe(storage, None)
    begins = [a_deployment(1), a_deployment(2, BuildState.RUNNING)]
    await recorder(storage).record(seen(was=None, body="one", begins=begins), at=NOON)
    assert await owed(storage) == []
    before = a_deployment(2, triggered_at=NOON - timedelta(days=1))
    await recorder(storage).record(seen(before, was="one", body="two"), at=NOON)
    [told] = await owed(storage)
    assert told.build.number == 2
    assert told.standing is not None
    assert told.standing.failures == 2


async def test_what_the_provider_says_of_a_failure_stands_where_a_log_would_and_is_redacted(
    storage: Repositories,
) -> None:
    await subscribe(storage)
    words = "Release failed\npostgres://shop:hunter2secret@db.example/shop is no address"
    await recorder(storage).record(seen(a_deployment(1, problem=words), was="one", body="two"), at=NOON)
    [told] = await owed(storage)
    assert told.failure is not None
    assert told.failure.lines[0] == "Release failed"
    assert "hunter2secret" not in str(told)
    assert await storage.failures.next(Provider.BUILDIO) is None


async def test_every_app_is_every_app_of_one_provider(storage: Repositories) -> None:
    subscriptions = storage.of("T1").subscriptions
    for provider in (Provider.BITRISE, Provider.BUILDIO):
        await subscriptions.add(
            channel="C1",
            app=None,
            terms=NotificationRule(),
            by="U1",
            at=NOON,
            baseline=None,
            provider=provider,
        )
    at_bitrise, at_buildio = await subscriptions.of_channel("C1")
    await subscribe(storage)
    await recorder(storage).record(seen(a_deployment(1), was="one", body="two"), at=NOON)
    assert at_bitrise.id not in {one.subscription_id for one in await owed(storage)}
    assert at_buildio.id in {one.subscription_id for one in await owed(storage)}


async def test_a_restart_that_was_asked_for_is_known_to_the_next_look_and_forgotten_in_time(
    storage: Repositories,
) -> None:
    watching = storage.watching
    await watching.restart_asked(Provider.BUILDIO, SHOP.slug, "web.1", NOON)
    [asked] = (await watching.state("t", Provider.BUILDIO)).restarts
    assert (asked.app_slug, asked.dyno, asked.at) == (SHOP.slug, "web.1", NOON)
    await watching.restart_asked(Provider.BUILDIO, SHOP.slug, "", NOON + timedelta(hours=1))
    assert [one.dyno for one in (await watching.state("t", Provider.BUILDIO)).restarts] == [""]
