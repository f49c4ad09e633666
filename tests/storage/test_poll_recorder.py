from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.build import Build, BuildState
from domain.build_filter import BuildFilter, GlobPatterns
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline, PollSnapshot
from domain.subscription import Scope, Subscription
from providers.bitrise.provider import BITRISE
from storage.repositories import Repositories
from storage.slack_messages import MessageStatus, NewMessage
from tests.support.factories import ANDROID, NOON, make_build, make_recipient, make_run
from tests.support.repositories import make_poll_recorder

TOKEN = "bitrise:test"


async def subscribe(
    repositories: Repositories,
    filter_: BuildFilter = BuildFilter(),
    *,
    channel: str = "C1",
    known: Sequence[Build] = (),
) -> Subscription:
    newest = max((build.triggered_at for build in known if build.triggered_at), default=None)
    return await repositories.of("T1").subscriptions.add(
        channel=channel,
        app=ANDROID,
        terms=NotificationRule(filter=filter_),
        by="U1",
        at=NOON,
        baseline=Baseline(builds=tuple(known), at=newest),
    )


async def record_poll(repositories: Repositories, *builds: Build) -> None:
    recorder = make_poll_recorder(repositories.database)
    await recorder.record(
        PollSnapshot(token=TOKEN, provider=BITRISE, builds=builds, seen_until=builds[-1].triggered_at),
        at=NOON,
    )


async def pending_notifications(repositories: Repositories, channel: str = "C1") -> list[Notification]:
    return await repositories.outbox.due(make_recipient(channel), 100, NOON)


async def test_a_build_that_ends_is_enqueued_once_however_often_it_is_polled(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1, BuildState.RUNNING))
    await record_poll(repositories, make_build(1, BuildState.FAILED))
    await record_poll(repositories, make_build(1, BuildState.FAILED))
    assert [
        (notification.build.number, notification.build.state)
        for notification in await pending_notifications(repositories)
    ] == [(1, BuildState.FAILED)]


async def test_a_build_that_starts_and_ends_between_two_polls_is_enqueued(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    assert len(await pending_notifications(repositories)) == 1


async def test_builds_that_ended_before_watching_started_are_not_enqueued(repositories: Repositories) -> None:
    await subscribe(repositories, known=[make_build(5), make_build(4, BuildState.RUNNING)])
    await record_poll(repositories, make_build(3), make_build(4), make_build(5))
    assert [notification.build.number for notification in await pending_notifications(repositories)] == [4]


async def test_each_matching_subscription_gets_a_notification(repositories: Repositories) -> None:
    await subscribe(repositories, BuildFilter(branch=GlobPatterns(include=("main",))))
    await subscribe(repositories, BuildFilter(branch=GlobPatterns(include=("release/*",))), channel="C2")
    await subscribe(repositories, BuildFilter(), channel="C3")
    await record_poll(repositories, make_build(1, branch="main"))
    assert [len(await pending_notifications(repositories, channel)) for channel in ("C1", "C2", "C3")] == [
        1,
        0,
        1,
    ]


async def test_builds_are_enqueued_in_the_order_in_which_they_ended(repositories: Repositories) -> None:
    await subscribe(repositories)
    slow = make_build(1, finished_at=NOON.replace(hour=20))
    await record_poll(repositories, make_build(3), slow, make_build(2))
    assert [notification.build.number for notification in await pending_notifications(repositories)] == [
        2,
        3,
        1,
    ]


async def test_an_outdated_list_does_not_reopen_a_build(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    [notification] = await pending_notifications(repositories)
    await repositories.outbox.begin(
        [notification], NewMessage(parcel="p1", team="T1", channel="C1", subject="build"), NOON
    )
    await repositories.outbox.mark_delivered("p1", "1.0")
    await record_poll(repositories, make_build(1, BuildState.RUNNING))
    await record_poll(repositories, make_build(1))
    assert await pending_notifications(repositories) == []


async def test_unsubscribing_drops_pending_notifications(repositories: Repositories) -> None:
    subscription = await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    await repositories.of("T1").subscriptions.remove(subscription)
    assert await pending_notifications(repositories) == []
    assert await repositories.of("T1").subscriptions.of_channel("C1") == []
    assert not await repositories.of("T1").subscriptions.is_watched(BITRISE, ANDROID.slug)


async def test_subscribing_twice_makes_one_subscription(repositories: Repositories) -> None:
    first = await subscribe(repositories)
    second = await subscribe(repositories)
    assert first.id == second.id


async def test_an_archived_channel_gets_nothing_and_can_subscribe_again(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1))
    stopped = await repositories.of("T1").subscriptions.stop("C1", "is_archived", NOON)
    assert await repositories.outbox.drop(make_recipient("C1"), "is_archived") == 1
    await record_poll(repositories, make_build(2))
    assert [subscription.app for subscription in stopped] == [ANDROID]
    assert await pending_notifications(repositories) == []

    await subscribe(repositories)
    await record_poll(repositories, make_build(3))
    assert [notification.build.number for notification in await pending_notifications(repositories)] == [3]


async def test_a_message_in_doubt_keeps_its_parcel_until_the_outcome_is_known(
    repositories: Repositories,
) -> None:
    await subscribe(repositories)
    await record_poll(repositories, make_build(1), make_build(2))
    new = NewMessage(parcel="p1", team="T1", channel="C1", subject="backlog")
    await repositories.outbox.begin(await pending_notifications(repositories), new, NOON)
    assert await pending_notifications(repositories) == []
    assert [
        message.status for message in await repositories.slack_messages.unfinished(make_recipient("C1"))
    ] == [MessageStatus.SENDING]
    assert [notification.status for notification in await repositories.outbox.in_message("p1")] == [
        NotificationStatus.SENDING
    ] * 2
    await repositories.outbox.mark_not_delivered("p1", "not there")
    assert {notification.status for notification in await pending_notifications(repositories)} == {
        NotificationStatus.QUEUED
    }


async def add_live_subscription(repositories: Repositories) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel="C1",
        app=ANDROID,
        terms=NotificationRule(style=DeliveryStyle.LIVE),
        by="U2",
        at=NOON,
        baseline=Baseline(),
    )


async def test_a_started_run_is_not_shown_twice_if_a_subscription_was_about_to_show_it(
    repositories: Repositories,
) -> None:
    live = await add_live_subscription(repositories)
    await record_poll(repositories, make_build(1, BuildState.RUNNING), make_build(2, BuildState.RUNNING))
    planned = await pending_notifications(repositories)
    # Planned, but not begun, when a run of the first build is followed.
    await repositories.of("T1").subscriptions.follow(
        make_run(make_build(1)), channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )
    for notification, begun in zip(planned, (False, True), strict=True):
        slug = notification.build.slug
        message = NewMessage(parcel=slug, team="T1", channel="C1", subject=f"live {live.id} {slug}")
        assert await repositories.outbox.begin([notification], message, NOON) is begun
    pending = await pending_notifications(repositories)
    assert [one.build.number for one in pending if one.subscription_id == live.id] == [1]


async def test_the_message_of_a_subscription_becomes_the_message_of_a_started_run(
    repositories: Repositories,
) -> None:
    live = await add_live_subscription(repositories)
    await record_poll(repositories, make_build(1, BuildState.RUNNING))
    outbox, recipient = repositories.outbox, make_recipient("C1")
    message = NewMessage(parcel="p1", team="T1", channel="C1", subject=f"live {live.id} {make_build(1).slug}")
    await outbox.begin(await pending_notifications(repositories), message, NOON)
    await outbox.mark_delivered("p1", "1.0")
    run = make_run(make_build(1))
    await repositories.of("T1").subscriptions.follow(
        run, channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )
    [found] = (await repositories.slack_messages.newest_about(recipient, [run.subject])).values()
    assert (found.parcel, found.note) == ("p1", run.note)
    assert await repositories.slack_messages.newest_about(recipient, [message.subject]) == {}
    # A message that replaces this one also knows who started the run.
    pending = await pending_notifications(repositories)
    assert [notification.terms.run for notification in pending] == [True]
    await outbox.join(pending, "p1", NOON)
    assert await outbox.run_note(pending) == run.note
    await outbox.mark_deleted("p1", "message_not_found")
    again = [one for one in await pending_notifications(repositories) if one.terms.run]
    assert await outbox.run_note(again) == run.note


async def test_a_message_that_changes_before_it_is_begun_is_not_posted_with_its_old_text(
    repositories: Repositories,
) -> None:
    await repositories.of("T1").subscriptions.follow(
        make_run(make_build(1)), channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )
    [planned] = await repositories.slack_messages.unfinished(make_recipient("C1"))
    await repositories.unfollow_forgotten_runs(NOON + timedelta(days=8))
    assert not await repositories.outbox.begin((), planned, NOON)
    [changed] = await repositories.slack_messages.unfinished(make_recipient("C1"))
    assert await repositories.outbox.begin((), changed, NOON)


async def test_open_builds_are_followed_until_they_end(repositories: Repositories) -> None:
    await subscribe(repositories)
    await record_poll(
        repositories, make_build(1, BuildState.ON_HOLD), make_build(2, BuildState.RUNNING), make_build(3)
    )
    state = await repositories.watched_builds.state(TOKEN, BITRISE)
    assert {build.slug: build.state for build in state.open_builds.values()} == {
        make_build(1).slug: BuildState.ON_HOLD,
        make_build(2).slug: BuildState.RUNNING,
    }
    assert state.apps[ANDROID.slug].since == make_build(3).triggered_at
