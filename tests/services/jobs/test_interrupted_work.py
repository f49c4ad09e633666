"""Work that the end of a process interrupted: others report it, and never what is being done just now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.access_policy import Principals
from domain.action import Approvers, PendingAction, PendingActionState
from domain.audit_chain import AuditEntry, Event
from domain.commands.shared_commands import TriggerBuild
from domain.message import Message
from providers.bitrise.builds.actions import TriggerBuildAction
from providers.bitrise.provider import BITRISE
from services.jobs.interrupted_work import GONE_SECONDS, InterruptedWork
from storage.repositories import Repositories
from storage.workflow_steps import Outcome
from tests.support.factories import ANDROID, NOON
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories

TEAM = "T1"
LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def bots(postgres: PostgresServer) -> AsyncIterator[list[Repositories]]:
    async with open_repositories(postgres, 3) as opened:
        yield opened


class Watcher:
    """The job of one bot, and its time."""

    def __init__(self, bot: Repositories) -> None:
        self.seconds = 0.0
        self.bot = bot
        self._job = InterruptedWork(bot, BITRISE, clock=lambda: LATER, timer=lambda: self.seconds)

    async def look(self) -> dict[str, str | None]:
        """Look for interrupted work; return the errors of the steps that were reported as such."""
        await self._job.run_once()
        unreported = await self.bot.workflow_steps.unreported()
        return {execution: outcome.error for _, execution, outcome in unreported}


async def agree(bot: Repositories, execution: str) -> PendingAction:
    """Store a pending action of a workflow step, and approve it at this bot."""
    action = TriggerBuildAction(app=ANDROID, ask=TriggerBuild(app="android", branch="main"))
    pending = bot.pending_actions.new(
        action,
        team=TEAM,
        channel="C1",
        asked_by="U1",
        deciders=Approvers(who=(Principals(people=("U2",)),)),
        asked_at=NOON,
        expires_at=LATER,
        execution=execution,
    )
    await bot.pending_actions.begin(pending, Message("asks"), AuditEntry(event=Event.PROPOSED, act="start"))
    entry = AuditEntry(event=Event.AGREED, act="start")
    await bot.pending_actions.conclude(
        pending, PendingActionState.AGREED, Message("agreed"), entry, by="U2", at=NOON
    )
    return pending


async def message_of(bot: Repositories, pending: PendingAction) -> str:
    found = await bot.slack_messages.find(pending.id)
    assert found is not None
    return str(found.content)


async def wait_until_seen(by: Repositories, bot: Repositories, *, lives: bool) -> None:
    """Wait until the server shows that the bot's session lasts, or has ended."""
    worker = bot.database.session_locks.worker
    async with asyncio.timeout(30):
        while (worker in await by.database.read(lambda db: db.live_workers())) is not lives:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_only_what_a_process_that_has_ended_was_doing_is_reported(bots: list[Repositories]) -> None:
    ending, living, other = bots
    for bot, execution in ((ending, "Fx1"), (living, "Fx2"), (ending, "Fx3"), (ending, "Fx4")):
        await bot.workflow_steps.begin(TEAM, execution, "start", NOON)
    # One that another bot has approved is carried out there.
    approved_there, approved_here = await agree(living, "Fx3"), await agree(ending, "Fx4")
    watcher = Watcher(other)
    for _ in range(3):
        assert await watcher.look() == {}
        watcher.seconds += GONE_SECONDS

    await ending.database.close()
    await wait_until_seen(other, ending, lives=False)
    # Its session may only have been lost.
    assert await watcher.look() == {}
    watcher.seconds += GONE_SECONDS
    reported = await watcher.look()
    assert set(reported) == {"Fx1", "Fx4"}
    assert "stopped during this step" in str(reported["Fx1"])
    assert "stopped in the middle" in await message_of(other, approved_here)
    assert await message_of(other, approved_there) == Message("agreed").encode()
    watcher.seconds += GONE_SECONDS
    assert set(await watcher.look()) == {"Fx1", "Fx4"}
    await living.workflow_steps.conclude(TEAM, "Fx2", Outcome(outputs={}))
    assert (await watcher.look())["Fx2"] is None


async def test_a_process_that_has_lost_its_session_is_not_taken_for_one_that_has_ended(
    postgres: PostgresServer, bots: list[Repositories]
) -> None:
    working, _, other = bots
    await working.workflow_steps.begin(TEAM, "Fx1", "start", NOON)
    watcher = Watcher(other)
    postgres.end_connections(other.database._url)  # type: ignore[attr-defined]
    assert await watcher.look() == {}
    await wait_until_seen(other, working, lives=True)
    watcher.seconds += GONE_SECONDS
    assert await watcher.look() == {}


async def test_what_a_version_began_that_did_not_store_by_whom_is_reported(
    bots: list[Repositories],
) -> None:
    first, _, other = bots
    await first.workflow_steps.begin(TEAM, "Fx1", "start", NOON)
    await first.workflow_steps.begin(TEAM, "Fx2", "start", LATER)
    await first.database.write(lambda db: db.execute("UPDATE workflow_steps SET begun_by = NULL"))
    watcher = Watcher(other)
    await watcher.look()
    watcher.seconds += GONE_SECONDS
    assert set(await watcher.look()) == {"Fx1"}
