"""The dispatcher against the simulated Slack over real sockets, with a real outbox."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import time, timedelta
from typing import ClassVar

import pytest

from bot.manifest import manifest
from domain.audit_chain import ERASED
from domain.build import Build, BuildState, PipelineRef
from domain.log.failure import Failure
from domain.notification import NewNotification
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule, QuietHours
from domain.pipeline import Pipeline, PipelineWorkflow, Stage
from domain.poll_state import Baseline, PollSnapshot
from domain.provider import Provider
from domain.subscription import Scope
from providers.bitrise.provider import BITRISE
from sandbox.faults import Fault
from sandbox.slack.models import Post
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from services.jobs.engine import LocalEngine
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.message_key import MessageKind
from services.outbox.rate_limits import RateLimits
from services.outbox.renderer import render
from services.slack.web_client import SlackClient, create_slack_session
from storage.repositories import Repositories
from storage.session_locks import LocalSessionLocks
from storage.slack_messages import NewMessage, RunningMessage
from tests.support.factories import ANDROID, NOON, make_build, make_recipient, make_run
from tests.support.presentations import presentation_of
from tests.support.repositories import make_poll_recorder


class DispatcherHarness:
    def __init__(self, slack: SlackSimulator, repositories: Repositories, client: SlackClient) -> None:
        self.slack, self.storage = slack, repositories
        self.now = NOON
        slack.workspace.clock = lambda: self.now.timestamp()  # noqa: PLW0108 - `now` changes
        self.metrics = Metrics()
        self.client = client
        self.keys = itertools.count(1)
        self.engine = LocalEngine(clock=lambda: self.now)
        repositories.database.use_engine(self.engine.wake)
        self.dispatcher = self.make_dispatcher()

    def make_dispatcher(
        self,
        flood_limit: int = 60,
        is_current: Callable[[Provider], bool] = lambda _provider: True,
        bitrise_ahead: timedelta = timedelta(0),
    ) -> Dispatcher:
        return Dispatcher(
            lambda _team: self.client,
            self.storage,
            counts=self.metrics,
            clock=lambda: self.now,
            limits=RateLimits(flood=flood_limit, settling=0.3, takeover=0.3, rolling=0.01),
            new_key=lambda: f"parcel-{next(self.keys)}",
            presentation_of=presentation_of,
            is_current=is_current,
            provider_clocks={BITRISE: lambda: self.now + bitrise_ahead},
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the dispatcher in the background."""
        running = asyncio.create_task(self.engine.run(self.dispatcher))
        try:
            yield
        finally:
            self.dispatcher.stop()
            await running

    async def advance(self, seconds: float) -> None:
        """Advance the bot's clock, once all notifications are stored as delivered."""
        async with asyncio.timeout(30):
            while await self.storage.outbox.depth():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        self.now += timedelta(seconds=seconds)
        self.dispatcher.wake()

    async def wait_for_edit(self, post: Post, text: str) -> None:
        """Wait until the message contains this text."""
        await self.slack.workspace.wait_for(lambda: text in self.slack.message_text(post) or None, 30, text)

    @property
    def edits(self) -> int:
        return sum(entry.title == "chat.update" for entry in self.slack.request_log.entries)

    async def enqueue(
        self, *builds: Build, channel: str = "C0BUILDS", terms: NotificationRule = NotificationRule()
    ) -> None:
        if not await self.storage.of("T1").subscriptions.of_channel(channel):
            await self.storage.of("T1").subscriptions.add(
                channel=channel,
                app=ANDROID,
                terms=terms,
                by="U1",
                at=NOON,
                baseline=Baseline(),
            )
        recorder = make_poll_recorder(self.storage.database)
        await recorder.record(PollSnapshot(token="t", provider=BITRISE, builds=builds), at=self.now)

    async def wait_for_request(self) -> None:
        """Wait until a request has been sent that has no response yet."""
        requests = len(self.slack.request_log.entries)
        async with asyncio.timeout(30):
            while len(self.slack.request_log.entries) == requests:  # noqa: ASYNC110 - a request leaves no event here
                await asyncio.sleep(0.005)

    def first_lines(self, channel: str = "builds") -> list[str]:
        return [self.slack.message_text(post).split("\n")[0] for post in self.slack.posts(channel)]

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0


@pytest.fixture
async def harness(repositories: Repositories) -> AsyncIterator[DispatcherHarness]:
    slack = await SlackSimulator(manifest()).start()
    async with create_slack_session() as session:
        client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        yield DispatcherHarness(slack, repositories, client)
    await slack.close()


def line(number: int, result: str = "passed", symbol: str = "✅") -> str:
    return f"{symbol} {ANDROID.title} #{number} {result}"


def make_message(parcel: str) -> NewMessage:
    return NewMessage(parcel=parcel, team="T1", channel="C0BUILDS", subject="build 1 x")


async def test_notifications_are_posted_in_order_once_each(harness: DispatcherHarness) -> None:
    await harness.enqueue(make_build(2), make_build(1, BuildState.FAILED))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1, "failed", "❌"), line(2)]
    assert harness.count("buildbell_notifications_told_total") == 2
    assert await harness.storage.outbox.depth() == 0


async def test_a_large_backlog_is_one_message_and_so_is_an_old_one(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(*(make_build(number) for number in range(1, 13)))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == ["Delayed notifications: 12 builds"]
    await harness.enqueue(make_build(20), make_build(21))
    harness.now += timedelta(hours=2)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines()[1:] == ["Delayed notifications: 2 builds"]


async def test_a_lost_response_is_settled_by_reading_the_channel(
    harness: DispatcherHarness,
) -> None:
    harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    harness.slack.fault("chat.postMessage", "answer_lost")
    await harness.enqueue(make_build(1))
    task = asyncio.create_task(harness.dispatcher.deliver(make_recipient("C0BUILDS")))
    await harness.slack.wait_for_post("builds", "#1 passed")
    harness.now += timedelta(seconds=10)
    await task
    assert harness.first_lines() == [line(1)]
    assert (
        harness.metrics.registry.get_sample_value("buildbell_doubts_settled_total", {"outcome": "found"}) == 1
    )


async def test_a_message_is_posted_again_if_the_channel_cannot_be_read(
    harness: DispatcherHarness,
) -> None:
    harness.slack.fault("chat.postMessage", "answer_lost")
    await harness.enqueue(make_build(1))
    due = await harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    await harness.storage.outbox.begin(due, make_message("lost"), NOON)
    harness.slack.api.faults.clear()
    harness.now += timedelta(minutes=1)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1)]
    unreadable = harness.metrics.registry.get_sample_value(
        "buildbell_doubts_settled_total", {"outcome": "unreadable"}
    )
    assert unreadable == 1


async def test_a_new_process_continues_after_a_kill_before_the_response(
    harness: DispatcherHarness,
) -> None:
    """The process was killed after Slack had the message: the next process finds it and posts nothing again."""
    harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    await harness.enqueue(make_build(1))
    due = await harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    await harness.storage.outbox.begin(due, make_message("from-before"), NOON)
    client = SlackClient(token=BOT_TOKEN, base_url=harness.slack.api_url)
    message = render(MessageKind.BUILD, due, now=NOON, flood_limit=60, presentation_of=presentation_of)
    metadata = {"event_type": "buildbell_parcel", "event_payload": {"parcel": "from-before"}}
    await client.chat_postMessage(
        channel="C0BUILDS", text=message.text, blocks=message.blocks, metadata=metadata
    )
    harness.now += timedelta(minutes=1)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1)]


async def test_a_closed_channel_stops_only_its_own_subscriptions(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1))
    harness.slack.workspace.find_channel("builds").archived = True
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    [subscription] = await harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"
    assert await harness.storage.outbox.depth() == 0
    assert harness.count("buildbell_notifications_dropped_total") == 1


async def test_an_erased_creator_is_not_notified_of_a_closed_channel(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1))
    await harness.storage.database.write(
        lambda db: db.execute("UPDATE subscriptions SET created_by = ?", [ERASED])
    )
    harness.slack.workspace.find_channel("builds").archived = True
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert await harness.storage.outbox.recipients(NOON) == []
    [subscription] = await harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"


async def test_a_message_that_slack_refuses_is_sent_plain(harness: DispatcherHarness) -> None:
    await harness.enqueue(make_build(1))
    harness.slack.fault("chat.postMessage", "error", words="invalid_blocks")
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    [post] = harness.slack.posts("builds")
    assert post.blocks == []
    assert "#1 passed" in post.text


class OneBotsLocks(LocalSessionLocks):
    """The locks of one bot among several, of which each is acquired at the time of `timer`."""

    is_alone = False

    def __init__(self, timer: Callable[[], float]) -> None:
        super().__init__(timer=timer)
        self.timer = timer

    async def acquire(self, *name: str) -> float | None:
        return None if await super().acquire(*name) is None else self.timer()


@pytest.mark.parametrize(("locks", "pauses"), [(LocalSessionLocks, [3.0]), (OneBotsLocks, [12.0, 12.0])])
async def test_a_message_of_another_process_is_looked_for_once_the_channel_was_taken_over_for_a_while(
    harness: DispatcherHarness, locks: Callable[..., LocalSessionLocks], pauses: list[float]
) -> None:
    """Another bot may have sent it until it lost the channel; a bot alone knows that nobody has since its start."""

    class WatchedDispatcher(Dispatcher):
        pauses: ClassVar[list[float]] = []

        async def pause(self, seconds: float) -> None:
            self.pauses.append(seconds)
            seconds_passed[0] += seconds

    seconds_passed = [1000.0]
    dispatcher = WatchedDispatcher(
        lambda _team: harness.client,
        harness.storage,
        counts=harness.metrics,
        clock=lambda: harness.now,
        new_key=lambda: f"parcel-{next(harness.keys)}",
        presentation_of=presentation_of,
        locks=locks(timer=lambda: seconds_passed[0]),
        timer=lambda: seconds_passed[0],
    )
    recipient = make_recipient("C0BUILDS")
    for number in (1, 2):
        await harness.enqueue(make_build(number))
        due = await harness.storage.outbox.due(recipient, 1, harness.now)
        lost = NewMessage(
            parcel=f"lost-{number}", team="T1", channel="C0BUILDS", subject=f"build {due[0].build.slug}"
        )
        assert await harness.storage.outbox.begin(due, lost, harness.now)
        seconds_passed[0] += 2  # since the start, and since the last delivery
        await dispatcher.deliver(recipient)
    assert harness.first_lines() == [line(1), line(2)]
    assert [seconds for seconds in dispatcher.pauses if seconds] == pauses


async def test_an_error_in_one_channel_does_not_delay_others(harness: DispatcherHarness) -> None:
    await harness.enqueue(make_build(1))
    harness.slack.fault("chat.postMessage", "ratelimited", seconds=300)
    limited = asyncio.create_task(harness.wait_for_request())
    async with harness.running():
        await limited
        await harness.enqueue(make_build(2), channel="C0RANDOM")
        await harness.slack.wait_for_post("random", "#2 passed")
    assert harness.first_lines() == []


async def test_a_removed_subscription_gets_no_notifications(harness: DispatcherHarness) -> None:
    await harness.enqueue(make_build(1))
    [subscription] = await harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    await harness.storage.of("T1").subscriptions.remove(subscription)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == []


UTC_AT_NINE = time(9)


async def test_a_daily_digest_comes_at_its_hour_with_everything_since(
    harness: DispatcherHarness,
) -> None:
    terms = NotificationRule(style=DeliveryStyle.DAILY, at=UTC_AT_NINE)
    await harness.enqueue(make_build(1), make_build(2, BuildState.FAILED), terms=terms)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == []
    harness.now = NOON + timedelta(hours=12)
    await harness.enqueue(make_build(3))
    assert await harness.storage.outbox.next_due(harness.now) == NOON + timedelta(hours=21)
    harness.now = NOON + timedelta(hours=21)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    [post] = harness.slack.posts("builds")
    text = harness.slack.message_text(post)
    assert text.startswith("Daily summary: 3 builds\n✅ 2 · ❌ 1")
    assert [f"#{number} " in text for number in (1, 2, 3)] == [True] * 3


async def test_quiet_hours_collect_only_what_happens_in_them(
    harness: DispatcherHarness,
) -> None:
    terms = NotificationRule(quiet=QuietHours(start=time(22), end=time(7)))
    await harness.enqueue(make_build(1), terms=terms)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1)]
    harness.now = NOON + timedelta(hours=11)
    await harness.enqueue(make_build(2), make_build(3))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1)]
    harness.now = NOON + timedelta(hours=19)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines()[1:] == ["2 builds during quiet hours (22:00–07:00)"]


async def test_the_dispatcher_wakes_by_itself_when_a_notification_is_due(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1), terms=NotificationRule(style=DeliveryStyle.DAILY, at=UTC_AT_NINE))
    harness.now = NOON + timedelta(hours=21, seconds=-0.2)
    running = asyncio.create_task(harness.dispatcher.run())
    due = asyncio.get_running_loop().call_later(0.1, setattr, harness, "now", NOON + timedelta(hours=22))
    await harness.slack.wait_for_post("builds", "Daily summary")
    due.cancel()
    harness.dispatcher.stop()
    await running


async def test_a_long_backlog_is_one_message_in_the_channel_and_continues_in_its_thread(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(*(make_build(number) for number in range(1, 46)))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    head, *more = harness.slack.posts("builds")
    assert [post.thread_ts for post in more] == [head.ts] * 2
    text = "\n".join(harness.slack.message_text(post) for post in (head, *more))
    assert [text.count(f"#{number} passed") for number in range(1, 46)] == [1] * 45


async def test_a_lost_response_in_a_thread_is_settled_too(harness: DispatcherHarness) -> None:
    harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    await harness.enqueue(*(make_build(number) for number in range(1, 31)))
    due = await harness.storage.outbox.due(make_recipient("C0BUILDS"), 20, NOON)
    assert len(due) == 20
    # the response to the second message, a reply, gets lost
    harness.slack.api.faults.add(Fault("chat.postMessage", "slow", seconds=0))
    harness.slack.fault("chat.postMessage", "answer_lost")
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert len(harness.slack.posts("builds")) == 2
    found = {"outcome": "found"}
    assert harness.metrics.registry.get_sample_value("buildbell_doubts_settled_total", found) == 1


async def test_age_and_lag_do_not_count_the_time_for_which_a_notification_was_deferred(
    harness: DispatcherHarness,
) -> None:
    outbox, recipient = harness.storage.outbox, make_recipient("C0BUILDS")
    await harness.enqueue(make_build(1))
    assert await outbox.oldest_due(harness.now) == NOON
    evening = NOON + timedelta(hours=8)
    await outbox.defer(await outbox.due(recipient, 1, NOON), evening)
    assert await outbox.oldest_due(harness.now) is None
    harness.now = evening + timedelta(seconds=4)
    assert await outbox.oldest_due(harness.now) == evening
    await harness.dispatcher.deliver(recipient)
    assert harness.count("buildbell_notification_lag_seconds_count") == 1
    assert harness.count("buildbell_notification_lag_seconds_sum") == 4
    assert await outbox.oldest_due(harness.now) is None

    # Somebody has ended the snooze.
    await harness.enqueue(make_build(2))
    tomorrow = harness.now + timedelta(hours=16)
    await outbox.defer(await outbox.due(recipient, 1, harness.now), tomorrow)
    harness.now += timedelta(hours=1)
    await outbox.release(recipient, tomorrow)
    await harness.dispatcher.deliver(recipient)
    assert harness.count("buildbell_notifications_told_total") == 2
    assert harness.count("buildbell_notification_lag_seconds_count") == 1


async def test_a_flood_becomes_one_growing_message_that_says_so(
    harness: DispatcherHarness,
) -> None:
    harness.dispatcher = harness.make_dispatcher(flood_limit=3)
    for number in range(1, 7):
        await harness.enqueue(make_build(number))
        await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    texts = [harness.slack.message_text(post) for post in harness.slack.posts("builds")]
    assert [text.split("\n")[0] for text in texts[:3]] == [line(1), line(2), line(3)]
    assert len(texts) == 4
    assert "More than 3 messages in an hour:" in texts[3]
    assert [f"#{number} passed" in texts[3] for number in (4, 5, 6)] == [True] * 3
    harness.now += timedelta(hours=2)
    await harness.enqueue(make_build(200))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines()[4:] == [line(200)]


async def test_an_edit_whose_response_was_lost_is_repeated(harness: DispatcherHarness) -> None:
    await harness.enqueue(make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    harness.slack.fault("chat.update", "answer_lost")
    await harness.enqueue(make_build(1))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines() == [line(1)]
    assert await harness.storage.outbox.depth() == 0


async def test_an_analysis_that_ends_while_a_message_is_being_sent_is_added_to_it(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1, BuildState.FAILED))
    pending = await harness.storage.failure_analyses.next(BITRISE)
    assert pending is not None
    harness.slack.fault("chat.postMessage", "slow", seconds=0.2)
    task = asyncio.create_task(harness.dispatcher.deliver(make_recipient("C0BUILDS")))
    await harness.wait_for_request()
    await harness.storage.failure_analyses.conclude(pending, Failure(step="gradle", lines=("boom",)))
    await task
    [post] = harness.slack.posts("builds")
    assert "Failed in `gradle`" in harness.slack.message_text(post)


async def test_an_analysis_that_ends_while_a_message_is_being_rendered_is_added_to_it(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1, BuildState.FAILED))
    due = await harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    pending = await harness.storage.failure_analyses.next(BITRISE)
    assert pending is not None
    await harness.storage.failure_analyses.conclude(pending, Failure(step="gradle", lines=("boom",)))
    await harness.storage.outbox.begin(due, make_message("made-before"), NOON)
    await harness.storage.outbox.mark_delivered("made-before", "1.0")
    [message] = await harness.storage.slack_messages.unfinished(make_recipient("C0BUILDS"))
    assert message.stale == 1


async def test_a_button_press_during_a_cards_edit_is_not_lost(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1, BuildState.FAILED), terms=NotificationRule(style=DeliveryStyle.CARD))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    [post] = harness.slack.posts("builds")
    card = await harness.storage.slack_messages.find_by_ts(make_recipient("C0BUILDS"), post.ts)
    assert card is not None
    harness.slack.fault("chat.update", "slow", seconds=0.2)
    await harness.enqueue(make_build(2, BuildState.FAILED))
    task = asyncio.create_task(harness.dispatcher.deliver(make_recipient("C0BUILDS")))
    await harness.wait_for_request()
    await harness.storage.slack_messages.update_card(card.parcel, {"claimed_by": "U0ANNA"})
    await task
    text = harness.slack.message_text(post)
    assert "2 builds failed in a row" in text
    assert "@anna is on it" in text


async def test_a_refused_edit_becomes_a_new_message_and_stops_no_subscription(
    harness: DispatcherHarness,
) -> None:
    await harness.enqueue(make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    harness.slack.fault("chat.update", "error", words="not_in_channel")
    await harness.enqueue(make_build(1))
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    assert harness.first_lines()[1:] == [line(1)]
    [subscription] = await harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped is None


async def test_thread_replies_do_not_count_as_a_flood(harness: DispatcherHarness) -> None:
    harness.dispatcher = harness.make_dispatcher(flood_limit=3)
    for number in range(1, 6):
        await harness.enqueue(make_build(number), terms=NotificationRule(style=DeliveryStyle.THREAD))
        await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    head, *replies = harness.slack.posts("builds")
    assert [post.thread_ts for post in replies] == [head.ts] * 5


async def test_a_reply_a_while_after_its_thread_began_is_posted_once_the_head_is_known_to_exist(
    harness: DispatcherHarness,
) -> None:
    terms = NotificationRule(style=DeliveryStyle.THREAD)
    await harness.enqueue(make_build(1), terms=terms)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    harness.now += timedelta(minutes=5)
    await harness.enqueue(make_build(2), terms=terms)
    await harness.dispatcher.deliver(make_recipient("C0BUILDS"))
    head, *replies = harness.slack.posts("builds")
    assert [post.thread_ts for post in replies] == [head.ts] * 2
    assert "#2 passed" in harness.slack.message_text(replies[-1])


async def test_a_message_about_a_running_build_is_edited_every_thirty_seconds_until_it_ends(
    harness: DispatcherHarness,
) -> None:
    harness.now = NOON + timedelta(minutes=2)
    async with harness.running():
        await harness.enqueue(
            make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE)
        )
        live = await harness.slack.wait_for_post("builds", "as of 12:02:00 UTC")
        warned = NotificationRule(running_over=timedelta(minutes=1))
        await harness.enqueue(make_build(2, BuildState.RUNNING), channel="C0RANDOM", terms=warned)
        [subscription] = await harness.storage.of("T1").subscriptions.of_channel("C0RANDOM")
        await make_poll_recorder(harness.storage.database).enqueue(
            [
                NewNotification(
                    subscription_id=subscription.id,
                    team="T1",
                    channel="C0RANDOM",
                    provider=BITRISE,
                    build_slug=make_build(2).slug,
                    event=BuildEvent.RUNNING_TOO_LONG,
                )
            ],
            at=harness.now,
        )
        long = await harness.slack.wait_for_post("random", "has been running for a long time")
        second = await harness.slack.wait_for_post("builds", "#2 is running")
        for at in ("12:02:30", "12:03:00"):
            await harness.advance(30)
            for post in (live, long, second):
                await harness.wait_for_edit(post, f"as of {at} UTC")
        before = harness.edits
        await harness.advance(20)
        await harness.enqueue(make_build(1), make_build(2))
        await harness.wait_for_edit(live, "#1 passed")
        # Its outdated text is corrected, but it does not announce the build's end a second time.
        await harness.wait_for_edit(long, "ran for a long time")
        await harness.wait_for_edit(second, "#2 passed")
        assert "#2 passed" in harness.slack.message_text(long)
        ended = await harness.slack.wait_for_post("random", "#2 passed", after=long)
        assert "as of" not in "".join(map(harness.slack.message_text, (live, long, ended)))
        assert harness.edits == before + 3
        await harness.advance(600)
        await harness.enqueue(make_build(3), channel="C0RANDOM")
        await harness.slack.wait_for_post("random", "#3 passed")
        assert harness.edits == before + 3


async def test_a_pipeline_shows_progress_even_while_none_of_its_builds_runs(
    harness: DispatcherHarness,
) -> None:
    ref = PipelineRef(id="p1", attempt=1)
    build = make_build(1, BuildState.FAILED, pipeline=ref)
    ended = PipelineWorkflow(name="unit", state=BuildState.FAILED, build_slug=build.slug)
    waits = PipelineWorkflow(name="deploy", state=BuildState.ON_HOLD)
    pipeline = Pipeline(
        provider=BITRISE,
        app_slug=ANDROID.slug,
        id="p1",
        name="train",
        state=BuildState.RUNNING,
        triggered_at=NOON,
        started_at=NOON,
        stages=(Stage(name="all", workflows=(ended, waits)),),
        url="https://app.bitrise.io/p1",
    )
    await harness.enqueue()
    recorder = make_poll_recorder(harness.storage.database)
    async with harness.running():
        await recorder.record(
            PollSnapshot(token="t", provider=BITRISE, builds=(build,), pipelines=(pipeline,)),
            at=harness.now,
        )
        card = await harness.slack.wait_for_post("builds", "train")
        await harness.advance(30)
        await harness.wait_for_edit(card, "running for 30s, as of 12:00:30 UTC")


async def test_a_message_that_is_posted_while_running_ones_are_read_shows_progress(
    harness: DispatcherHarness,
) -> None:
    messages = harness.storage.slack_messages
    read, is_read, go_on = messages.running, asyncio.Event(), asyncio.Event()

    async def read_slowly() -> list[RunningMessage]:
        running = await read()
        if not is_read.is_set():
            is_read.set()
            await go_on.wait()
        return running

    messages.running = read_slowly  # type: ignore[method-assign]
    async with harness.running():
        await asyncio.wait_for(is_read.wait(), 30)
        try:
            await harness.enqueue(
                make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE)
            )
            live = await harness.slack.wait_for_post("builds", "as of 12:00:00 UTC")
            async with asyncio.timeout(30):
                while await harness.storage.outbox.depth():  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.01)
        finally:
            go_on.set()
        for _ in range(2):  # it is read again after five seconds, and due after thirty
            await harness.advance(15)
        await harness.wait_for_edit(live, "as of 12:00:30 UTC")


async def test_the_progress_interval_depends_on_the_providers_clock_and_the_attempts_start(
    harness: DispatcherHarness,
) -> None:
    behind = timedelta(hours=-12)
    harness.dispatcher = harness.make_dispatcher(bitrise_ahead=behind)
    build = make_build(1, BuildState.RUNNING, triggered_at=NOON + behind, started_at=NOON + behind)
    again = make_build(2, BuildState.FAILED, pipeline=PipelineRef(id="p1", attempt=2))
    ended = PipelineWorkflow(name="unit", state=BuildState.FAILED, build_slug=again.slug)
    pipeline = Pipeline(
        provider=BITRISE,
        app_slug=ANDROID.slug,
        id="p1",
        name="train",
        state=BuildState.RUNNING,
        attempt=2,
        triggered_at=NOON - timedelta(days=2),
        started_at=NOON - timedelta(days=2),
        attempt_triggered_at=NOON + behind,
        stages=(Stage(name="all", workflows=(ended,)),),
        url="https://app.bitrise.io/p1",
    )
    await harness.enqueue(terms=NotificationRule(style=DeliveryStyle.LIVE))
    recorder = make_poll_recorder(harness.storage.database)
    async with harness.running():
        snapshot = PollSnapshot(token="t", provider=BITRISE, builds=(build, again), pipelines=(pipeline,))
        await recorder.record(snapshot, at=harness.now)
        live = await harness.slack.wait_for_post("builds", "#1 is running")
        card = await harness.slack.wait_for_post("builds", "train")
        await harness.advance(30)
        await harness.wait_for_edit(live, "as of 00:00:30 UTC")
        await harness.wait_for_edit(card, "running for 30s, as of 00:00:30 UTC")


async def test_a_started_run_shows_progress_however_late_it_is_polled(
    harness: DispatcherHarness,
) -> None:
    run = make_run(make_build(1))
    async with harness.running():
        await harness.storage.of("T1").subscriptions.follow(
            run, channel="C0BUILDS", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
        )
        post = await harness.slack.wait_for_post("builds", "anna started it")
        # The check soon after the post finds nothing running yet.
        await harness.advance(30)
        async with asyncio.timeout(30):
            while harness.dispatcher._progress.next_at is not None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        recorder = make_poll_recorder(harness.storage.database)
        running = make_build(1, BuildState.RUNNING)
        await recorder.record(PollSnapshot(token="t", provider=BITRISE, builds=(running,)), at=harness.now)
        await harness.wait_for_edit(post, "#1 is running")
        await harness.advance(10)
        await harness.advance(30)
        await harness.wait_for_edit(post, "as of 12:01:10 UTC")


async def test_a_card_is_updated_when_its_snooze_ends(
    harness: DispatcherHarness,
) -> None:
    async with harness.running():
        await harness.enqueue(
            make_build(1, BuildState.FAILED), terms=NotificationRule(style=DeliveryStyle.CARD)
        )
        post = await harness.slack.wait_for_post("builds", "Snooze")
        await harness.advance(0)
        card = await harness.storage.slack_messages.find_by_ts(make_recipient("C0BUILDS"), post.ts)
        assert card is not None
        await harness.storage.slack_messages.update_card(
            card.parcel,
            {
                "claimed_by": "U0ANNA",
                "snoozed_by": "U0ANNA",
                "snoozed_until": harness.now + timedelta(hours=1),
            },
        )
        await harness.wait_for_edit(post, "End snooze")
        await harness.advance(3599)
        await harness.advance(1)
        await harness.slack.workspace.wait_for(
            lambda: "End snooze" not in harness.slack.message_text(post) or None,
            30,
            "the snooze's end",
        )
        assert "is on it" in harness.slack.message_text(post)
        assert "Snooze" in harness.slack.message_text(post)


async def test_no_progress_is_shown_during_an_outage_or_in_deleted_messages(
    harness: DispatcherHarness,
) -> None:
    seen = True
    harness.dispatcher = harness.make_dispatcher(is_current=lambda _provider: seen)
    harness.now = NOON + timedelta(minutes=2)
    async with harness.running():
        await harness.enqueue(
            make_build(1, BuildState.RUNNING),
            make_build(2, BuildState.RUNNING),
            terms=NotificationRule(style=DeliveryStyle.LIVE),
        )
        first = await harness.slack.wait_for_post("builds", "#1 is running")
        second = await harness.slack.wait_for_post("builds", "#2 is running")
        seen = False
        await harness.advance(30)
        await harness.enqueue(make_build(4))
        await harness.slack.wait_for_post("builds", "#4 passed")
        assert harness.edits == 0
        seen = True
        harness.slack.workspace.remove(harness.slack.workspace.find_channel("builds"), first)
        await harness.advance(30)
        await harness.wait_for_edit(second, "as of 12:03:00 UTC")
        async with asyncio.timeout(30):
            while len(await harness.storage.slack_messages.running()) > 1:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        before = harness.edits
        await harness.advance(30)
        await harness.wait_for_edit(second, "as of 12:03:30 UTC")
        assert harness.edits == before + 1
        assert len(harness.slack.posts("builds")) == 2


async def test_a_state_change_goes_before_excerpts_and_progress_even_in_its_own_channel(
    harness: DispatcherHarness,
) -> None:
    """There are more log excerpts than Slack accepts edits in a minute; a build's end does not wait behind them."""
    channels = [harness.slack.workspace.add_channel(f"team-{number}") for number in range(45)]
    last = channels[-1]
    harness.now = NOON + timedelta(minutes=2)
    async with harness.running():
        await harness.enqueue(
            make_build(1, BuildState.RUNNING),
            channel=last.id,
            terms=NotificationRule(style=DeliveryStyle.LIVE),
        )
        live = await harness.slack.wait_for_post(last.id, "#1 is running")
        for channel in channels[:-1]:
            await harness.enqueue(channel=channel.id)
        await harness.enqueue(make_build(2, BuildState.FAILED))
        for channel in channels:
            await harness.slack.wait_for_post(channel.id, "#2 failed")
        pending = await harness.storage.failure_analyses.next(BITRISE)
        assert pending is not None
        await harness.storage.failure_analyses.conclude(pending, Failure(step="gradle", lines=("boom",)))
        await harness.advance(30)

        def excerpts() -> int:
            channel_texts = (
                map(harness.slack.message_text, harness.slack.posts(channel.id)) for channel in channels
            )
            return sum("boom" in "".join(texts) for texts in channel_texts)

        await harness.slack.workspace.wait_for(lambda: excerpts() > 20 or None, 30, "excerpts")
        await harness.enqueue(make_build(1))
        await harness.wait_for_edit(live, "#1 passed")
        assert excerpts() < len(channels)
