"""Snapshots of apps: stored together with the notifications of a poll, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.build import App, Build, BuildChange, BuildState, RunKind
from domain.notification import NewNotification, Notification
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline, PollSnapshot, Snapshot
from domain.subscription import Subscription
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from tests.support.factories import NOON, make_build, make_recipient
from tests.support.repositories import make_poll_recorder

SHOP = App(provider=BUILDIO, slug="shop", title="shop")


def make_deployment(number: int, state: BuildState = BuildState.FAILED, **more: Any) -> Build:
    return make_build(number, state, app=SHOP, provider=BUILDIO, kind=RunKind.DEPLOYMENT, **more)


async def subscribe(repositories: Repositories, snapshot: str | None = "one", *builds: Build) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel="C1",
        app=SHOP,
        terms=NotificationRule(),
        by="U1",
        at=NOON,
        baseline=Baseline(builds=builds, snapshot=snapshot),
    )


def make_recorder(repositories: Repositories) -> PollRecorder:
    return make_poll_recorder(repositories.database)


def make_poll(*builds: Build, was: str | None, body: str, begins: Sequence[Build] = ()) -> PollSnapshot:
    snapshot = Snapshot(app_slug=SHOP.slug, was=was, body=body, begins=tuple(begins))
    return PollSnapshot(token="t", provider=BUILDIO, builds=builds, snapshots=(snapshot,), logs=False)


async def stored_snapshot(repositories: Repositories) -> str | None:
    return (await repositories.watched_builds.state("t", BUILDIO)).snapshots.get(SHOP.slug)


async def pending_notifications(repositories: Repositories) -> list[Notification]:
    return await repositories.outbox.due(make_recipient("C1"), 100, NOON)


async def test_changes_since_the_snapshot_are_enqueued_and_the_snapshot_is_updated(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await make_recorder(repositories).record(make_poll(make_deployment(1), was="one", body="two"), at=NOON)
    assert [notification.build.number for notification in await pending_notifications(repositories)] == [1]
    assert await stored_snapshot(repositories) == "two"


async def test_an_error_while_recording_keeps_the_snapshot_and_enqueues_nothing(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)

    def fail(changes: Sequence[BuildChange], *_more: object) -> list[NewNotification]:
        raise RuntimeError

    broken = make_poll_recorder(repositories.database, match=fail)
    with pytest.raises(RuntimeError):
        await broken.record(make_poll(make_deployment(1), was="one", body="two"), at=NOON)
    assert await stored_snapshot(repositories) == "one"
    assert await pending_notifications(repositories) == []
    await make_recorder(repositories).record(make_poll(make_deployment(1), was="one", body="two"), at=NOON)
    assert len(await pending_notifications(repositories)) == 1


async def test_a_comparison_with_a_snapshot_from_before_watching_restarted_is_ignored(
    repositories: Repositories,
) -> None:
    first = await subscribe(repositories)
    await repositories.of("T1").subscriptions.remove(first)
    await subscribe(repositories, "new")
    await make_recorder(repositories).record(make_poll(make_deployment(1), was="one", body="two"), at=NOON)
    assert await stored_snapshot(repositories) == "new"
    assert await pending_notifications(repositories) == []


async def test_the_snapshot_of_an_app_without_subscriptions_is_deleted(repositories: Repositories) -> None:
    await repositories.of("T1").subscriptions.remove(await subscribe(repositories))
    assert await stored_snapshot(repositories) is None
    await make_recorder(repositories).record(make_poll(make_deployment(1), was=None, body="two"), at=NOON)
    assert await stored_snapshot(repositories) is None


async def test_without_a_snapshot_watching_starts_with_the_first_poll(repositories: Repositories) -> None:
    await subscribe(repositories, None)
    begins = [make_deployment(1), make_deployment(2, BuildState.RUNNING)]
    await make_recorder(repositories).record(make_poll(was=None, body="one", begins=begins), at=NOON)
    assert await pending_notifications(repositories) == []
    before = make_deployment(2, triggered_at=NOON - timedelta(days=1))
    await make_recorder(repositories).record(make_poll(before, was="one", body="two"), at=NOON)
    [notification] = await pending_notifications(repositories)
    assert notification.build.number == 2
    assert notification.standing is not None
    assert notification.standing.failures == 2


async def test_the_providers_error_message_replaces_a_log_excerpt_and_is_redacted(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    problem = "Release failed\npostgres://shop:hunter2secret@db.example/shop is no address"
    await make_recorder(repositories).record(
        make_poll(make_deployment(1, problem=problem), was="one", body="two"), at=NOON
    )
    [notification] = await pending_notifications(repositories)
    assert notification.failure is not None
    assert notification.failure.lines[0] == "Release failed"
    assert "hunter2secret" not in str(notification)
    assert await repositories.failure_analyses.next(BUILDIO) is None


async def test_a_subscription_for_every_app_covers_one_provider_only(repositories: Repositories) -> None:
    subscriptions = repositories.of("T1").subscriptions
    for provider in (BITRISE, BUILDIO):
        await subscriptions.add_for_every_app(
            channel="C1", provider=provider, terms=NotificationRule(), by="U1", at=NOON
        )
    at_bitrise, at_buildio = await subscriptions.of_channel("C1")
    await subscribe(repositories)
    await make_recorder(repositories).record(make_poll(make_deployment(1), was="one", body="two"), at=NOON)
    assert at_bitrise.id not in {
        notification.subscription_id for notification in await pending_notifications(repositories)
    }
    assert at_buildio.id in {
        notification.subscription_id for notification in await pending_notifications(repositories)
    }


async def test_the_next_poll_knows_a_requested_restart_until_it_is_too_old(
    repositories: Repositories,
) -> None:
    watched_builds = repositories.watched_builds
    await watched_builds.record_restart(BUILDIO, SHOP.slug, "web.1", NOON)
    [restart] = (await watched_builds.state("t", BUILDIO)).restarts
    assert (restart.app_slug, restart.dyno, restart.at) == (SHOP.slug, "web.1", NOON)
    await watched_builds.record_restart(BUILDIO, SHOP.slug, "", NOON + timedelta(hours=1))
    assert [restart.dyno for restart in (await watched_builds.state("t", BUILDIO)).restarts] == [""]
