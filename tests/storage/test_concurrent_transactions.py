"""Transactions that run at the same time on PostgreSQL have the same results as one after the other."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg
import pytest
from pydantic import SecretStr
from slack_sdk.oauth.installation_store.models.bot import Bot

from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.build import BuildRequest, BuildState
from domain.log.failure import failure_from_text
from domain.message import Message
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline, PollSnapshot
from domain.subscription import AccessSource, Scope, Subscription
from providers.bitrise.provider import BITRISE
from storage.audit_register import set_anchor
from storage.connection import Connection, Cursor
from storage.database import Database, Work
from storage.encryption import SecretBox
from storage.failure_analyses import PendingAnalysis
from storage.installations import Installations
from storage.key_rotation import rotate_key
from storage.personal_data import erase_everywhere
from storage.postgres_database import PostgresDatabase
from storage.repositories import Repositories
from storage.retention import prune
from storage.slack_messages import NewMessage
from storage.sqlite_database import SqliteDatabase
from storage.user_profiles import UserProfile
from tests.support.factories import ANDROID, NOON, make_build, make_recipient, make_run
from tests.support.postgres import PostgresServer, empty_database
from tests.support.repositories import make_poll_recorder, make_repositories
from tests.support.transactions import check_locks

T = TypeVar("T")

VAULT = SecretBox(["a-key-of-the-tests-that-is-long-enough"])
NEWER = SecretBox(["another-key-that-is-long-enough-as-well", "a-key-of-the-tests-that-is-long-enough"])
LATER = NOON + timedelta(hours=1)
MUCH_LATER = NOON + timedelta(days=400)
OWN = Scope(seen_as=AccessSource.OWN)
C1 = make_recipient("C1")

# In the coroutine whose first transaction is held until the other coroutine has ended, or waits for a lock.
_is_first: ContextVar[bool] = ContextVar("is_first", default=False)


class UnlockedConnection:
    """A connection that takes no locks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.execute: Callable[..., Cursor] = connection.execute
        self.now, self.primary_key = connection.now, connection.primary_key
        self.mark_for_rewriting = connection.mark_for_rewriting
        self.audit_triggers = connection.audit_triggers
        self.wake, self.notify = connection.wake, connection.notify
        self.batch, self.live_workers = connection.batch, connection.live_workers
        self.after_commit = connection.after_commit

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        return self._connection.executemany(statement, rows)

    def lock(self, *name: str, shared: bool = False) -> None:
        pass


class ConcurrentDatabase(Database):
    """A database whose first transaction, in the first coroutine, is held before its commit."""

    def __init__(self, database: Database, *, takes_locks: bool = True) -> None:
        super().__init__(database.session_locks)
        self._inner = database
        self._takes_locks = takes_locks
        self._is_held = False
        self.reached, self.go_on = asyncio.Event(), threading.Event()

    def read(self, work: Work[T]) -> Awaitable[T]:
        return self._inner.read(work)

    async def write(self, work: Work[T]) -> T:
        is_held = _is_first.get() and not self._is_held
        self._is_held |= is_held
        loop = asyncio.get_running_loop()

        def held_work(db: Connection) -> T:
            result = work(db if self._takes_locks else UnlockedConnection(db))
            if is_held:
                loop.call_soon_threadsafe(self.reached.set)
                assert self.go_on.wait(60)
            return result

        return await self._inner.write(held_work)

    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:  # noqa: ARG002 - no files
        return await self.write(work)

    async def rewrite(self) -> bool:
        return True

    async def rewrite_if_marked(self) -> bool:
        return False

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class Case:
    """Two coroutines that run at the same time, after `given`, whose result they get.

    `first` runs up to the end of its first transaction before `second` begins. `shown` are queries.
    """

    given: Callable[[Repositories], Awaitable[Any]]
    first: Callable[[Repositories, Any], Awaitable[Any]]
    second: Callable[[Repositories, Any], Awaitable[Any]]
    shown: tuple[str, ...]


async def nothing(_: Repositories) -> None:
    pass


async def subscribe(
    repositories: Repositories, channel: str = "C1", *, by: str = "U1", scope: Scope = Scope(), **terms: Any
) -> Subscription:
    return await repositories.of("T1").subscriptions.add(
        channel=channel,
        app=ANDROID,
        terms=NotificationRule(**terms),
        by=by,
        at=NOON,
        baseline=Baseline(),
        scope=scope,
    )


async def watch(repositories: Repositories) -> None:
    await subscribe(repositories, "C9")


async def poll(repositories: Repositories, number: int = 1, state: BuildState = BuildState.FAILED) -> int:
    recorder = make_poll_recorder(repositories.database)
    snapshot = PollSnapshot(token="t", provider=BITRISE, builds=(make_build(number, state),))
    return len(await recorder.record(snapshot, at=NOON))


async def begin(repositories: Repositories, parcel: str = "p1", **more: Any) -> tuple[Any, NewMessage]:
    message = NewMessage(parcel=parcel, team="T1", channel="C1", **{"subject": "build x", **more})
    return await repositories.outbox.due(C1, 10, NOON), message


async def subscribe_and_poll(
    repositories: Repositories, **terms: Any
) -> tuple[Subscription, Any, NewMessage]:
    subscription = await subscribe(repositories, **terms)
    await poll(repositories)
    return subscription, *await begin(repositories)


async def send(repositories: Repositories) -> tuple[Subscription, Any, NewMessage]:
    sent = await subscribe_and_poll(repositories)
    await repositories.outbox.begin(sent[1], sent[2], NOON, note="{}")
    return sent


async def connect(repositories: Repositories, provider_user: str = "anna", at: datetime = NOON) -> None:
    await repositories.of("T1").accounts.connect(
        "U1", BITRISE, SecretStr("a-token"), provider_user=provider_user, name=provider_user, at=at
    )


async def connect_and_subscribe(repositories: Repositories) -> Subscription:
    await connect(repositories)
    return await subscribe(repositories, scope=OWN)


def follow(repositories: Repositories, number: int = 1) -> Awaitable[None]:
    return repositories.of("T1").subscriptions.follow(
        make_run(make_build(number)), channel="C1", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
    )


def entry() -> AuditEntry:
    return AuditEntry(event=Event.DONE, act="abort", personal=PersonalFields(person="U1"), channel="C1")


async def append(repositories: Repositories, team: str = "T1", days: int = 0) -> int:
    return (await repositories.of(team).audit_log.append(entry(), NOON + timedelta(days=days))).seq


def make_bot(token: str, enterprise: str | None = None) -> Bot:
    return Bot(
        team_id="T1", enterprise_id=enterprise, bot_token=token, bot_id="B1", bot_user_id="U1",
        bot_refresh_token=token, installed_at=0.0,
    )  # fmt: skip


def installations(repositories: Repositories) -> Installations:
    return Installations(repositories.database, VAULT, lambda: NOON)


async def install(repositories: Repositories) -> None:
    await installations(repositories).async_save_bot(make_bot("r1"))


async def two(repositories: Repositories) -> tuple[Subscription, Subscription]:
    return await subscribe(repositories), await subscribe(repositories, "C2")


async def start_run(repositories: Repositories) -> tuple[Any, NewMessage]:
    await follow(repositories)
    await repositories.outbox.begin((), (await repositories.slack_messages.unfinished(C1))[0], NOON)
    await repositories.outbox.mark_delivered("run-1-k", "1.0")
    await poll(repositories, state=BuildState.RUNNING)
    return await begin(repositories)


async def succeed_long_ago(repositories: Repositories) -> None:
    await subscribe(repositories)
    await poll(repositories, 1, BuildState.SUCCEEDED)
    await repositories.database.write(lambda db: db.execute("UPDATE builds SET body = ''"))


async def deliver(repositories: Repositories, due: Any, message: NewMessage) -> int:
    await repositories.outbox.begin(due[:1], message, NOON)
    return len(await repositories.outbox.mark_delivered(message.parcel, "1.0"))


async def append_both(repositories: Repositories) -> None:
    await append(repositories)
    await append(repositories, "T2")


NOTIFICATIONS = (
    "SELECT subscription_id, channel_id, build_slug, event, status FROM notifications ORDER BY 1, 3, 4"
)
BUILDS = "SELECT build_slug, state FROM builds ORDER BY 1"
WATCHED = "SELECT app_slug FROM watched_apps"
NUMBERS = "SELECT number, channel_id, stopped_reason FROM subscriptions ORDER BY 1, 2"
ACCESS = "SELECT unseen_at, checked_at FROM subscriptions"
MESSAGES = "SELECT parcel, status, stale, content IS NULL FROM messages ORDER BY 1"
PEOPLE = "SELECT user_id, name FROM people ORDER BY 1"
AUDIT = "SELECT team_id, seq FROM audit ORDER BY 1, 2"
CHAINS = "SELECT team_id, first_seq, last_seq FROM audit_chains ORDER BY 1"
REGISTER = "SELECT chains FROM audit_register"
LINES = "SELECT COUNT(*) FROM audit_anchor_lines"

CASES = {
    "two polls see one build": Case(
        subscribe, lambda r, _: poll(r), lambda r, _: poll(r), (NOTIFICATIONS, BUILDS)
    ),
    "a poll misses no subscription that is being added": Case(
        subscribe, lambda r, _: subscribe(r, "C2"), lambda r, _: poll(r), (NOTIFICATIONS,)
    ),
    "a poll stores nothing for a subscription that is being removed": Case(
        subscribe,
        lambda r, _: poll(r, state=BuildState.RUNNING),
        lambda r, it: r.of("T1").subscriptions.remove(it),
        (NOTIFICATIONS, BUILDS, WATCHED),
    ),
    "a poll notifies no subscription that is being paused": Case(
        subscribe,
        lambda r, _: poll(r),
        lambda r, it: r.of("T1").subscriptions.pause(it, NOON),
        (NOTIFICATIONS, NUMBERS),
    ),
    "a poll uses the terms that are being changed": Case(
        subscribe,
        lambda r, it: r.of("T1").subscriptions.change(it, NotificationRule(style=DeliveryStyle.LIVE)),
        lambda r, _: poll(r, state=BuildState.RUNNING),
        (NOTIFICATIONS,),
    ),
    "one subscription is added twice": Case(
        watch, lambda r, _: subscribe(r), lambda r, _: subscribe(r), (NUMBERS,)
    ),
    "two subscriptions of a channel are added": Case(
        watch,
        lambda r, _: subscribe(r),
        lambda r, _: subscribe(r, style=DeliveryStyle.LIVE),
        (NUMBERS,),
    ),
    "the last two subscriptions of an app are removed": Case(
        two,
        lambda r, it: r.of("T1").subscriptions.remove(it[0]),
        lambda r, it: r.of("T1").subscriptions.remove(it[1]),
        (NUMBERS, WATCHED),
    ),
    "a message is begun for a subscription that is being paused": Case(
        subscribe_and_poll,
        lambda r, it: r.of("T1").subscriptions.pause(it[0], NOON),
        lambda r, it: r.outbox.begin(it[1], it[2], NOON),
        (NOTIFICATIONS, MESSAGES),
    ),
    "a run is followed whose build a message is about": Case(
        lambda r: subscribe_and_poll(r, style=DeliveryStyle.LIVE),
        lambda r, _: follow(r),
        lambda r, it: r.outbox.begin(
            it[1], it[2].model_copy(update={"subject": f"live 1 {make_build(1).slug}"}), NOON
        ),
        (MESSAGES,),
    ),
    "a notification is added to the message of a run that ends": Case(
        start_run,
        lambda r, _: r.unfollow_forgotten_runs(MUCH_LATER),
        lambda r, it: r.outbox.join(it[0], "run-1-k", NOON),
        (MESSAGES, NOTIFICATIONS),
    ),
    "a one-time subscription gets a second notification": Case(
        lambda r: subscribe_and_poll(r, once=True),
        lambda r, _: poll(r, 2),
        lambda r, it: deliver(r, *it[1:]),
        (NOTIFICATIONS, NUMBERS),
    ),
    "runs are moved out of a channel whose build ends": Case(
        start_run, lambda r, _: r.outbox.move_runs(C1, "run-1-k", "x"), lambda r, _: poll(r), (NOTIFICATIONS,)
    ),
    "a channel is closed while a build of its run ends": Case(
        start_run, lambda r, _: poll(r), lambda r, _: r.outbox.drop(C1, "x"), (NOTIFICATIONS, WATCHED)
    ),
    "a message is queued again for a subscription that loses access": Case(
        send,
        lambda r, it: r.of("T1").subscriptions.stop_without_access(it[0], NOON, account=None),
        lambda r, _: r.outbox.mark_not_delivered("p1", "x"),
        (NOTIFICATIONS,),
    ),
    "a cause is found for a message that is being begun": Case(
        subscribe_and_poll,
        lambda r, it: r.outbox.begin(it[1], it[2], NOON),
        lambda r, _: r.failure_analyses.conclude(
            PendingAnalysis(
                provider=BITRISE,
                app_slug=ANDROID.slug,
                build_slug=make_build(1).slug,
                due=NOON,
                tries=0,
            ),
            failure_from_text("it broke"),
        ),
        (MESSAGES,),
    ),
    "old data is deleted of a branch that breaks": Case(
        succeed_long_ago,
        lambda r, _: poll(r, 2),
        lambda r, _: prune(r.database, before=MUCH_LATER),
        ("SELECT branch FROM series",),
    ),
    "an account is disconnected whose access is being confirmed": Case(
        connect_and_subscribe,
        lambda r, _: r.of("T1").accounts.disconnect("U1", at=LATER),
        lambda r, it: r.subscriptions.mark_confirmed(it, LATER, OWN, account=NOON),
        (ACCESS,),
    ),
    "an account is disconnected whose access is being checked": Case(
        connect_and_subscribe,
        lambda r, _: r.of("T1").accounts.disconnect("U1", at=LATER),
        lambda r, it: r.subscriptions.mark_checked(it, LATER, OWN, account=NOON),
        (ACCESS,),
    ),
    "an account is disconnected while its user subscribes": Case(
        connect_and_subscribe,
        lambda r, _: subscribe(r, "C2", scope=OWN),
        lambda r, _: r.of("T1").accounts.disconnect("U1", at=LATER),
        (ACCESS,),
    ),
    "another account is connected while access is being confirmed": Case(
        connect_and_subscribe,
        lambda r, _: connect(r, "ben", LATER),
        lambda r, it: r.subscriptions.mark_confirmed(it, LATER, OWN, account=NOON),
        (ACCESS,),
    ),
    "an installation's token is rotated twice": Case(
        install,
        lambda r, _: installations(r).store_rotated_token(make_bot("r1"), make_bot("r2")),
        lambda r, _: installations(r).store_rotated_token(make_bot("r1"), make_bot("r3")),
        (),
    ),
    "an app is installed alone and with its organisation": Case(
        nothing,
        lambda r, _: installations(r).async_save_bot(make_bot("r1")),
        lambda r, _: installations(r).async_save_bot(make_bot("r2", "E1")),
        ("SELECT enterprise_id, team_id FROM installations",),
    ),
    "two users save one name": Case(
        append,
        lambda r, _: r.of("T1").user_profiles.save(UserProfile(user="U1", name="anna")),
        lambda r, _: r.of("T1").user_profiles.save(UserProfile(user="U2", name="anna")),
        (PEOPLE,),
    ),
    "two users claim one name": Case(
        append,
        lambda r, _: r.of("T1").user_profiles.claim_name("U1", "anna"),
        lambda r, _: r.of("T1").user_profiles.claim_name("U2", "anna"),
        (PEOPLE,),
    ),
    "two users change a card": Case(
        send,
        lambda r, _: r.slack_messages.update_card("p1", {"claimed_by": "U1"}),
        lambda r, _: r.slack_messages.update_card("p1", {"snoozed_by": "U2"}),
        ("SELECT note FROM messages",),
    ),
    "a build request is posted while its channel unsubscribes": Case(
        subscribe,
        lambda r, it: r.of("T1").subscriptions.remove(it),
        lambda r, _: r.build_requests.begin(
            BuildRequest(provider=BITRISE, app_slug=ANDROID.slug, slug="r1"), [C1], Message("?"), NOON
        ),
        ("SELECT channel_id FROM messages",),
    ),
    "two entries of one chain are appended": Case(
        append, lambda r, _: append(r), lambda r, _: append(r), (AUDIT, CHAINS, REGISTER)
    ),
    "entries of two chains are appended": Case(
        append_both, lambda r, _: append(r), lambda r, _: append(r, "T2"), (CHAINS, REGISTER)
    ),
    "two workspaces store their first data": Case(
        nothing, lambda r, _: append(r), lambda r, _: append(r, "T2"), (CHAINS, REGISTER)
    ),
    "an entry is appended while old ones are deleted": Case(
        append,
        lambda r, _: append(r, days=400),
        lambda r, _: prune(r.database, before=NOON, audit_before=MUCH_LATER - timedelta(days=1), vault=VAULT),
        (AUDIT, CHAINS, REGISTER),
    ),
    "an entry is appended while the key is rotated": Case(
        append,
        lambda r, _: append(r),
        lambda r, _: r.database.write(lambda db: rotate_key(db, NEWER).nothing),
        (AUDIT, CHAINS, REGISTER),
    ),
    "an entry is appended while the anchor changes": Case(
        append,
        lambda r, _: append(r),
        lambda r, _: r.database.write(lambda db: set_anchor(db, VAULT, "file", NOON)),
        (CHAINS, REGISTER, LINES),
    ),
    "a workspace is wiped while it stores something": Case(
        append,
        lambda r, _: r.of("T1").user_profiles.claim_name("U1", "anna"),
        lambda r, _: r.wipe("T1"),
        (PEOPLE, CHAINS, REGISTER),
    ),
    "a workspace is wiped while a message is begun": Case(
        subscribe_and_poll,
        lambda r, it: r.outbox.begin(it[1], it[2], NOON),
        lambda r, _: r.wipe("T1"),
        (MESSAGES, NOTIFICATIONS),
    ),
    "an app is uninstalled while a poll notifies its channels": Case(
        subscribe,
        lambda r, _: poll(r),
        lambda r, _: installations(r).wipe(None, "T1"),
        (NOTIFICATIONS, WATCHED),
    ),
    "a user is erased while something is stored about them": Case(
        append,
        lambda r, _: r.of("T1").user_profiles.claim_name("U1", "anna"),
        lambda r, _: r.database.write(lambda db: erase_everywhere(db, "T1", "U1", VAULT, NOON).entries),
        (PEOPLE, AUDIT),
    ),
}


async def run(case: Case, database: Database, *, together: Callable[..., Awaitable[Any]]) -> Any:
    repositories = make_repositories(database, VAULT)
    context = await case.given(repositories)
    results = await together(
        lambda: case.first(repositories, context), lambda: case.second(repositories, context)
    )
    rows = [await database.read(lambda db, query=query: _rows(db, query)) for query in case.shown]  # type: ignore[misc]
    return [_comparable(result) for result in results], rows


def _rows(db: Connection, query: str) -> list[Any]:
    rows = [tuple(row) for row in db.execute(query).fetchall()]
    if query != REGISTER:
        return rows
    return [{team: (ends[0], ends[2]) for team, ends in json.loads(chains).items()} for (chains,) in rows]


def _comparable(result: Any) -> Any:
    if isinstance(result, Exception):
        return type(result).__name__
    if isinstance(result, Subscription):
        return result.number
    if isinstance(result, list):
        return len(result)
    return result


async def one_after_the_other(*coroutines: Callable[[], Awaitable[Any]]) -> list[Any]:
    results: list[Any] = []
    for coroutine in coroutines:
        results += await asyncio.gather(coroutine(), return_exceptions=True)
    return results


@dataclass
class Concurrently:
    """Runs two coroutines at the same time; notes which kinds of locks the second has waited for."""

    database: ConcurrentDatabase
    url: str
    waited_for: set[str]

    async def __call__(
        self, first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]]
    ) -> list[Any]:
        async def run_first() -> Any:
            _is_first.set(True)
            return await first()

        one = asyncio.ensure_future(run_first())
        await self.database.reached.wait()
        other = asyncio.ensure_future(second())
        with psycopg.connect(self.url, autocommit=True) as connection:
            query = (
                "SELECT wait_event FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while not other.done() and not self.waited_for:
                self.waited_for |= {name for (name,) in connection.execute(query)}
                # PostgreSQL reports no event when a transaction begins to wait.
                await asyncio.sleep(0.002)
        self.database.go_on.set()
        return list(await asyncio.gather(one, other, return_exceptions=True))


@pytest.fixture(scope="module")
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Return the URL of one database for all tests of this module, which are many."""
    url = postgres.new_database()
    yield url
    postgres.recycle_database(url)


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    database = await PostgresDatabase.open_shared(postgres_url)
    yield database
    await database.close()


@pytest.fixture
def empty_url(postgres_url: str) -> str:
    """Empty the database."""
    with psycopg.connect(postgres_url) as connection:
        empty_database(connection)
    return postgres_url


@pytest.fixture
async def file(tmp_path: Any) -> AsyncIterator[Database]:
    """Return a SQLite database."""
    database = await SqliteDatabase.open(tmp_path / "b.db")
    yield database
    await database.close()


@pytest.mark.parametrize("name", CASES)
async def test_transactions_at_the_same_time_have_the_results_of_one_after_the_other(
    name: str, file: Database, postgres_database: PostgresDatabase, empty_url: str
) -> None:
    expected = await run(CASES[name], file, together=one_after_the_other)
    database = ConcurrentDatabase(postgres_database)
    together = Concurrently(database, empty_url, set())
    with check_locks():
        assert await run(CASES[name], database, together=together) == expected
    assert together.waited_for == {"advisory"}


@pytest.mark.parametrize("name", CASES)
async def test_without_locks_they_would_not(
    name: str, file: Database, postgres_database: PostgresDatabase, empty_url: str
) -> None:
    expected = await run(CASES[name], file, together=one_after_the_other)
    database = ConcurrentDatabase(postgres_database, takes_locks=False)
    together = Concurrently(database, empty_url, set())
    assert await run(CASES[name], database, together=together) != expected
