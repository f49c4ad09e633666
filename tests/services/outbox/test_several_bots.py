"""Two dispatchers on one PostgreSQL database: who delivers to a channel, and what happens when its lock gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from domain.build import BuildState
from domain.message import Recipient
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline, PollSnapshot
from providers.bitrise.provider import BITRISE
from sandbox.faults import Fault
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from services.metrics import Metrics
from services.outbox.channel_locks import ChannelLost
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import RateLimits
from services.slack.web_client import SlackClient
from storage.postgres_database import PostgresDatabase
from storage.postgres_session_locks import VALID_SECONDS, PostgresSessionLocks, open_session
from storage.repositories import Repositories
from storage.session_locks import new_worker
from tests.support.factories import ANDROID, NOON, make_build, make_recipient
from tests.support.postgres import PostgresServer
from tests.support.presentations import presentation_of
from tests.support.repositories import make_poll_recorder, make_repositories

TO = make_recipient("C0BUILDS")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


class Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bot(Dispatcher):
    """A bot's dispatcher. `pauses` are what it has waited for; `instead` is done instead of waiting.

    Nobody watches its session: it is proven to be alive by each call and after each pause.
    """

    def __init__(
        self,
        number: int,
        client: SlackClient,
        storage: Repositories,
        locks: PostgresSessionLocks,
        timer: Timer,
        limits: RateLimits,
    ) -> None:
        self.storage, self.session_locks, self.timer = storage, locks, timer
        self.now = NOON
        self.pauses: list[float] = []
        self.instead: Callable[[], Awaitable[object]] | None = None
        self._parcels = 0
        super().__init__(
            lambda _team: client,
            storage,
            counts=Metrics(),
            clock=lambda: self.now,
            new_key=lambda: self._new_parcel(number),
            presentation_of=presentation_of,
            limits=limits,
            locks=locks,
            timer=timer,
        )

    def _new_parcel(self, number: int) -> str:
        self._parcels += 1
        return f"bot-{number}-{self._parcels}"

    async def pause(self, seconds: float) -> None:
        if seconds:
            self.timer.now += seconds
            await self.session_locks.prove()
            self.pauses.append(seconds)
            if self.instead is not None:
                await self.instead()

    async def enqueue(self, number: int, state: BuildState = BuildState.SUCCEEDED) -> None:
        if not await self.storage.of("T1").subscriptions.of_channel(TO.channel):
            await self.storage.of("T1").subscriptions.add(
                channel=TO.channel,
                app=ANDROID,
                terms=NotificationRule(
                    style=DeliveryStyle.LIVE if state is BuildState.RUNNING else DeliveryStyle.EACH
                ),
                by="U1",
                at=NOON,
                baseline=Baseline(),
            )
        recorder = make_poll_recorder(self.storage.database)
        snapshot = PollSnapshot(token="t", provider=BITRISE, builds=[make_build(number, state)])
        await recorder.record(snapshot, at=NOON)


class Scene:
    """Simulated Slack, a database, and bots."""

    def __init__(self, server: PostgresServer, url: str, slack: SlackSimulator, client: SlackClient) -> None:
        self.server, self.url, self.slack, self._client = server, url, slack, client
        self._stack = AsyncExitStack()
        self._number = 0

    async def add_bot(self, limits: RateLimits = RateLimits()) -> Bot:
        database = await PostgresDatabase.open(self.url, wait_seconds=30)
        self._stack.push_async_callback(database.close)
        timer, worker = Timer(), new_worker()
        locks = PostgresSessionLocks(self.url, open_session(self.url, worker), worker=worker, timer=timer)
        self._stack.push_async_callback(locks.close)
        self._number += 1
        return Bot(self._number, self._client, make_repositories(database), locks, timer, limits)

    async def close(self) -> None:
        await self._stack.aclose()

    async def end_session(self, bot: Bot) -> None:
        """End a bot's session as an administrator or a failover does."""
        with self.server.connect() as connection:
            pid = bot.session_locks._connection.info.backend_pid
            connection.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
        assert not await bot.session_locks.prove()

    def hold(self, method: str) -> Fault:
        """Let Slack carry out the method's next call only later."""
        fault = Fault(method, "held")
        self.slack.api.faults.add(fault)
        return fault

    async def wait_until_held(self) -> None:
        await until(lambda: self.slack.api.faults.held)

    @property
    def posted(self) -> list[str]:
        """The numbers of the builds in the channel's messages."""
        texts = [self.slack.message_text(post).split("\n")[0] for post in self.slack.posts("builds")]
        return [text.split("#")[1].split()[0] for text in texts]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.recycle_database(url)


@pytest.fixture
async def scene(postgres: PostgresServer, url: str) -> AsyncIterator[Scene]:
    slack = await SlackSimulator(manifest(), NOON.timestamp).start()
    slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        scene = Scene(postgres, url, slack, client)
        yield scene
        await scene.close()
    assert slack.violations == []
    await slack.close()


async def test_only_one_bot_delivers_to_a_channel(scene: Scene) -> None:
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1)
    held = scene.hold("chat.postMessage")
    delivering = asyncio.create_task(one.deliver(TO))
    await scene.wait_until_held()
    await one.enqueue(2)
    # It neither settles the other's message nor posts the next one before it.
    await other.deliver(TO)
    assert (scene.posted, other.pauses) == ([], [])
    held.released.set()
    await delivering
    await other.deliver(TO)
    assert scene.posted == ["1", "2"]


async def test_whoever_releases_a_channel_looks_once_more_what_is_due(scene: Scene) -> None:
    """Another bot's wake may have found the channel taken after its holder has looked for the last time."""
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1)
    locks = one.session_locks
    release = locks.release

    async def release_late(*name: str) -> None:
        if scene.posted == ["1"]:
            await one.enqueue(2)
            await other.deliver(TO)
            assert scene.posted == ["1"]
        await release(*name)

    locks.release = release_late  # type: ignore[method-assign]
    await one.deliver(TO)
    assert scene.posted == ["1", "2"]


async def test_a_wake_reaches_the_bot_that_delivers_to_the_channel(scene: Scene) -> None:
    """It may wait for the turn of an edit; what is new goes before that."""
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1)
    held = scene.hold("chat.postMessage")
    delivering = asyncio.create_task(one.deliver(TO))
    await scene.wait_until_held()
    news = one._news[TO]
    # A look at everything that is due is no news.
    await other.deliver(TO)
    other.wake(TO.key)
    await other.deliver(TO)
    await asyncio.wait_for(news.wait(), 30)
    held.released.set()
    await delivering


async def test_a_running_build_is_edited_by_one_bot_per_interval(scene: Scene) -> None:
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1, BuildState.RUNNING)
    assert not await other._progress.recipients()  # nothing runs that it could know of
    await one.deliver(TO)
    await until(lambda: other._progress.next_at)

    def edits() -> int:
        return sum(entry.title == "chat.update" for entry in scene.slack.request_log.entries)

    for minute, (editing, waiting) in enumerate([(one, other), (other, one)], start=1):
        one.now = other.now = NOON + timedelta(minutes=minute)
        assert await waiting._progress.recipients() == {TO}
        await editing.deliver(TO)
        async with asyncio.timeout(30):
            while await waiting._progress.recipients():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        await waiting.deliver(TO)
        assert edits() == minute


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_message_whose_sender_lost_the_channel_is_settled_twelve_seconds_after_the_takeover(
    scene: Scene, arrives: bool
) -> None:
    """The sender's call may still be under way, so the next holder must not look for the message too early."""
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1)
    await one.enqueue(2)
    held = scene.hold("chat.postMessage")
    delivering = asyncio.create_task(one.deliver(TO))
    await scene.wait_until_held()
    await scene.end_session(one)

    async def let_it_arrive() -> None:
        held.released.set()
        with pytest.raises(ChannelLost):
            await delivering

    async def break_off() -> None:
        delivering.cancel()

    other.instead = let_it_arrive if arrives else break_off
    other.timer.now += 5000  # since its start
    await other.deliver(TO)
    assert other.pauses == [12.0]
    assert scene.posted == ["1", "2"]
    assert await other.storage.outbox.depth() == 0
    if not arrives:
        await asyncio.gather(delivering, return_exceptions=True)


async def test_a_bot_settles_its_own_message_five_seconds_after_its_call(scene: Scene) -> None:
    bot = await scene.add_bot()
    await bot.enqueue(1)
    scene.slack.fault("chat.postMessage", "answer_lost")
    await bot.deliver(TO)
    # One second before it looks again, and the rest of the five since the call has ended.
    assert bot.pauses == [1.0, 4.0]
    assert scene.posted == ["1"]


async def test_a_call_that_takes_too_long_is_given_up(scene: Scene) -> None:
    bot = await scene.add_bot(RateLimits(call=0.3))
    await bot.enqueue(1)
    held = scene.hold("chat.postMessage")

    async def let_it_arrive() -> None:
        held.released.set()
        await until(lambda: scene.posted)

    bot.instead = let_it_arrive
    await asyncio.wait_for(bot.deliver(TO), 30)
    assert scene.posted == ["1"]
    assert bot.pauses == [1.0, 4.0]


@pytest.mark.parametrize("stored", [False, True])
async def test_nothing_is_posted_unless_the_lock_is_certainly_held(scene: Scene, stored: bool) -> None:
    """Neither is a message begun, nor one sent that was begun: the lock may get lost at any moment."""
    bot = await scene.add_bot()
    await bot.enqueue(1)
    outbox = bot.storage.outbox
    posted_since, begin = outbox.posted_since, outbox.begin

    async def wait_before(to: Recipient, since: datetime) -> int:
        bot.timer.now += VALID_SECONDS
        return await posted_since(to, since)

    async def wait_after(*arguments: Any, **options: Any) -> bool:
        result = await begin(*arguments, **options)
        bot.timer.now += VALID_SECONDS
        return result

    if stored:
        outbox.begin = wait_after  # type: ignore[method-assign]
    else:
        outbox.posted_since = wait_before  # type: ignore[method-assign]
    with pytest.raises(ChannelLost):
        await bot.deliver(TO)
    assert not [entry for entry in scene.slack.request_log.entries if entry.title == "chat.postMessage"]
    assert len(await bot.storage.slack_messages.sending(TO)) == stored
    outbox.posted_since, outbox.begin = posted_since, begin  # type: ignore[method-assign]
    # As the job does it: it is tried again, by whoever gets the channel.
    assert await bot.run_for(TO.key) is None
    assert scene.posted == ["1"]
    assert bot.pauses == ([12.0] if stored else [])


async def test_what_slack_says_to_a_bot_that_has_lost_the_channel_is_left_to_the_next(scene: Scene) -> None:
    """Only that a message was posted stays true, whatever the next one has done meanwhile."""
    one, other = await scene.add_bot(), await scene.add_bot()
    await one.enqueue(1)
    scene.slack.fault("chat.postMessage", "ratelimited")
    is_held, calls = one.session_locks.is_held, []

    def lose_after_the_call(*name: str) -> bool:
        calls.append(name)
        return is_held(*name) and len(calls) <= 2  # before the message is stored, and before it is sent

    one.session_locks.is_held = lose_after_the_call  # type: ignore[method-assign]
    with pytest.raises(ChannelLost):
        await one.deliver(TO)
    assert await one.storage.slack_messages.sending(TO) == {"bot-1-1"}
    await other.deliver(TO)
    assert (scene.posted, other.pauses) == (["1"], [12.0])
    # A bot that was paused meanwhile comes too late.
    await one.storage.outbox.mark_not_delivered("bot-2-1", "ratelimited")
    assert await other.storage.slack_messages.find("bot-2-1") is not None


@pytest.mark.parametrize("arrives", [True, False])
async def test_an_edit_that_another_bot_has_begun_is_waited_for(scene: Scene, arrives: bool) -> None:
    """Otherwise it could come after a newer one, and the message show an old state for ever."""
    one, other = await scene.add_bot(), await scene.add_bot(RateLimits(takeover=0.5))
    await one.enqueue(1)
    await one.deliver(TO)
    await one.storage.slack_messages.refresh("bot-1-1")
    held = scene.hold("chat.update")
    delivering = asyncio.create_task(one.deliver(TO))
    await scene.wait_until_held()
    await scene.end_session(one)

    def edits() -> int:
        return sum(entry.title == "chat.update" for entry in scene.slack.request_log.entries)

    edits_before_end: list[int] = []

    async def end() -> None:
        if edits_before_end:
            return
        edits_before_end.append(edits())
        if arrives:
            held.released.set()
            with pytest.raises(ChannelLost):
                await delivering
        else:
            delivering.cancel()

    other.instead = end
    await other.deliver(TO)
    assert edits_before_end == [1]
    assert edits() >= 2
    assert await other.storage.slack_messages.unfinished(TO) == []
    message = await other.storage.slack_messages.find("bot-1-1")
    assert message is not None
    assert message.edit_begun_at is None
    held.released.set()
    await asyncio.gather(delivering, return_exceptions=True)


async def test_a_bot_takes_no_more_channels_of_a_backlog_than_it_can_call_slack_for(scene: Scene) -> None:
    one, other = await scene.add_bot(RateLimits(calls=2)), await scene.add_bot()
    for number in range(1, 5):
        await one.storage.of("T1").subscriptions.add(
            channel=f"C{number}", app=ANDROID, terms=NotificationRule(), by="U1", at=NOON, baseline=Baseline()
        )
    await one.enqueue(1)
    woken = [await bot.run_once() for bot in (one, other)]
    assert woken == [1.0, None]
    assert [len(set(bot._schedule.due(NOON, 0.0))) for bot in (one, other)] == [2, 5]
