"""Tracking of requests: each delivery is handled once, within its workspace's quota, and stored before it is handled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.metrics import Metrics
from services.request import request_tracker as module
from services.request.request_tracker import (
    EVENT_REPEATED_WITHIN,
    REMEMBERED,
    Repeated,
    RequestTracker,
    start_once,
    track_acknowledgement,
    wait_for_place,
)
from services.slack.event_payloads import EventPayload, Mention
from services.slack.payloads import CommandPayload, Payload
from storage.database import Database
from storage.repositories import Repositories
from tests.support.bot_harness import bot_harness
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.request_recorder import RequestRecorder
from tests.support.shared_database import open_repositories


class FakeSlack:
    """Delivers payloads to a listener that starts them, in one process after another."""

    def __init__(self, repositories: Repositories) -> None:
        self._storage = repositories
        self.now = NOON
        self.handled: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Restart with nothing in memory."""
        self._tracker = RequestTracker(Metrics(), self._storage.slack_deliveries, lambda: self.now)

    async def deliver(self, payload: Payload) -> bool:
        """Deliver a payload; return whether it was handled."""

        async def listener() -> None:
            async with self._tracker.answering("test"):
                await start_once()
                self.handled.append(payload.kind)

        count = len(self.handled)

        async def dispatch() -> None:
            # Like Bolt: the listener is a task that starts after the middleware.
            if self._tracker.is_new(payload):
                await asyncio.create_task(listener())

        try:
            await asyncio.create_task(dispatch())
        except Repeated:
            assert len(self.handled) == count
        return len(self.handled) > count


@pytest.fixture
def slack(repositories: Repositories) -> FakeSlack:
    return FakeSlack(repositories)


def command(trigger: str, team: str = "T1") -> Payload:
    return CommandPayload(
        command="/bitrise", text="help", user_id="U1", channel_id="C1", team_id=team, trigger_id=trigger
    )


def event(identity: str, team: str = "T1") -> Payload:
    mention = Mention(type="app_mention", user="U1", channel="C1", ts="1.0", text="help")
    return EventPayload[Mention](type="event_callback", team_id=team, event_id=identity, event=mention)


@pytest.mark.parametrize("make", [command, event])
async def test_a_delivery_is_handled_once_across_processes(
    slack: FakeSlack, make: Callable[[str], Payload]
) -> None:
    assert [await slack.deliver(make("1")), await slack.deliver(make("1"))] == [True, False]
    slack.restart()
    assert [await slack.deliver(make("1")), await slack.deliver(make("2"))] == [False, True]


async def test_events_are_remembered_as_long_as_slack_may_resend_them(slack: FakeSlack) -> None:
    await slack.deliver(event("1"))
    slack.now += EVENT_REPEATED_WITHIN - timedelta(minutes=1)
    slack.restart()
    assert not await slack.deliver(event("1"))


async def test_a_busy_workspace_does_not_evict_deliveries_of_another(slack: FakeSlack) -> None:
    recent = module._RecentDeliveries()
    assert recent.is_new(module.Delivery.of(command("1", team="T2")), NOON)
    for number in range(REMEMBERED + 10):
        assert recent.is_new(module.Delivery.of(command(str(number))), NOON)
    assert not recent.is_new(module.Delivery.of(command("1", team="T2")), NOON)
    assert sum(len(deliveries) for deliveries in recent._by_team.values()) == REMEMBERED + 1
    # Old deliveries are dropped, also those of workspaces without new ones.
    later = NOON + timedelta(minutes=30)
    assert recent.is_new(module.Delivery.of(command("1", team="T3")), later)
    assert list(recent._by_team) == ["T3"]


async def test_an_event_is_stored_only_after_its_acknowledgement(
    slack: FakeSlack, repositories: Repositories
) -> None:
    async def count_deliveries() -> int:
        return await repositories.database.read(
            lambda db: db.execute("SELECT COUNT(*) FROM deliveries").fetchone()[0]
        )

    delivery: asyncio.Task[bool]
    with track_acknowledgement():
        delivery = asyncio.create_task(slack.deliver(event("1")))
        for _ in range(20):
            await count_deliveries()
        # The process may be killed now: Slack resends the event, and the next process handles it.
        assert (await count_deliveries(), slack.handled) == (0, [])
    assert await delivery
    assert await count_deliveries() == 1
    with track_acknowledgement():
        # Slack never resends a command, so it does not wait for the acknowledgement.
        assert await slack.deliver(command("2"))


async def test_a_delivery_is_stored_once_however_often_it_is_started(
    repositories: Repositories,
) -> None:
    tracker = RequestTracker(Metrics(), repositories.slack_deliveries, lambda: NOON)

    assert tracker.is_new(command("1"))
    async with tracker.answering("test"):
        await start_once()
        await start_once()
        assert tracker.places._total == 1
    assert tracker.places._total == 0


async def test_a_resent_command_changes_stored_data_only_once(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, http=True) as harness:
        mirror = RequestRecorder(harness.slack.delivery)
        await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.ask("/bitrise unsubscribe 1", "removed a subscription")
        await harness.stop_bot()
        await harness.start_bot()
        await mirror.send_again(f"http://127.0.0.1:{harness.bot.port}/slack/events")
        await harness.stop_bot()
        assert await harness.rows("SELECT * FROM subscriptions") == []
        acts = await harness.rows("SELECT json_extract(body, '$.act') FROM audit ORDER BY seq")
        assert acts == [("subscribe",), ("unsubscribe",)]


@pytest.mark.parametrize("make", [command, event])
async def test_a_request_that_changes_nothing_is_answered_by_one_of_several_bots(
    postgres: PostgresServer, make: Callable[[str], Payload]
) -> None:
    async with open_repositories(postgres) as bots:
        trackers = [RequestTracker(Metrics(), bot.slack_deliveries, lambda: NOON) for bot in bots]
        answered: list[str] = []

        async def answer(tracker: RequestTracker, number: str) -> None:
            async def listener() -> None:
                async with tracker.answering("test"):
                    await wait_for_place()
                    answered.append(number)

            if tracker.is_new(make(number)):
                await asyncio.create_task(listener())

        numbers = [str(number) for number in range(20)]
        await asyncio.gather(
            *(asyncio.create_task(answer(tracker, number)) for number in numbers for tracker in trackers)
        )
        assert sorted(answered, key=int) == numbers


async def test_a_bot_that_is_alone_stores_nothing_for_a_request_that_changes_nothing(
    database: Database, repositories: Repositories
) -> None:
    if not database.session_locks.is_alone:
        pytest.skip("PostgreSQL may have several bots")
    tracker = RequestTracker(Metrics(), repositories.slack_deliveries, lambda: NOON)
    assert tracker.is_new(command("1"))
    async with tracker.answering("test"):
        await wait_for_place()
    assert await database.read(lambda db: db.execute("SELECT * FROM deliveries").fetchall()) == []
