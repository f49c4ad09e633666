"""The relay against the simulated Slack over real sockets, from a real outbox."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import time, timedelta

import pytest

from bot.audit import ERASED
from bot.build import Build, PipelineRef, State
from bot.failure import Failure
from bot.manifest import manifest
from bot.messages import CardNote
from bot.metrics import Metrics
from bot.outbox import Limits, Relay
from bot.outbox.rendering import render
from bot.outbox.subjects import Kind
from bot.pipeline import Pipeline, PipelineWorkflow, Stage
from bot.provider import Provider
from bot.slack import SlackClient, slack_session
from bot.terms import Happening, Quiet, Style, Terms
from bot.watch import compare, match
from sandbox.faults import Fault
from sandbox.slack import BOT_TOKEN, Post, SlackSandbox
from storage import Baseline, NewMessage, Owed, Recorder, Scope, Sighting, Storage
from tests.builds import ANDROID, NOON, a_build, a_run, to


class Delivering:
    def __init__(self, slack: SlackSandbox, storage: Storage, client: SlackClient) -> None:
        self.slack, self.storage = slack, storage
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
    ) -> Relay:
        return Relay(
            lambda _team: self.client,
            self.storage,
            counts=self.metrics,
            clock=lambda: self.now,
            limits=Limits(flood=flood_limit, settling=0.3, rolling=0.01),
            new_key=lambda: f"parcel-{next(self.keys)}",
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
        await self.slack.workspace.wait_for(lambda: text in self.slack.words(post) or None, 30, text)

    @property
    def edits(self) -> int:
        return sum(one.what == "chat.update" for one in self.slack.journal.entries)

    async def owe(self, *builds: Build, channel: str = "C0BUILDS", terms: Terms = Terms()) -> None:
        if not await self.storage.of("T1").subscriptions.of_channel(channel):
            await self.storage.of("T1").subscriptions.add(
                channel=channel,
                app=ANDROID,
                terms=terms,
                by="U1",
                at=NOON,
                baseline=Baseline(),
            )
        recorder = Recorder(self.storage.database, compare=compare, match=match)
        await recorder.record(Sighting(token="t", builds=builds), at=self.now)

    async def sent(self) -> None:
        """Wait until a request has left that has no answer yet."""
        asked = len(self.slack.journal.entries)
        async with asyncio.timeout(30):
            while len(self.slack.journal.entries) == asked:  # noqa: ASYNC110 - a request leaves no event here
                await asyncio.sleep(0.005)

    def shown(self, channel: str = "builds") -> list[str]:
        return [self.slack.words(post).split("\n")[0] for post in self.slack.posts(channel)]

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0


@pytest.fixture
async def delivering(storage: Storage) -> AsyncIterator[Delivering]:
    slack = await SlackSandbox(manifest()).start()
    async with slack_session() as session:
        client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        yield Delivering(slack, storage, client)
    await slack.close()


def line(number: int, result: str = "succeeded", symbol: str = "✅") -> str:
    return f"{symbol} {ANDROID.title} #{number} {result}"


def a_message(parcel: str) -> NewMessage:
    return NewMessage(parcel=parcel, team="T1", channel="C0BUILDS", subject="build 1 x")


async def test_what_is_owed_is_posted_in_order_once_each(delivering: Delivering) -> None:
    await delivering.owe(a_build(2), a_build(1, State.FAILED))
    await delivering.relay.deliver(to("C0BUILDS"))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1, "failed", "❌"), line(2)]
    assert delivering.count("buildbell_notifications_told_total") == 2
    assert await delivering.storage.outbox.depth() == 0


async def test_a_large_backlog_is_one_message_and_so_is_an_old_one(delivering: Delivering) -> None:
    await delivering.owe(*(a_build(number) for number in range(1, 13)))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == ["12 builds ended while I could not tell you"]
    await delivering.owe(a_build(20), a_build(21))
    delivering.now += timedelta(hours=2)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown()[1:] == ["2 builds ended while I could not tell you"]


async def test_a_lost_answer_is_settled_by_reading_back(delivering: Delivering) -> None:
    delivering.slack.workspace.channel("builds").members.add("U0BUILDBELL")
    delivering.slack.fault("chat.postMessage", "answer_lost")
    await delivering.owe(a_build(1))
    task = asyncio.create_task(delivering.relay.deliver(to("C0BUILDS")))
    await delivering.slack.wait_for_post("builds", "#1 succeeded")
    delivering.now += timedelta(seconds=10)
    await task
    assert delivering.shown() == [line(1)]
    assert (
        delivering.metrics.registry.get_sample_value("buildbell_doubts_settled_total", {"outcome": "found"})
        == 1
    )


async def test_where_nothing_can_be_read_back_twice_beats_never(delivering: Delivering) -> None:
    delivering.slack.fault("chat.postMessage", "answer_lost")
    await delivering.owe(a_build(1))
    due = await delivering.storage.outbox.due(to("C0BUILDS"), 1, NOON)
    await delivering.storage.outbox.begin(due, a_message("lost"), NOON)
    delivering.slack.api.faults.clear()
    delivering.now += timedelta(minutes=1)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1)]
    unreadable = delivering.metrics.registry.get_sample_value(
        "buildbell_doubts_settled_total", {"outcome": "unreadable"}
    )
    assert unreadable == 1


async def test_a_process_that_died_before_its_answer_is_taken_up_where_it_was(delivering: Delivering) -> None:
    """Killed after Slack took the message: the next process finds it and posts nothing again."""
    delivering.slack.workspace.channel("builds").members.add("U0BUILDBELL")
    await delivering.owe(a_build(1))
    due = await delivering.storage.outbox.due(to("C0BUILDS"), 1, NOON)
    await delivering.storage.outbox.begin(due, a_message("from-before"), NOON)
    client = SlackClient(token=BOT_TOKEN, base_url=delivering.slack.api_url)
    message = render(Kind.BUILD, due, now=NOON, flood_limit=60)
    metadata = {"event_type": "buildbell_parcel", "event_payload": {"parcel": "from-before"}}
    await client.chat_postMessage(
        channel="C0BUILDS", text=message.text, blocks=message.blocks, metadata=metadata
    )
    delivering.now += timedelta(minutes=1)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1)]


async def test_a_closed_channel_stops_its_subscriptions_and_no_other(delivering: Delivering) -> None:
    await delivering.owe(a_build(1))
    delivering.slack.workspace.channel("builds").archived = True
    await delivering.relay.deliver(to("C0BUILDS"))
    [subscription] = await delivering.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"
    assert await delivering.storage.outbox.depth() == 0
    assert delivering.count("buildbell_notifications_dropped_total") == 1


async def test_nobody_hears_of_a_closed_channel_for_somebody_who_was_erased(delivering: Delivering) -> None:
    await delivering.owe(a_build(1))
    await delivering.storage.database.write(
        lambda db: db.execute("UPDATE subscriptions SET created_by = ?", [ERASED])
    )
    delivering.slack.workspace.channel("builds").archived = True
    await delivering.relay.deliver(to("C0BUILDS"))
    assert await delivering.storage.outbox.recipients(NOON) == []
    [subscription] = await delivering.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped == "is_archived"


async def test_a_message_that_slack_refuses_is_sent_plain(delivering: Delivering) -> None:
    await delivering.owe(a_build(1))
    delivering.slack.fault("chat.postMessage", "error", words="invalid_blocks")
    await delivering.relay.deliver(to("C0BUILDS"))
    [post] = delivering.slack.posts("builds")
    assert post.blocks == []
    assert "#1 succeeded" in post.text


async def test_one_channels_trouble_holds_up_no_other(delivering: Delivering) -> None:
    await delivering.owe(a_build(1))
    await delivering.owe(a_build(2), channel="C0RANDOM")
    delivering.slack.fault("chat.postMessage", "ratelimited", seconds=30)
    running = asyncio.create_task(delivering.relay.run())
    await delivering.slack.wait_for_post("random", "#2 succeeded")
    delivering.relay.stop()
    await running


async def test_an_ended_subscription_is_owed_nothing(delivering: Delivering) -> None:
    await delivering.owe(a_build(1))
    [subscription] = await delivering.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    await delivering.storage.of("T1").subscriptions.remove(subscription)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == []


UTC_AT_NINE = time(9)


async def test_a_daily_digest_comes_at_its_hour_with_everything_since(delivering: Delivering) -> None:
    terms = Terms(style=Style.DAILY, at=UTC_AT_NINE)
    await delivering.owe(a_build(1), a_build(2, State.FAILED), terms=terms)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == []
    delivering.now = NOON + timedelta(hours=12)
    await delivering.owe(a_build(3))
    assert await delivering.storage.outbox.next_due(delivering.now) == NOON + timedelta(hours=21)
    delivering.now = NOON + timedelta(hours=21)
    await delivering.relay.deliver(to("C0BUILDS"))
    [post] = delivering.slack.posts("builds")
    said = delivering.slack.words(post)
    assert said.startswith("The day's builds: 3 builds\n✅ 2 · ❌ 1")
    assert [f"#{number} " in said for number in (1, 2, 3)] == [True] * 3


async def test_quiet_hours_gather_what_happens_in_them_and_nothing_else(delivering: Delivering) -> None:
    terms = Terms(quiet=Quiet(start=time(22), end=time(7)))
    await delivering.owe(a_build(1), terms=terms)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1)]
    delivering.now = NOON + timedelta(hours=11)
    await delivering.owe(a_build(2), a_build(3))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1)]
    delivering.now = NOON + timedelta(hours=19)
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown()[1:] == ["2 builds during the quiet hours (22:00 to 07:00)"]


async def test_the_relay_wakes_by_itself_when_something_is_due(delivering: Delivering) -> None:
    await delivering.owe(a_build(1), terms=Terms(style=Style.DAILY, at=UTC_AT_NINE))
    delivering.now = NOON + timedelta(hours=21, seconds=-0.2)
    running = asyncio.create_task(delivering.relay.run())
    due = asyncio.get_running_loop().call_later(0.1, setattr, delivering, "now", NOON + timedelta(hours=22))
    await delivering.slack.wait_for_post("builds", "The day's builds")
    due.cancel()
    delivering.relay.stop()
    await running


async def test_a_long_backlog_is_one_message_in_the_channel_and_goes_on_in_its_thread(
    delivering: Delivering,
) -> None:
    await delivering.owe(*(a_build(number) for number in range(1, 46)))
    await delivering.relay.deliver(to("C0BUILDS"))
    head, *more = delivering.slack.posts("builds")
    assert [post.thread_ts for post in more] == [head.ts] * 2
    shown = "\n".join(delivering.slack.words(post) for post in (head, *more))
    assert [shown.count(f"#{number} succeeded") for number in range(1, 46)] == [1] * 45


async def test_a_lost_answer_in_a_thread_is_found_again(delivering: Delivering) -> None:
    delivering.slack.workspace.channel("builds").members.add("U0BUILDBELL")
    await delivering.owe(*(a_build(number) for number in range(1, 31)))
    due = await delivering.storage.outbox.due(to("C0BUILDS"), 20, NOON)
    assert len(due) == 20
    # the second message, which is a reply, is the one whose answer gets lost
    delivering.slack.api.faults.add(Fault("chat.postMessage", "slow", seconds=0))
    delivering.slack.fault("chat.postMessage", "answer_lost")
    await delivering.relay.deliver(to("C0BUILDS"))
    assert len(delivering.slack.posts("builds")) == 2
    found = {"outcome": "found"}
    assert delivering.metrics.registry.get_sample_value("buildbell_doubts_settled_total", found) == 1


async def test_a_flood_turns_into_one_message_that_grows_and_says_so(delivering: Delivering) -> None:
    delivering.relay = delivering.new_relay(flood_limit=3)
    for number in range(1, 7):
        await delivering.owe(a_build(number))
        await delivering.relay.deliver(to("C0BUILDS"))
    shown = [delivering.slack.words(post) for post in delivering.slack.posts("builds")]
    assert [text.split("\n")[0] for text in shown[:3]] == [line(1), line(2), line(3)]
    assert len(shown) == 4
    assert "More than 3 messages in an hour here" in shown[3]
    assert [f"#{number} succeeded" in shown[3] for number in (4, 5, 6)] == [True] * 3
    delivering.now += timedelta(hours=2)
    await delivering.owe(a_build(200))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown()[4:] == [line(200)]


async def test_a_change_whose_answer_was_lost_is_made_again(delivering: Delivering) -> None:
    await delivering.owe(a_build(1, State.RUNNING), terms=Terms(style=Style.LIVE))
    await delivering.relay.deliver(to("C0BUILDS"))
    delivering.slack.fault("chat.update", "answer_lost")
    await delivering.owe(a_build(1))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown() == [line(1)]
    assert await delivering.storage.outbox.depth() == 0


async def test_what_is_found_out_while_a_message_is_on_its_way_completes_it(delivering: Delivering) -> None:
    await delivering.owe(a_build(1, State.FAILED))
    unread = await delivering.storage.failures.next()
    assert unread is not None
    delivering.slack.fault("chat.postMessage", "slow", seconds=0.2)
    task = asyncio.create_task(delivering.relay.deliver(to("C0BUILDS")))
    await delivering.sent()
    await delivering.storage.failures.concluded(unread, Failure(step="gradle", lines=("boom",)))
    await task
    [post] = delivering.slack.posts("builds")
    assert "Failed in `gradle`" in delivering.slack.words(post)


async def test_what_is_found_out_while_a_message_is_being_made_completes_it(delivering: Delivering) -> None:
    await delivering.owe(a_build(1, State.FAILED))
    due = await delivering.storage.outbox.due(to("C0BUILDS"), 1, NOON)
    unread = await delivering.storage.failures.next()
    assert unread is not None
    await delivering.storage.failures.concluded(unread, Failure(step="gradle", lines=("boom",)))
    await delivering.storage.outbox.begin(due, a_message("made-before"), NOON)
    await delivering.storage.outbox.told("made-before", "1.0")
    [message] = await delivering.storage.messages.unfinished(to("C0BUILDS"))
    assert message.stale == 1


async def test_a_press_while_a_card_is_being_changed_is_not_lost(delivering: Delivering) -> None:
    await delivering.owe(a_build(1, State.FAILED), terms=Terms(style=Style.CARD))
    await delivering.relay.deliver(to("C0BUILDS"))
    [post] = delivering.slack.posts("builds")
    card = await delivering.storage.messages.at(to("C0BUILDS"), post.ts)
    assert card is not None
    delivering.slack.fault("chat.update", "slow", seconds=0.2)
    await delivering.owe(a_build(2, State.FAILED))
    task = asyncio.create_task(delivering.relay.deliver(to("C0BUILDS")))
    await delivering.sent()
    await delivering.storage.messages.refresh(card.parcel, CardNote(claimed_by="U0ANNA").encode())
    await task
    said = delivering.slack.words(post)
    assert "2 builds have failed in a row" in said
    assert "@anna is on it" in said


async def test_a_change_that_is_refused_ends_in_a_message_of_its_own_and_stops_nothing(
    delivering: Delivering,
) -> None:
    await delivering.owe(a_build(1, State.RUNNING), terms=Terms(style=Style.LIVE))
    await delivering.relay.deliver(to("C0BUILDS"))
    delivering.slack.fault("chat.update", "error", words="not_in_channel")
    await delivering.owe(a_build(1))
    await delivering.relay.deliver(to("C0BUILDS"))
    assert delivering.shown()[1:] == [line(1)]
    [subscription] = await delivering.storage.of("T1").subscriptions.of_channel("C0BUILDS")
    assert subscription.stopped is None


async def test_replies_in_threads_are_no_flood(delivering: Delivering) -> None:
    delivering.relay = delivering.new_relay(flood_limit=3)
    for number in range(1, 6):
        await delivering.owe(a_build(number), terms=Terms(style=Style.THREAD))
        await delivering.relay.deliver(to("C0BUILDS"))
    head, *replies = delivering.slack.posts("builds")
    assert [post.thread_ts for post in replies] == [head.ts] * 5


async def test_what_shows_a_running_build_is_edited_within_every_thirty_seconds_until_it_ends(
    delivering: Delivering,
) -> None:
    delivering.now = NOON + timedelta(minutes=2)
    async with delivering.running():
        await delivering.owe(a_build(1, State.RUNNING), terms=Terms(style=Style.LIVE))
        delivering.relay.wake()
        live = await delivering.slack.wait_for_post("builds", "as of 12:02:00 UTC")
        warned = Terms(running_over=timedelta(minutes=1))
        await delivering.owe(a_build(2, State.RUNNING), channel="C0RANDOM", terms=warned)
        [subscription] = await delivering.storage.of("T1").subscriptions.of_channel("C0RANDOM")
        await Recorder(delivering.storage.database, compare=compare, match=match).owe(
            [
                Owed(
                    subscription_id=subscription.id,
                    team="T1",
                    channel="C0RANDOM",
                    provider=Provider.BITRISE,
                    build_slug=a_build(2).slug,
                    event=Happening.RUNNING_TOO_LONG,
                )
            ],
            at=delivering.now,
        )
        delivering.relay.wake()
        long = await delivering.slack.wait_for_post("random", "has been running for long")
        for at in ("12:02:30", "12:03:00"):
            await delivering.go_on(30)
            await delivering.edited(live, f"as of {at} UTC")
            await delivering.edited(long, f"as of {at} UTC")
        before = delivering.edits
        await delivering.go_on(20)
        await delivering.owe(a_build(1), a_build(2))
        delivering.relay.wake()
        await delivering.edited(live, "#1 succeeded")
        # What it said of the build before is not left to be wrong, and does not tell its end a second time.
        await delivering.edited(long, "ran for long")
        await delivering.slack.wait_for_post("builds", "#2 succeeded")
        assert "#2 succeeded" in delivering.slack.words(long)
        ended = await delivering.slack.wait_for_post("random", "#2 succeeded", after=long)
        assert "as of" not in "".join(map(delivering.slack.words, (live, long, ended)))
        assert delivering.edits == before + 3
        await delivering.go_on(600)
        await delivering.owe(a_build(3), channel="C0RANDOM")
        delivering.relay.wake()
        await delivering.slack.wait_for_post("random", "#3 succeeded")
        assert delivering.edits == before + 3


async def test_a_pipeline_shows_progress_also_while_none_of_its_builds_runs(delivering: Delivering) -> None:
    ref = PipelineRef(id="p1", attempt=1)
    build = a_build(1, State.FAILED, pipeline=ref)
    ended = PipelineWorkflow(name="unit", state=State.FAILED, build_slug=build.slug)
    waits = PipelineWorkflow(name="deploy", state=State.ON_HOLD)
    pipeline = Pipeline(
        app_slug=ANDROID.slug,
        id="p1",
        name="train",
        state=State.RUNNING,
        triggered_at=NOON,
        started_at=NOON,
        stages=(Stage(name="all", workflows=(ended, waits)),),
        url="https://app.bitrise.io/p1",
    )
    await delivering.owe()
    recorder = Recorder(delivering.storage.database, compare=compare, match=match)
    async with delivering.running():
        await recorder.record(Sighting(token="t", builds=(build,), pipelines=(pipeline,)), at=delivering.now)
        delivering.relay.wake()
        card = await delivering.slack.wait_for_post("builds", "train")
        await delivering.go_on(30)
        await delivering.edited(card, "running for 30 s, as of 12:00:30 UTC")


async def test_how_often_progress_is_shown_goes_by_the_providers_clock_and_the_attempts_start(
    delivering: Delivering,
) -> None:
    behind = timedelta(hours=-12)
    delivering.relay = delivering.new_relay(bitrise_ahead=behind)
    build = a_build(1, State.RUNNING, triggered_at=NOON + behind, started_at=NOON + behind)
    again = a_build(2, State.FAILED, pipeline=PipelineRef(id="p1", attempt=2))
    ended = PipelineWorkflow(name="unit", state=State.FAILED, build_slug=again.slug)
    pipeline = Pipeline(
        app_slug=ANDROID.slug,
        id="p1",
        name="train",
        state=State.RUNNING,
        attempt=2,
        triggered_at=NOON - timedelta(days=2),
        started_at=NOON - timedelta(days=2),
        attempt_triggered_at=NOON + behind,
        stages=(Stage(name="all", workflows=(ended,)),),
        url="https://app.bitrise.io/p1",
    )
    await delivering.owe(terms=Terms(style=Style.LIVE))
    recorder = Recorder(delivering.storage.database, compare=compare, match=match)
    async with delivering.running():
        sighting = Sighting(token="t", builds=(build, again), pipelines=(pipeline,))
        await recorder.record(sighting, at=delivering.now)
        delivering.relay.wake()
        live = await delivering.slack.wait_for_post("builds", "#1 is running")
        card = await delivering.slack.wait_for_post("builds", "train")
        await delivering.go_on(30)
        await delivering.edited(live, "as of 00:00:30 UTC")
        await delivering.edited(card, "running for 30 s, as of 00:00:30 UTC")


async def test_what_was_started_shows_progress_however_late_it_is_seen_to_run(
    delivering: Delivering,
) -> None:
    run = a_run(a_build(1))
    async with delivering.running():
        await delivering.storage.of("T1").subscriptions.follow(
            run, channel="C0BUILDS", by="U1", at=NOON, baseline=Baseline(), scope=Scope()
        )
        delivering.relay.wake()
        post = await delivering.slack.wait_for_post("builds", "anna started it")
        # It is looked for soon after it was posted, and nothing runs yet.
        await delivering.go_on(30)
        async with asyncio.timeout(30):
            while delivering.relay._progress.next_at is not None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        recorder = Recorder(delivering.storage.database, compare=compare, match=match)
        running = a_build(1, State.RUNNING)
        await recorder.record(Sighting(token="t", builds=(running,)), at=delivering.now)
        delivering.relay.wake()
        await delivering.edited(post, "#1 is running")
        await delivering.go_on(10)
        await delivering.go_on(30)
        await delivering.edited(post, "as of 12:01:10 UTC")


async def test_a_card_is_brought_up_to_date_when_its_snooze_runs_out(delivering: Delivering) -> None:
    async with delivering.running():
        await delivering.owe(a_build(1, State.FAILED), terms=Terms(style=Style.CARD))
        delivering.relay.wake()
        post = await delivering.slack.wait_for_post("builds", "Snooze")
        await delivering.go_on(0)
        card = await delivering.storage.messages.at(to("C0BUILDS"), post.ts)
        assert card is not None
        note = CardNote(
            claimed_by="U0ANNA", snoozed_by="U0ANNA", snoozed_until=delivering.now + timedelta(hours=1)
        )
        await delivering.storage.messages.refresh(card.parcel, note.encode())
        delivering.relay.wake()
        await delivering.edited(post, "End snooze")
        await delivering.go_on(3599)
        await delivering.go_on(1)
        await delivering.slack.workspace.wait_for(
            lambda: "End snooze" not in delivering.slack.words(post) or None, 30, "the snooze's end"
        )
        assert "is on it" in delivering.slack.words(post)
        assert "Snooze" in delivering.slack.words(post)


async def test_no_progress_is_shown_of_what_cannot_be_seen_or_has_been_deleted(
    delivering: Delivering,
) -> None:
    seen = True
    delivering.relay = delivering.new_relay(is_current=lambda _provider: seen)
    delivering.now = NOON + timedelta(minutes=2)
    async with delivering.running():
        await delivering.owe(
            a_build(1, State.RUNNING), a_build(2, State.RUNNING), terms=Terms(style=Style.LIVE)
        )
        delivering.relay.wake()
        first = await delivering.slack.wait_for_post("builds", "#1 is running")
        second = await delivering.slack.wait_for_post("builds", "#2 is running")
        seen = False
        await delivering.go_on(30)
        await delivering.owe(a_build(4))
        await delivering.slack.wait_for_post("builds", "#4 succeeded")
        assert delivering.edits == 0
        seen = True
        delivering.slack.workspace.remove(delivering.slack.workspace.channel("builds"), first)
        await delivering.go_on(30)
        await delivering.edited(second, "as of 12:03:00 UTC")
        async with asyncio.timeout(30):
            while len(await delivering.storage.messages.running()) > 1:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
        before = delivering.edits
        await delivering.go_on(30)
        await delivering.edited(second, "as of 12:03:30 UTC")
        assert delivering.edits == before + 1
        assert len(delivering.slack.posts("builds")) == 2


async def test_a_change_of_state_goes_before_excerpts_and_progress_also_in_its_own_channel(
    delivering: Delivering,
) -> None:
    """More excerpts are found than Slack takes in a minute; how a build ended does not wait behind them."""
    channels = [delivering.slack.workspace.add_channel(f"team-{number}") for number in range(45)]
    last = channels[-1]
    delivering.now = NOON + timedelta(minutes=2)
    async with delivering.running():
        await delivering.owe(a_build(1, State.RUNNING), channel=last.id, terms=Terms(style=Style.LIVE))
        delivering.relay.wake()
        live = await delivering.slack.wait_for_post(last.id, "#1 is running")
        for channel in channels[:-1]:
            await delivering.owe(channel=channel.id)
        await delivering.owe(a_build(2, State.FAILED))
        delivering.relay.wake()
        for channel in channels:
            await delivering.slack.wait_for_post(channel.id, "#2 failed")
        unread = await delivering.storage.failures.next()
        assert unread is not None
        await delivering.storage.failures.concluded(unread, Failure(step="gradle", lines=("boom",)))
        await delivering.go_on(30)

        def excerpts() -> int:
            said = (map(delivering.slack.words, delivering.slack.posts(one.id)) for one in channels)
            return sum("boom" in "".join(texts) for texts in said)

        await delivering.slack.workspace.wait_for(lambda: excerpts() > 20 or None, 30, "excerpts")
        await delivering.owe(a_build(1))
        delivering.relay.wake()
        await delivering.edited(live, "#1 succeeded")
        assert excerpts() < len(channels)
