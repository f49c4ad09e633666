"""Around every handler: each delivery once, in its workspace's share, and written down before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.metrics import Metrics
from services.request import request_tracker as module
from services.request.request_tracker import (
    EVENT_REPEATED_WITHIN,
    REMEMBERED,
    Repeated,
    RequestTracker,
    start_once,
)
from services.slack.acknowledgement import track_acknowledgement
from storage.repositories import Repositories
from tests.support.bot_harness import bot_harness
from tests.support.factories import NOON
from tests.support.request_recorder import RequestRecorder


class Slack:
    """Delivers payloads to a listener that takes them up, one process after the other."""

    def __init__(self, repositories: Repositories) -> None:
        self._storage = repositories
        self.now = NOON
        self.done: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Begin again with nothing in memory."""
        self._listening = RequestTracker(Metrics(), self._storage.slack_deliveries, lambda: self.now)

    async def deliver(self, body: dict[str, Any]) -> bool:
        """Whether something was done for it."""

        async def listener() -> None:
            async with self._listening.answering("test"):
                await start_once()
                self.done.append(str(body.get("trigger_id") or body.get("event_id")))

        before = len(self.done)

        async def dispatch() -> None:
            # As Bolt does it: the listener is a task that begins after the middleware.
            if self._listening.is_new(body):
                await asyncio.create_task(listener())

        try:
            await asyncio.create_task(dispatch())
        except Repeated:
            assert len(self.done) == before
        return len(self.done) > before


@pytest.fixture
def slack(repositories: Repositories) -> Slack:
    return Slack(repositories)


def typed(trigger: str, team: str = "T1", **more: Any) -> dict[str, Any]:
    return {
        "command": "/bitrise",
        "text": "help",
        "user_id": "U1",
        "team_id": team,
        "trigger_id": trigger,
    } | more


def event(identity: str, team: str = "T1") -> dict[str, Any]:
    inner = {"type": "app_mention", "user": "U1", "text": "help"}
    return {"type": "event_callback", "team_id": team, "event_id": identity, "event": inner}


@pytest.mark.parametrize("make", [typed, event])
async def test_each_is_done_once_by_whichever_process(
    slack: Slack, make: Callable[[str], dict[str, Any]]
) -> None:
    assert [await slack.deliver(make("1")), await slack.deliver(make("1"))] == [True, False]
    slack.restart()
    assert [await slack.deliver(make("1")), await slack.deliver(make("2"))] == [False, True]


async def test_events_are_remembered_for_as_long_as_slack_may_send_them_again(slack: Slack) -> None:
    await slack.deliver(event("1"))
    slack.now += EVENT_REPEATED_WITHIN - timedelta(minutes=1)
    slack.restart()
    assert not await slack.deliver(event("1"))


async def test_a_busy_workspace_pushes_nothing_of_another_one_out(slack: Slack) -> None:
    seen = module._Seen()
    assert seen.is_new(module.Delivery.of(typed("1", team="T2")), NOON)
    for number in range(REMEMBERED + 10):
        assert seen.is_new(module.Delivery.of(typed(str(number))), NOON)
    assert not seen.is_new(module.Delivery.of(typed("1", team="T2")), NOON)
    assert sum(len(one) for one in seen._of_team.values()) == REMEMBERED + 1
    # What is old is forgotten, of workspaces too of which nobody asks any more.
    later = NOON + timedelta(minutes=30)
    assert seen.is_new(module.Delivery.of(typed("1", team="T3")), later)
    assert list(seen._of_team) == ["T3"]


async def test_an_event_is_written_down_only_once_it_is_acknowledged(
    slack: Slack, repositories: Repositories
) -> None:
    async def noted() -> int:
        return await repositories.database.read(
            lambda db: db.execute("SELECT COUNT(*) FROM deliveries").fetchone()[0]
        )

    delivering: asyncio.Task[bool]
    with track_acknowledgement():
        delivering = asyncio.create_task(slack.deliver(event("1")))
        for _ in range(20):
            await noted()
        # The process may be killed now: Slack sends it again, and the next one does it.
        assert (await noted(), slack.done) == (0, [])
    assert await delivering
    assert await noted() == 1
    with track_acknowledgement():
        # A command is never sent again, so nothing is waited for.
        assert await slack.deliver(typed("2"))


async def test_what_is_done_for_one_delivery_is_noted_once_however_often_it_is_taken_up(
    repositories: Repositories,
) -> None:
    listening = RequestTracker(Metrics(), repositories.slack_deliveries, lambda: NOON)

    assert listening.is_new(typed("1"))
    async with listening.answering("test"):
        await start_once()
        await start_once()
        assert listening.places._total == 1
    assert listening.places._total == 0


async def test_what_the_bot_keeps_itself_is_changed_once_too(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, http=True) as town:
        mirror = RequestRecorder(town.slack.delivery)
        await town.ask("/bitrise subscribe android", "subscribed")
        await town.ask("/bitrise unsubscribe 1", "ended the subscription")
        await town.stop_bot()
        await town.start_bot()
        await mirror.send_again(f"http://127.0.0.1:{town.bot.port}/slack/events")
        await town.stop_bot()
        assert await town.rows("SELECT * FROM subscriptions") == []
        acts = await town.rows("SELECT json_extract(body, '$.act') FROM audit ORDER BY seq")
        assert acts == [("subscribe",), ("unsubscribe",)]
