"""Several bots on one PostgreSQL server: what one of them has done or removed, the others know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from domain.audit_chain import AuditEntry, Event
from domain.credentials import ProviderUser, Tokens
from providers.bitrise.provider import BITRISE
from storage.connection import Connection
from storage.database import REMOVED, WorkspaceGone
from storage.installations import OAuthStates
from storage.oauth_sessions import AuthorizedSession
from storage.polls import raise_watch_revision
from storage.repositories import Repositories
from storage.watched_builds import lock_watching
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories

LATER = NOON + timedelta(minutes=10)


@pytest.fixture
async def bots(postgres: PostgresServer) -> AsyncIterator[list[Repositories]]:
    async with open_repositories(postgres) as opened:
        yield opened


class Notices:
    """The notices of a topic that one bot gets."""

    def __init__(self, bot: Repositories, topic: str) -> None:
        self.queue = asyncio.Queue[str | None]()
        bot.database.listen(topic, self.queue.put_nowait)

    async def next(self) -> str | None:
        async with asyncio.timeout(30):
            return await self.queue.get()


async def test_a_delivery_is_taken_by_one_of_several_bots(bots: list[Repositories]) -> None:
    for number in range(20):
        taken = await asyncio.gather(
            *(
                bot.slack_deliveries.take("T1", f"{number}", now=NOON, until=LATER)
                for bot in bots
                for _ in "ab"
            )
        )
        assert sorted(taken) == [False, False, False, True]


async def test_a_removed_workspace_is_removed_for_all_bots(bots: list[Repositories]) -> None:
    here, there = bots
    notices = Notices(there, REMOVED)
    assert await notices.next() is None  # it listens from now on

    there.database.mark_present("T1")
    await there.of("T1").channel_settings.set_default_app("C1", BITRISE, "android", by="U1", at=NOON)
    await here.wipe("T1")
    # A request that had begun before goes on, also if it is written twice.
    for _ in range(2):
        with pytest.raises(WorkspaceGone):
            await there.slack_deliveries.take("T1", "old", now=NOON, until=LATER)
    assert await notices.next() == "T1"
    with pytest.raises(WorkspaceGone):
        await there.slack_deliveries.take("T1", "old", now=NOON, until=LATER)

    # The app is installed again: a request comes, to one of the bots.
    there.database.mark_present("T1")
    assert await there.slack_deliveries.take("T1", "new", now=NOON, until=LATER)
    assert await here.slack_deliveries.take("T1", "newer", now=NOON, until=LATER)


async def test_a_write_that_waited_for_the_removal_writes_nothing(bots: list[Repositories]) -> None:
    here, there = bots
    notices = Notices(there, REMOVED)
    assert await notices.next() is None
    assert await there.slack_deliveries.take("T1", "first", now=NOON, until=LATER)
    for _ in range(10):
        written = await asyncio.gather(
            here.wipe("T1"),
            *(there.slack_deliveries.take("T1", f"{number}", now=NOON, until=LATER) for number in range(5)),
            return_exceptions=True,
        )
        assert {type(result) for result in written} <= {type(None), bool, WorkspaceGone}
        rows = await here.database.read(lambda db: db.execute("SELECT * FROM deliveries").fetchall())
        assert rows == []
        assert await notices.next() == "T1"
        there.database.mark_present("T1")
        assert await there.slack_deliveries.take("T1", "again", now=NOON, until=LATER)


async def test_notices_reach_other_bots_after_the_commit_and_again_after_an_outage(
    postgres: PostgresServer, bots: list[Repositories]
) -> None:
    here, there = bots
    own, others = Notices(here, "topic"), Notices(there, "topic")
    assert await own.next() is await others.next() is None

    def fail(db: object) -> None:
        db.notify("topic", "never")  # type: ignore[attr-defined]
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await here.database.write(fail)
    await here.database.write(lambda db: db.notify("topic", "first"))
    assert (await own.next(), await others.next()) == ("first", "first")
    await there.database.write(lambda db: db.notify("another", ""))
    [url] = {bot.database._url for bot in bots}  # type: ignore[attr-defined]
    postgres.end_connections(url)
    # What was notified in the meantime is lost, so everything has to be looked at again.
    assert (await own.next(), await others.next()) == (None, None)
    await there.database.write(lambda db: db.notify("topic", "second"))
    assert (await own.next(), await others.next()) == ("second", "second")


async def test_a_token_that_is_new_waits_for_subscriptions_that_are_being_changed(
    bots: list[Repositories],
) -> None:
    """Otherwise its first poll would read what is watched before the change, and never again."""
    here, there = bots
    changing, changed = threading.Event(), threading.Event()

    def change(db: Connection) -> None:
        lock_watching(db, [BITRISE])
        raise_watch_revision(db, [BITRISE])
        changing.set()
        assert changed.wait(30)

    change_task = asyncio.ensure_future(here.database.write(change))
    await asyncio.to_thread(changing.wait, 30)
    first_read = asyncio.create_task(there.polls.read("bitrise:new", BITRISE))
    query = (
        "SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    waiting = 0
    while not first_read.done() and not waiting:
        [waiting] = await there.database.read(lambda db: db.execute(query).fetchone())
    changed.set()
    await change_task
    await first_read
    assert waiting == 1


async def test_several_bots_add_to_one_audit_chain(bots: list[Repositories]) -> None:
    async def add(bot: Repositories, number: int) -> None:
        entry = AuditEntry(event=Event.DONE, act=f"act{number}", channel="C1")
        await bot.of("T1").audit_log.append(entry, NOON)

    await asyncio.gather(*(add(bot, number) for number in range(20) for bot in bots))
    for bot in bots:
        verdict = await bot.of("T1").audit_log.verify()
        assert (verdict.entries, verdict.last_seq) == (40, 40)


async def test_an_installation_is_completed_once_at_whichever_bot(bots: list[Repositories]) -> None:
    states = [OAuthStates(bot.database, bot.vault, lambda: datetime.now(UTC)) for bot in bots if bot.vault]
    state = await states[0].async_issue()
    used = await asyncio.gather(*(each.async_consume(state) for each in states))
    assert sorted(used) == [False, True]


async def test_a_sign_in_can_go_on_at_another_bot_and_ends_once(bots: list[Repositories]) -> None:
    first, second = (bot.oauth_sessions for bot in bots)
    state = await first.begin("T1", "U1", BITRISE, NOON)
    came_back = await asyncio.gather(
        *(sessions.take_started(state, BITRISE, NOON) for sessions in (first, second))
    )
    [session] = [session for session in came_back if session is not None]
    owner = ProviderUser(id="anna", name="anna")
    authorized = AuthorizedSession(Tokens(access_token=SecretStr("a-token")), owner)
    code = await second.store_authorized(session, BITRISE, authorized, NOON)
    ended = await asyncio.gather(
        *(sessions.take_authorized(code, "T1", "U1", BITRISE, NOON) for sessions in (first, second))
    )
    [taken] = [result for result in ended if result is not None]
    assert taken.owner == owner
