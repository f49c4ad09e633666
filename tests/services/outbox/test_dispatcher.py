"""The relay against the simulated Slack over real sockets, from a real outbox."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import time, timedelta

import pytest

from bot.manifest import manifest
from bot.slack.http_session import create_slack_session
from domain.audit_log import ERASED
from domain.build import Build, BuildState, PipelineRef
from domain.build_filter import BuildFilter
from domain.log.failure import Failure
from domain.message import Message
from domain.message_state import CardState, RunNote
from domain.notification import NewNotification
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule, QuietHours
from domain.pipeline import Pipeline, PipelineWorkflow, Stage
from domain.poll_state import Baseline, PollSnapshot
from domain.provider import Provider
from domain.subscription import Scope
from sandbox.faults import Fault
from sandbox.slack.models import Post
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.message_key import MessageKind, build_run_key
from services.outbox.rate_limits import RateLimits
from services.outbox.renderer import render
from services.slack.web_client import SlackClient
from storage.repositories import Repositories
from storage.slack_messages import NewMessage
from storage.workspace_subscriptions import StartedRun
from tests.support.factories import ANDROID, NOON, make_build, make_recipient
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
        self.relay = self.new_relay()

    def new_relay(
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
            limits=RateLimits(flood=flood_limit, settling=0.3, rolling=0.01),
            new_key=lambda: f"parcel-{next(self.keys)}",
            presentation_of=presentation_of,
            is_current=is_current,
            provider_clocks={Provider.BITRISE: lambda: self.now + bitrise_ahead},
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The relay, going on by itself."""
        running = asyncio.create_task(self.relay.run())
        try:
            yield
        finally:
            self.relay.stop()
            await running

    async def go_on(self, seconds: float) -> None:
        """Let time pass for the bot, once it has noted that all was told."""
        async with asyncio.timeout(30):
            while await self.storage.outbox.depth():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        self.now += timedelta(seconds=seconds)
        self.relay.wake()

    async def edited(self, post: Post, text: str) -> None:
        """Wait until the message says this."""
        await self.slack.workspace.wait_for(lambda: text in self.slack.message_text(post) or None, 30, text)

    @property
    def edits(self) -> int:
        return sum(one.title == "chat.update" for one in self.slack.request_log.entries)

    async def owe(
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
        await recorder.record(PollSnapshot(token="t", provider=Provider.BITRISE, builds=builds), at=self.now)

    async def sent(self) -> None:
        """Wait until a request has left that has no answer yet."""
        asked = len(self.slack.request_log.entries)
        async with asyncio.timeout(30):
            while len(self.slack.request_log.entries) == asked:  # noqa: ASYNC110 - a request leaves no event here
                await asyncio.sleep(0.005)

    def shown(self, channel: str = "builds") -> list[str]:
        return [self.slack.message_text(post).split("\n")[0] for post in self.slack.posts(channel)]

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0


@pytest.fixture
async def dispatcher_harness(repositories: Repositories) -> AsyncIterator[DispatcherHarness]:
    slack = await SlackSimulator(manifest()).start()
    async with create_slack_session() as session:
        client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        yield DispatcherHarness(slack, repositories, client)
    await slack.close()


def line(number: int, result: str = "succeeded", symbol: str = "✅") -> str:
    return f"{symbol} {ANDROID.title} #{number} {result}"


def a_message(parcel: str) -> NewMessage:
    return NewMessage(parcel=parcel, team="T1", channel="C0BUILDS", subject="build 1 x")


async def test_what_is_owed_is_posted_in_order_once_each(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(make_build(2), make_build(1, BuildState.FAILED))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1, "failed", "❌"), line(2)]
    assert dispatcher_harness.count("buildbell_notifications_told_total") == 2
    assert await dispatcher_harness.storage.outbox.depth() == 0


async def test_a_large_backlog_is_one_message_and_so_is_an_old_one(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(*(make_build(number) for number in range(1, 13)))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == ["12 builds ended while I could not tell you"]
    await dispatcher_harness.owe(make_build(20), make_build(21))
    dispatcher_harness.now += timedelta(hours=2)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown()[1:] == ["2 builds ended while I could not tell you"]


async def test_a_lost_answer_is_settled_by_reading_back(dispatcher_harness: DispatcherHarness) -> None:
    dispatcher_harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    dispatcher_harness.slack.fault("chat.postMessage", "answer_lost")
    await dispatcher_harness.owe(make_build(1))
    task = asyncio.create_task(dispatcher_harness.relay.deliver(make_recipient("C0BUILDS")))
    await dispatcher_harness.slack.wait_for_post("builds", "#1 succeeded")
    dispatcher_harness.now += timedelta(seconds=10)
    await task
    assert dispatcher_harness.shown() == [line(1)]
    assert (
        dispatcher_harness.metrics.registry.get_sample_value(
            "buildbell_doubts_settled_total", {"outcome": "found"}
        )
        == 1
    )


async def test_where_nothing_can_be_read_back_twice_beats_never(
    dispatcher_harness: DispatcherHarness,
) -> None:
    dispatcher_harness.slack.fault("chat.postMessage", "answer_lost")
    await dispatcher_harness.owe(make_build(1))
    due = await dispatcher_harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    await dispatcher_harness.storage.outbox.begin(due, a_message("lost"), NOON)
    dispatcher_harness.slack.api.faults.clear()
    dispatcher_harness.now += timedelta(minutes=1)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1)]
    unreadable = dispatcher_harness.metrics.registry.get_sample_value(
        "buildbell_doubts_settled_total", {"outcome": "unreadable"}
    )
    assert unreadable == 1


async def test_a_process_that_died_before_its_answer_is_taken_up_where_it_was(
    dispatcher_harness: DispatcherHarness,
) -> None:
    """Killed after Slack took the message: the next process finds it and posts nothing again."""
    dispatcher_harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    await dispatcher_harness.owe(make_build(1))
    due = await dispatcher_harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    await dispatcher_harness.storage.outbox.begin(due, a_message("from-before"), NOON)
    client = SlackClient(token=BOT_TOKEN, base_url=dispatcher_harness.slack.api_url)
    message = render(MessageKind.BUILD, due, now=NOON, flood_limit=60, presentation_of=presentation_of)
    metadata = {"event_type": "buildbell_parcel", "event_payload": {"parcel": "from-before"}}
    await client.chat_postMessage(
        channel="C0BUILDS", text=message.text, blocks=message.blocks, metadata=metadata
    )
    dispatcher_harness.now += timedelta(minutes=1)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1)]


async def test_a_closed_channel_stops_its_subscriptions_and_no_other(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(make_build(1))
    dispatcher_harness.slack.workspace.find_channel("builds").archived = True
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    [subscription] = await dispatcher_harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"
    assert await dispatcher_harness.storage.outbox.depth() == 0
    assert dispatcher_harness.count("buildbell_notifications_dropped_total") == 1


async def test_nobody_hears_of_a_closed_channel_for_somebody_who_was_erased(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(make_build(1))
    await dispatcher_harness.storage.database.write(
        lambda db: db.execute("UPDATE subscriptions SET created_by = ?", [ERASED])
    )
    dispatcher_harness.slack.workspace.find_channel("builds").archived = True
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert await dispatcher_harness.storage.outbox.recipients(NOON) == []
    [subscription] = await dispatcher_harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"


async def test_a_message_that_slack_refuses_is_sent_plain(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(make_build(1))
    dispatcher_harness.slack.fault("chat.postMessage", "error", words="invalid_blocks")
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    [post] = dispatcher_harness.slack.posts("builds")
    assert post.blocks == []
    assert "#1 succeeded" in post.text


async def test_one_channels_trouble_holds_up_no_other(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(make_build(1))
    await dispatcher_harness.owe(make_build(2), channel="C0RANDOM")
    dispatcher_harness.slack.fault("chat.postMessage", "ratelimited", seconds=30)
    running = asyncio.create_task(dispatcher_harness.relay.run())
    await dispatcher_harness.slack.wait_for_post("random", "#2 succeeded")
    dispatcher_harness.relay.stop()
    await running


async def test_an_ended_subscription_is_owed_nothing(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(make_build(1))
    [subscription] = await dispatcher_harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    await dispatcher_harness.storage.of("T1").subscriptions.remove(subscription)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == []


UTC_AT_NINE = time(9)


async def test_a_daily_digest_comes_at_its_hour_with_everything_since(
    dispatcher_harness: DispatcherHarness,
) -> None:
    terms = NotificationRule(style=DeliveryStyle.DAILY, at=UTC_AT_NINE)
    await dispatcher_harness.owe(make_build(1), make_build(2, BuildState.FAILED), terms=terms)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == []
    dispatcher_harness.now = NOON + timedelta(hours=12)
    await dispatcher_harness.owe(make_build(3))
    assert await dispatcher_harness.storage.outbox.next_due(dispatcher_harness.now) == NOON + timedelta(
        hours=21
    )
    dispatcher_harness.now = NOON + timedelta(hours=21)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    [post] = dispatcher_harness.slack.posts("builds")
    said = dispatcher_harness.slack.message_text(post)
    assert said.startswith("The day's builds: 3 builds\n✅ 2 · ❌ 1")
    assert [f"#{number} " in said for number in (1, 2, 3)] == [True] * 3


async def test_quiet_hours_gather_what_happens_in_them_and_nothing_else(
    dispatcher_harness: DispatcherHarness,
) -> None:
    terms = NotificationRule(quiet=QuietHours(start=time(22), end=time(7)))
    await dispatcher_harness.owe(make_build(1), terms=terms)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1)]
    dispatcher_harness.now = NOON + timedelta(hours=11)
    await dispatcher_harness.owe(make_build(2), make_build(3))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1)]
    dispatcher_harness.now = NOON + timedelta(hours=19)
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown()[1:] == ["2 builds during the quiet hours (22:00 to 07:00)"]


async def test_the_relay_wakes_by_itself_when_something_is_due(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(
        make_build(1), terms=NotificationRule(style=DeliveryStyle.DAILY, at=UTC_AT_NINE)
    )
    dispatcher_harness.now = NOON + timedelta(hours=21, seconds=-0.2)
    running = asyncio.create_task(dispatcher_harness.relay.run())
    due = asyncio.get_running_loop().call_later(
        0.1, setattr, dispatcher_harness, "now", NOON + timedelta(hours=22)
    )
    await dispatcher_harness.slack.wait_for_post("builds", "The day's builds")
    due.cancel()
    dispatcher_harness.relay.stop()
    await running


async def test_a_long_backlog_is_one_message_in_the_channel_and_goes_on_in_its_thread(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(*(make_build(number) for number in range(1, 46)))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    head, *more = dispatcher_harness.slack.posts("builds")
    assert [post.thread_ts for post in more] == [head.ts] * 2
    shown = "\n".join(dispatcher_harness.slack.message_text(post) for post in (head, *more))
    assert [shown.count(f"#{number} succeeded") for number in range(1, 46)] == [1] * 45


async def test_a_lost_answer_in_a_thread_is_found_again(dispatcher_harness: DispatcherHarness) -> None:
    dispatcher_harness.slack.workspace.find_channel("builds").members.add("U0BUILDBELL")
    await dispatcher_harness.owe(*(make_build(number) for number in range(1, 31)))
    due = await dispatcher_harness.storage.outbox.due(make_recipient("C0BUILDS"), 20, NOON)
    assert len(due) == 20
    # the second message, which is a reply, is the one whose answer gets lost
    dispatcher_harness.slack.api.faults.add(Fault("chat.postMessage", "slow", seconds=0))
    dispatcher_harness.slack.fault("chat.postMessage", "answer_lost")
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert len(dispatcher_harness.slack.posts("builds")) == 2
    found = {"outcome": "found"}
    assert dispatcher_harness.metrics.registry.get_sample_value("buildbell_doubts_settled_total", found) == 1


async def test_a_flood_turns_into_one_message_that_grows_and_says_so(
    dispatcher_harness: DispatcherHarness,
) -> None:
    dispatcher_harness.relay = dispatcher_harness.new_relay(flood_limit=3)
    for number in range(1, 7):
        await dispatcher_harness.owe(make_build(number))
        await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    shown = [dispatcher_harness.slack.message_text(post) for post in dispatcher_harness.slack.posts("builds")]
    assert [text.split("\n")[0] for text in shown[:3]] == [line(1), line(2), line(3)]
    assert len(shown) == 4
    assert "More than 3 messages in an hour here" in shown[3]
    assert [f"#{number} succeeded" in shown[3] for number in (4, 5, 6)] == [True] * 3
    dispatcher_harness.now += timedelta(hours=2)
    await dispatcher_harness.owe(make_build(200))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown()[4:] == [line(200)]


async def test_a_change_whose_answer_was_lost_is_made_again(dispatcher_harness: DispatcherHarness) -> None:
    await dispatcher_harness.owe(
        make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE)
    )
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    dispatcher_harness.slack.fault("chat.update", "answer_lost")
    await dispatcher_harness.owe(make_build(1))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown() == [line(1)]
    assert await dispatcher_harness.storage.outbox.depth() == 0


async def test_what_is_found_out_while_a_message_is_on_its_way_completes_it(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(make_build(1, BuildState.FAILED))
    unread = await dispatcher_harness.storage.failure_analyses.next(Provider.BITRISE)
    assert unread is not None
    dispatcher_harness.slack.fault("chat.postMessage", "slow", seconds=0.2)
    task = asyncio.create_task(dispatcher_harness.relay.deliver(make_recipient("C0BUILDS")))
    await dispatcher_harness.sent()
    await dispatcher_harness.storage.failure_analyses.conclude(
        unread, Failure(step="gradle", lines=("boom",))
    )
    await task
    [post] = dispatcher_harness.slack.posts("builds")
    assert "Failed in `gradle`" in dispatcher_harness.slack.message_text(post)


async def test_what_is_found_out_while_a_message_is_being_made_completes_it(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(make_build(1, BuildState.FAILED))
    due = await dispatcher_harness.storage.outbox.due(make_recipient("C0BUILDS"), 1, NOON)
    unread = await dispatcher_harness.storage.failure_analyses.next(Provider.BITRISE)
    assert unread is not None
    await dispatcher_harness.storage.failure_analyses.conclude(
        unread, Failure(step="gradle", lines=("boom",))
    )
    await dispatcher_harness.storage.outbox.begin(due, a_message("made-before"), NOON)
    await dispatcher_harness.storage.outbox.mark_delivered("made-before", "1.0")
    [message] = await dispatcher_harness.storage.slack_messages.unfinished(make_recipient("C0BUILDS"))
    assert message.stale == 1


async def test_a_press_while_a_card_is_being_changed_is_not_lost(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(
        make_build(1, BuildState.FAILED), terms=NotificationRule(style=DeliveryStyle.CARD)
    )
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    [post] = dispatcher_harness.slack.posts("builds")
    card = await dispatcher_harness.storage.slack_messages.find_by_ts(make_recipient("C0BUILDS"), post.ts)
    assert card is not None
    dispatcher_harness.slack.fault("chat.update", "slow", seconds=0.2)
    await dispatcher_harness.owe(make_build(2, BuildState.FAILED))
    task = asyncio.create_task(dispatcher_harness.relay.deliver(make_recipient("C0BUILDS")))
    await dispatcher_harness.sent()
    await dispatcher_harness.storage.slack_messages.refresh(
        card.parcel, CardState(claimed_by="U0ANNA").encode()
    )
    await task
    said = dispatcher_harness.slack.message_text(post)
    assert "2 builds have failed in a row" in said
    assert "@anna is on it" in said


async def test_a_change_that_is_refused_ends_in_a_message_of_its_own_and_stops_nothing(
    dispatcher_harness: DispatcherHarness,
) -> None:
    await dispatcher_harness.owe(
        make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE)
    )
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    dispatcher_harness.slack.fault("chat.update", "error", words="not_in_channel")
    await dispatcher_harness.owe(make_build(1))
    await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    assert dispatcher_harness.shown()[1:] == [line(1)]
    [subscription] = await dispatcher_harness.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped is None


async def test_replies_in_threads_are_no_flood(dispatcher_harness: DispatcherHarness) -> None:
    dispatcher_harness.relay = dispatcher_harness.new_relay(flood_limit=3)
    for number in range(1, 6):
        await dispatcher_harness.owe(make_build(number), terms=NotificationRule(style=DeliveryStyle.THREAD))
        await dispatcher_harness.relay.deliver(make_recipient("C0BUILDS"))
    head, *replies = dispatcher_harness.slack.posts("builds")
    assert [post.thread_ts for post in replies] == [head.ts] * 5


async def test_what_shows_a_running_build_is_edited_within_every_thirty_seconds_until_it_ends(
    dispatcher_harness: DispatcherHarness,
) -> None:
    dispatcher_harness.now = NOON + timedelta(minutes=2)
    async with dispatcher_harness.running():
        await dispatcher_harness.owe(
            make_build(1, BuildState.RUNNING), terms=NotificationRule(style=DeliveryStyle.LIVE)
        )
        dispatcher_harness.relay.wake()
        live = await dispatcher_harness.slack.wait_for_post("builds", "as of 12:02:00 UTC")
        warned = NotificationRule(running_over=timedelta(minutes=1))
        await dispatcher_harness.owe(make_build(2, BuildState.RUNNING), channel="C0RANDOM", terms=warned)
        [subscription] = await dispatcher_harness.storage.of("T1").subscriptions.of_channel("C0RANDOM")
        await make_poll_recorder(dispatcher_harness.storage.database).enqueue(
            [
                NewNotification(
                    subscription_id=subscription.id,
                    team="T1",
                    channel="C0RANDOM",
                    provider=Provider.BITRISE,
                    build_slug=make_build(2).slug,
                    event=BuildEvent.RUNNING_TOO_LONG,
                )
            ],
            at=dispatcher_harness.now,
        )
        dispatcher_harness.relay.wake()
        long = await dispatcher_harness.slack.wait_for_post("random", "has been running for long")
        for at in ("12:02:30", "12:03:00"):
            await dispatcher_harness.go_on(30)
            await dispatcher_harness.edited(live, f"as of {at} UTC")
            await dispatcher_harness.edited(long, f"as of {at} UTC")
        before = dispatcher_harness.edits
        await dispatcher_harness.go_on(20)
        await dispatcher_harness.owe(make_build(1), make_build(2))
        dispatcher_harness.relay.wake()
        await dispatcher_harness.edited(live, "#1 succeeded")
        # What it said of the build before is not left to be wrong, and does not tell its end a second time.
        await dispatcher_harness.edited(long, "ran for long")
        await dispatcher_harness.slack.wait_for_post("builds", "#2 succeeded")
        assert "#2 succeeded" in dispatcher_harness.slack.message_text(long)
        ended = await dispatcher_harness.slack.wait_for_post("random", "#2 succeeded", after=long)
        assert "as of" not in "".join(map(dispatcher_harness.slack.message_text, (live, long, ended)))
        assert dispatcher_harness.edits == before + 3
        await dispatcher_harness.go_on(600)
        await dispatcher_harness.owe(make_build(3), channel="C0RANDOM")
        dispatcher_harness.relay.wake()
        await dispatcher_harness.slack.wait_for_post("random", "#3 succeeded")
        assert dispatcher_harness.edits == before + 3


async def test_a_pipeline_shows_progress_also_while_none_of_its_builds_runs(
    dispatcher_harness: DispatcherHarness,
) -> None:
    ref = PipelineRef(id="p1", attempt=1)
    build = make_build(1, BuildState.FAILED, pipeline=ref)
    ended = PipelineWorkflow(name="unit", state=BuildState.FAILED, build_slug=build.slug)
    waits = PipelineWorkflow(name="deploy", state=BuildState.ON_HOLD)
    pipeline = Pipeline(
        app_slug=ANDROID.slug,
        id="p1",
        name="train",
        state=BuildState.RUNNING,
        triggered_at=NOON,
        started_at=NOON,
        stages=(Stage(name="all", workflows=(ended, waits)),),
        url="https://app.bitrise.io/p1",
    )
    await dispatcher_harness.owe()
    recorder = make_poll_recorder(dispatcher_harness.storage.database)
    async with dispatcher_harness.running():
        await recorder.record(
            PollSnapshot(token="t", provider=Provider.BITRISE, builds=(build,), pipelines=(pipeline,)),
            at=dispatcher_harness.now,
        )
        dispatcher_harness.relay.wake()
        card = await dispatcher_harness.slack.wait_for_post("builds", "train")
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.edited(card, "running for 30 s, as of 12:00:30 UTC")


async def test_how_often_progress_is_shown_goes_by_the_providers_clock_and_the_attempts_start(
    dispatcher_harness: DispatcherHarness,
) -> None:
    behind = timedelta(hours=-12)
    dispatcher_harness.relay = dispatcher_harness.new_relay(bitrise_ahead=behind)
    build = make_build(1, BuildState.RUNNING, triggered_at=NOON + behind, started_at=NOON + behind)
    again = make_build(2, BuildState.FAILED, pipeline=PipelineRef(id="p1", attempt=2))
    ended = PipelineWorkflow(name="unit", state=BuildState.FAILED, build_slug=again.slug)
    pipeline = Pipeline(
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
    await dispatcher_harness.owe(terms=NotificationRule(style=DeliveryStyle.LIVE))
    recorder = make_poll_recorder(dispatcher_harness.storage.database)
    async with dispatcher_harness.running():
        sighting = PollSnapshot(
            token="t", provider=Provider.BITRISE, builds=(build, again), pipelines=(pipeline,)
        )
        await recorder.record(sighting, at=dispatcher_harness.now)
        dispatcher_harness.relay.wake()
        live = await dispatcher_harness.slack.wait_for_post("builds", "#1 is running")
        card = await dispatcher_harness.slack.wait_for_post("builds", "train")
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.edited(live, "as of 00:00:30 UTC")
        await dispatcher_harness.edited(card, "running for 30 s, as of 00:00:30 UTC")


async def test_what_was_started_shows_progress_however_late_it_is_seen_to_run(
    dispatcher_harness: DispatcherHarness,
) -> None:
    run = StartedRun(
        app=ANDROID,
        terms=NotificationRule(
            filter=BuildFilter(builds=frozenset({make_build(1).slug})),
            style=DeliveryStyle.LIVE,
            once=True,
            run=True,
        ),
        key="k",
        subject=str(build_run_key(make_build(1).slug)),
        content=Message("anna started it").encode(),
        note=RunNote(by="U1", said="started it").encode(),
    )
    async with dispatcher_harness.running():
        await dispatcher_harness.storage.of("T1").subscriptions.follow(
            run, channel="C0BUILDS", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
        )
        dispatcher_harness.relay.wake()
        post = await dispatcher_harness.slack.wait_for_post("builds", "anna started it")
        # It is looked for soon after it was posted, and nothing runs yet.
        await dispatcher_harness.go_on(30)
        async with asyncio.timeout(30):
            while dispatcher_harness.relay._progress.next_at is not None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        recorder = make_poll_recorder(dispatcher_harness.storage.database)
        running = make_build(1, BuildState.RUNNING)
        await recorder.record(
            PollSnapshot(token="t", provider=Provider.BITRISE, builds=(running,)), at=dispatcher_harness.now
        )
        dispatcher_harness.relay.wake()
        await dispatcher_harness.edited(post, "#1 is running")
        await dispatcher_harness.go_on(10)
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.edited(post, "as of 12:01:10 UTC")


async def test_a_card_is_brought_up_to_date_when_its_snooze_runs_out(
    dispatcher_harness: DispatcherHarness,
) -> None:
    async with dispatcher_harness.running():
        await dispatcher_harness.owe(
            make_build(1, BuildState.FAILED), terms=NotificationRule(style=DeliveryStyle.CARD)
        )
        dispatcher_harness.relay.wake()
        post = await dispatcher_harness.slack.wait_for_post("builds", "Snooze")
        await dispatcher_harness.go_on(0)
        card = await dispatcher_harness.storage.slack_messages.find_by_ts(make_recipient("C0BUILDS"), post.ts)
        assert card is not None
        note = CardState(
            claimed_by="U0ANNA",
            snoozed_by="U0ANNA",
            snoozed_until=dispatcher_harness.now + timedelta(hours=1),
        )
        await dispatcher_harness.storage.slack_messages.refresh(card.parcel, note.encode())
        dispatcher_harness.relay.wake()
        await dispatcher_harness.edited(post, "End snooze")
        await dispatcher_harness.go_on(3599)
        await dispatcher_harness.go_on(1)
        await dispatcher_harness.slack.workspace.wait_for(
            lambda: "End snooze" not in dispatcher_harness.slack.message_text(post) or None,
            30,
            "the snooze's end",
        )
        assert "is on it" in dispatcher_harness.slack.message_text(post)
        assert "Snooze" in dispatcher_harness.slack.message_text(post)


async def test_no_progress_is_shown_of_what_cannot_be_seen_or_has_been_deleted(
    dispatcher_harness: DispatcherHarness,
) -> None:
    seen = True
    dispatcher_harness.relay = dispatcher_harness.new_relay(is_current=lambda _provider: seen)
    dispatcher_harness.now = NOON + timedelta(minutes=2)
    async with dispatcher_harness.running():
        await dispatcher_harness.owe(
            make_build(1, BuildState.RUNNING),
            make_build(2, BuildState.RUNNING),
            terms=NotificationRule(style=DeliveryStyle.LIVE),
        )
        dispatcher_harness.relay.wake()
        first = await dispatcher_harness.slack.wait_for_post("builds", "#1 is running")
        second = await dispatcher_harness.slack.wait_for_post("builds", "#2 is running")
        seen = False
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.owe(make_build(4))
        await dispatcher_harness.slack.wait_for_post("builds", "#4 succeeded")
        assert dispatcher_harness.edits == 0
        seen = True
        dispatcher_harness.slack.workspace.remove(
            dispatcher_harness.slack.workspace.find_channel("builds"), first
        )
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.edited(second, "as of 12:03:00 UTC")
        async with asyncio.timeout(30):
            while len(await dispatcher_harness.storage.slack_messages.running()) > 1:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        before = dispatcher_harness.edits
        await dispatcher_harness.go_on(30)
        await dispatcher_harness.edited(second, "as of 12:03:30 UTC")
        assert dispatcher_harness.edits == before + 1
        assert len(dispatcher_harness.slack.posts("builds")) == 2


async def test_a_change_of_state_goes_before_excerpts_and_progress_also_in_its_own_channel(
    dispatcher_harness: DispatcherHarness,
) -> None:
    """More excerpts are found than Slack takes in a minute; how a build ended does not wait behind them."""
    channels = [dispatcher_harness.slack.workspace.add_channel(f"team-{number}") for number in range(45)]
    last = channels[-1]
    dispatcher_harness.now = NOON + timedelta(minutes=2)
    async with dispatcher_harness.running():
        await dispatcher_harness.owe(
            make_build(1, BuildState.RUNNING),
            channel=last.id,
            terms=NotificationRule(style=DeliveryStyle.LIVE),
        )
        dispatcher_harness.relay.wake()
        live = await dispatcher_harness.slack.wait_for_post(last.id, "#1 is running")
        for channel in channels[:-1]:
            await dispatcher_harness.owe(channel=channel.id)
        await dispatcher_harness.owe(make_build(2, BuildState.FAILED))
        dispatcher_harness.relay.wake()
        for channel in channels:
            await dispatcher_harness.slack.wait_for_post(channel.id, "#2 failed")
        unread = await dispatcher_harness.storage.failure_analyses.next(Provider.BITRISE)
        assert unread is not None
        await dispatcher_harness.storage.failure_analyses.conclude(
            unread, Failure(step="gradle", lines=("boom",))
        )
        await dispatcher_harness.go_on(30)

        def excerpts() -> int:
            said = (
                map(dispatcher_harness.slack.message_text, dispatcher_harness.slack.posts(one.id))
                for one in channels
            )
            return sum("boom" in "".join(texts) for texts in said)

        await dispatcher_harness.slack.workspace.wait_for(lambda: excerpts() > 20 or None, 30, "excerpts")
        await dispatcher_harness.owe(make_build(1))
        dispatcher_harness.relay.wake()
        await dispatcher_harness.edited(live, "#1 succeeded")
        assert excerpts() < len(channels)
