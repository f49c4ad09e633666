from __future__ import annotations

from collections.abc import Sequence

from bot.build import Build, State
from bot.filters import BuildFilter, Patterns
from bot.provider import Provider
from bot.terms import Style, Terms
from bot.watch import compare, match
from storage import (
    Baseline,
    MessageStatus,
    NewMessage,
    Notification,
    Recorder,
    Scope,
    Sighting,
    Status,
    Storage,
    Subscription,
)
from tests.builds import ANDROID, NOON, a_build, a_run, to

TOKEN = "bitrise:test"


async def subscribe(
    storage: Storage,
    filter_: BuildFilter = BuildFilter(),
    *,
    channel: str = "C1",
    known: Sequence[Build] = (),
) -> Subscription:
    newest = max((build.triggered_at for build in known if build.triggered_at), default=None)
    return await storage.of("T1").subscriptions.add(
        channel=channel,
        app=ANDROID,
        terms=Terms(filter=filter_),
        by="U1",
        at=NOON,
        baseline=Baseline(builds=tuple(known), at=newest),
    )


async def see(storage: Storage, *builds: Build) -> None:
    recorder = Recorder(storage.database, compare=compare, match=match)
    await recorder.record(Sighting(token=TOKEN, builds=builds, seen_until=builds[-1].triggered_at), at=NOON)


async def owed(storage: Storage, channel: str = "C1") -> list[Notification]:
    return await storage.outbox.due(to(channel), 100, NOON)


async def test_a_build_that_ends_is_owed_once_however_often_it_is_seen(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1, State.RUNNING))
    await see(storage, a_build(1, State.FAILED))
    await see(storage, a_build(1, State.FAILED))
    assert [(one.build.number, one.build.state) for one in await owed(storage)] == [(1, State.FAILED)]


async def test_a_build_that_starts_and_ends_between_two_looks_is_owed(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1))
    assert len(await owed(storage)) == 1


async def test_what_had_ended_when_the_watching_began_is_not_owed(storage: Storage) -> None:
    await subscribe(storage, known=[a_build(5), a_build(4, State.RUNNING)])
    await see(storage, a_build(3), a_build(4), a_build(5))
    assert [one.build.number for one in await owed(storage)] == [4]


async def test_each_subscription_that_matches_is_owed_its_own(storage: Storage) -> None:
    await subscribe(storage, BuildFilter(branch=Patterns(include=("main",))))
    await subscribe(storage, BuildFilter(branch=Patterns(include=("release/*",))), channel="C2")
    await subscribe(storage, BuildFilter(), channel="C3")
    await see(storage, a_build(1, branch="main"))
    assert [len(await owed(storage, channel)) for channel in ("C1", "C2", "C3")] == [1, 0, 1]


async def test_builds_are_owed_in_the_order_in_which_they_ended(storage: Storage) -> None:
    await subscribe(storage)
    slow = a_build(1, finished_at=NOON.replace(hour=20))
    await see(storage, a_build(3), slow, a_build(2))
    assert [one.build.number for one in await owed(storage)] == [2, 3, 1]


async def test_a_list_that_lags_behind_does_not_bring_a_build_back(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1))
    [told] = await owed(storage)
    await storage.outbox.begin(
        [told], NewMessage(parcel="p1", team="T1", channel="C1", subject="build"), NOON
    )
    await storage.outbox.told("p1", "1.0")
    await see(storage, a_build(1, State.RUNNING))
    await see(storage, a_build(1))
    assert await owed(storage) == []


async def test_unsubscribing_takes_back_what_is_still_owed(storage: Storage) -> None:
    subscription = await subscribe(storage)
    await see(storage, a_build(1))
    await storage.of("T1").subscriptions.remove(subscription)
    assert await owed(storage) == []
    assert await storage.of("T1").subscriptions.of_channel("C1") == []
    assert not await storage.of("T1").subscriptions.is_watched(Provider.BITRISE, ANDROID.slug)


async def test_subscribing_twice_to_the_same_is_one_subscription(storage: Storage) -> None:
    first = await subscribe(storage)
    second = await subscribe(storage)
    assert first.id == second.id


async def test_a_channel_that_is_gone_is_owed_nothing_and_can_come_back(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1))
    stopped = await storage.of("T1").subscriptions.stop("C1", "is_archived", NOON)
    assert await storage.outbox.drop(to("C1"), "is_archived") == 1
    await see(storage, a_build(2))
    assert [one.app for one in stopped] == [ANDROID]
    assert await owed(storage) == []

    await subscribe(storage)
    await see(storage, a_build(3))
    assert [one.build.number for one in await owed(storage)] == [3]


async def test_a_message_in_doubt_keeps_its_parcel_until_it_is_settled(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1), a_build(2))
    new = NewMessage(parcel="p1", team="T1", channel="C1", subject="backlog")
    await storage.outbox.begin(await owed(storage), new, NOON)
    assert await owed(storage) == []
    assert [one.status for one in await storage.messages.unfinished(to("C1"))] == [MessageStatus.SENDING]
    assert [one.status for one in await storage.outbox.carried("p1")] == [Status.SENDING] * 2
    await storage.outbox.not_told("p1", "not there")
    assert {one.status for one in await owed(storage)} == {Status.OWED}


async def test_what_somebody_starts_is_not_shown_twice_where_a_subscription_was_about_to(
    storage: Storage,
) -> None:
    live = await storage.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=Terms(style=Style.LIVE), by="U2", at=NOON, baseline=Baseline()
    )
    await see(storage, a_build(1, State.RUNNING), a_build(2, State.RUNNING))
    due = await owed(storage)
    # Planned, but not begun, when somebody's own message about the first comes to be owed.
    await storage.of("T1").subscriptions.follow(
        a_run(a_build(1)), channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )
    for carried, begun in zip(due, (False, True), strict=True):
        slug = carried.build.slug
        message = NewMessage(parcel=slug, team="T1", channel="C1", subject=f"live {live.id} {slug}")
        assert await storage.outbox.begin([carried], message, NOON) is begun
    still = [one.build.number for one in await owed(storage) if one.subscription_id == live.id]
    assert still == [1]


async def test_the_message_of_a_subscription_becomes_that_of_whoever_started_what_it_shows(
    storage: Storage,
) -> None:
    live = await storage.of("T1").subscriptions.add(
        channel="C1", app=ANDROID, terms=Terms(style=Style.LIVE), by="U2", at=NOON, baseline=Baseline()
    )
    await see(storage, a_build(1, State.RUNNING))
    message = NewMessage(parcel="p1", team="T1", channel="C1", subject=f"live {live.id} {a_build(1).slug}")
    await storage.outbox.begin(await owed(storage), message, NOON)
    await storage.outbox.told("p1", "1.0")
    run = a_run(a_build(1))
    await storage.of("T1").subscriptions.follow(
        run, channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )
    [there] = (await storage.messages.about(to("C1"), [run.subject])).values()
    assert (there.parcel, there.note) == ("p1", run.note)
    assert await storage.messages.about(to("C1"), [message.subject]) == {}
    # Who started it is known, too, for a message that comes in the place of this one.
    carried = await owed(storage)
    assert [one.terms.run for one in carried] == [True]
    await storage.outbox.join(carried, "p1", NOON)
    assert await storage.outbox.note_of_run(carried) == run.note
    await storage.outbox.gone("p1", "message_not_found")
    again = [one for one in await owed(storage) if one.terms.run]
    assert await storage.outbox.note_of_run(again) == run.note


async def test_open_builds_are_followed_until_they_end(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1, State.ON_HOLD), a_build(2, State.RUNNING), a_build(3))
    state = await storage.watching.state(TOKEN, Provider.BITRISE)
    assert {one.slug: one.state for one in state.open_builds.values()} == {
        a_build(1).slug: State.ON_HOLD,
        a_build(2).slug: State.RUNNING,
    }
    assert state.apps[ANDROID.slug].since == a_build(3).triggered_at
