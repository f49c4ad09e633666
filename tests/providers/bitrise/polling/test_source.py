"""Polls of the simulated Bitrise over real sockets, with a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from unittest import mock

import pytest
from pydantic import SecretStr

from domain.build import App, Build, BuildState, PipelineRef
from domain.build_filter import BuildFilter
from domain.credentials import FixedToken
from domain.message import Message, RunNote
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline, find_changes
from domain.provider_errors import ProviderDown
from domain.subscription import Scope
from providers.bitrise.api import pagination
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.models import read_many
from providers.bitrise.build_requests.poller import BuildRequestPoller
from providers.bitrise.polling.pipeline_resolver import (
    MAX_PIPELINE_LISTS,
    PIPELINE_LIST_INTERVAL,
    POLLS_UNTIL_LISTED,
)
from providers.bitrise.polling.source import BitriseBuildSource, read_baseline
from providers.bitrise.provider import BITRISE
from providers.http.transport import HttpTransport
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.bitrise.state import App as SandboxApp
from sandbox.clock import Clock
from services.outbox.message_key import pipeline_run_key
from services.polling.poll import Poll
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from storage.workspace_subscriptions import StartedRun
from tests.support.factories import make_recipient
from tests.support.repositories import make_poll_recorder
from tests.support.schema import count_changes


class BitrisePollHarness:
    def __init__(
        self, sandbox: BitriseSimulator, clock: Clock, http: HttpTransport, repositories: Repositories
    ) -> None:
        self.sandbox, self.clock, self.storage = sandbox, clock, repositories
        self.bitrise = BitriseClient(
            http,
            credentials=FixedToken(SecretStr(TOKEN)),
            base_url=sandbox.api_url,
            clock=clock,
            deadline=timedelta(0),
        )
        self.restart()

    def freeze(self) -> None:
        """Stop the clock, so time passes only by skipping."""
        now = self.clock._goes_by()
        self.clock._goes_by = lambda: now

    def restart(self, *, key: str = "bitrise:test", max_apps: int = 100) -> None:
        recorder = make_poll_recorder(self.storage.database)
        reader = BitriseBuildSource(self.bitrise, clock=self.clock)
        self.poll = Poll(reader, self.storage, recorder, token=key, clock=self.clock, max_apps=max_apps)

    async def subscribe(self, app: SandboxApp, *, channel: str = "C1") -> None:
        subscribed_app = App(provider=BITRISE, slug=app.slug, title=app.title)
        await self.storage.of("T1").subscriptions.add(
            channel=channel,
            app=subscribed_app,
            terms=NotificationRule(),
            by="U1",
            at=self.clock(),
            baseline=await read_baseline(self.bitrise, app.slug),
        )

    async def subscribe_to_new(self, *, apps: int) -> list[SandboxApp]:
        """Create this many apps and subscribe to all of them."""
        new_apps = [
            self.sandbox.state.add_app(f"App {number}", "acme", f"app-{number}") for number in range(apps)
        ]
        for app in new_apps:
            await self.subscribe(app)
        return new_apps

    def finish_a_build_of_each(self, apps: list[SandboxApp]) -> None:
        for app in apps:
            self.sandbox.finish(self.sandbox.start_build(app))

    async def notified_builds(self, channel: str = "C1") -> list[str]:
        """Return the builds queued for the channel, in order."""
        return [
            f"{notification.app.title} {notification.build.label}"
            for notification in await self.storage.outbox.due(make_recipient(channel), 1000, self.clock())
        ]

    def count_app_lists(self) -> int:
        return sum(
            request.path.startswith("/v0.1/apps/") and request.path.endswith("/builds")
            for request in self.sandbox.requests
        )

    def requests(self) -> int:
        return len(self.sandbox.requests)


@pytest.fixture
async def poll_harness(repositories: Repositories) -> AsyncIterator[BitrisePollHarness]:
    clock = Clock()
    sandbox = await BitriseSimulator(now=clock).start()
    async with HttpTransport() as http:
        yield BitrisePollHarness(sandbox, clock, http, repositories)
    await sandbox.close()


async def test_without_subscriptions_nothing_is_requested(poll_harness: BitrisePollHarness) -> None:
    await poll_harness.poll()
    assert poll_harness.requests() == 0


async def test_builds_that_ended_before_the_subscription_are_not_notified_but_open_ones_are(
    poll_harness: BitrisePollHarness,
) -> None:
    done = poll_harness.sandbox.start_build(poll_harness.sandbox.android)
    poll_harness.sandbox.finish(done)
    running = poll_harness.sandbox.start_build(poll_harness.sandbox.android)
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == []
    poll_harness.sandbox.finish(running)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #2"]


async def test_a_build_that_starts_and_ends_between_two_polls_is_notified_once(
    poll_harness: BitrisePollHarness,
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android))
    for _ in range(3):
        await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #1"]


async def test_builds_are_notified_in_the_order_of_their_ends(poll_harness: BitrisePollHarness) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    first, second = (poll_harness.sandbox.start_build(poll_harness.sandbox.android) for _ in range(2))
    poll_harness.sandbox.finish(second)
    poll_harness.clock.skip(timedelta(minutes=1))
    poll_harness.sandbox.finish(first)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #2", "Sample Android #1"]


async def test_more_than_a_page_of_builds_between_two_polls_is_read_completely(
    poll_harness: BitrisePollHarness,
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    poll_harness.clock.skip(timedelta(minutes=10))
    for number in range(170):
        poll_harness.sandbox.finish(
            poll_harness.sandbox.start_build(
                poll_harness.sandbox.ios if number % 2 else poll_harness.sandbox.android
            )
        )
    await poll_harness.poll()
    assert len(await poll_harness.notified_builds()) == 85


async def test_builds_are_notified_even_if_the_list_is_too_long_to_read(
    poll_harness: BitrisePollHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGES", 2)
    poll_harness.finish_a_build_of_each([poll_harness.sandbox.ios])
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    poll_harness.clock.skip(timedelta(minutes=10))
    poll_harness.finish_a_build_of_each([poll_harness.sandbox.android])
    poll_harness.clock.skip(timedelta(minutes=10))
    for _ in range(120):
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #1"]


async def test_a_changed_page_of_unchanged_builds_is_parsed_once_and_never_recorded(
    poll_harness: BitrisePollHarness,
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    build = poll_harness.sandbox.start_build(poll_harness.sandbox.android)
    poll_harness.sandbox.finish(build)
    for _ in range(2):
        await poll_harness.poll()
    build.params["commit_message"] = "Another text"

    with (
        mock.patch.object(pagination, "read_many", wraps=read_many) as parse,
        mock.patch.object(PollRecorder, "record", autospec=True, side_effect=PollRecorder.record) as record,
    ):
        for _ in range(3):
            await poll_harness.poll()
        assert (parse.call_count, record.call_count) == (1, 0)
        poll_harness.finish_a_build_of_each([poll_harness.sandbox.android])
        await poll_harness.poll()
    assert (parse.call_count, record.call_count) == (2, 1)


async def test_a_build_that_runs_for_days_is_still_notified(poll_harness: BitrisePollHarness) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    old = poll_harness.sandbox.start_build(poll_harness.sandbox.android, ends_as=None)
    await poll_harness.poll()
    for _ in range(3):
        poll_harness.clock.skip(timedelta(days=1))
        for _ in range(60):
            poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
        await poll_harness.poll()
    poll_harness.sandbox.finish(old)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #1"]


async def test_an_idle_poll_costs_one_request_for_any_number_of_apps(
    poll_harness: BitrisePollHarness,
) -> None:
    for app in poll_harness.sandbox.state.apps:
        await poll_harness.subscribe(app)
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(app))
    await poll_harness.poll()
    await poll_harness.poll()
    before = poll_harness.requests()
    await poll_harness.poll()
    assert poll_harness.requests() == before + 1


async def test_a_response_without_a_changed_state_writes_nothing(poll_harness: BitrisePollHarness) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    build = poll_harness.sandbox.start_build(poll_harness.sandbox.android)
    poll_harness.sandbox.finish(build)
    await poll_harness.poll()
    await poll_harness.poll()

    before = await poll_harness.storage.database.read(count_changes)
    await poll_harness.poll()
    build.params["commit_message"] = "Another text"
    await poll_harness.poll()
    assert await poll_harness.storage.database.read(count_changes) == before


async def test_after_a_restart_polling_continues_where_the_last_poll_ended(
    poll_harness: BitrisePollHarness,
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    running = poll_harness.sandbox.start_build(poll_harness.sandbox.android, ends_as=None)
    await poll_harness.poll()
    poll_harness.restart()
    poll_harness.clock.skip(timedelta(days=2))
    poll_harness.sandbox.finish(running)
    poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android), "error")
    await poll_harness.poll()
    assert sorted(await poll_harness.notified_builds()) == ["Sample Android #1", "Sample Android #2"]


async def test_a_failing_page_loses_no_build(poll_harness: BitrisePollHarness) -> None:
    poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    poll_harness.clock.skip(timedelta(minutes=10))
    for _ in range(120):
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android))
    pages = 0

    def fail_on_the_second(request: str) -> object:
        nonlocal pages
        pages += request == "GET /v0.1/builds"
        return original(request) if pages != 2 else _broken()

    original = poll_harness.sandbox.faults.take
    poll_harness.sandbox.faults.take = fail_on_the_second  # type: ignore[method-assign, assignment]
    with pytest.raises(ProviderDown):
        await poll_harness.poll()
    poll_harness.sandbox.faults.take = original  # type: ignore[method-assign]
    await poll_harness.poll()
    notified = await poll_harness.notified_builds()
    assert len(notified) == len(set(notified)) == 120


async def test_builds_wait_for_one_that_finished_earlier_and_whose_pipelines_are_asked_for_later(
    poll_harness: BitrisePollHarness,
) -> None:
    poll_harness.freeze()
    sandbox = poll_harness.sandbox
    for app in (sandbox.android, sandbox.ios):
        await poll_harness.subscribe(app)
    for _ in range(MAX_PIPELINE_LISTS):
        sandbox.finish(sandbox.start_build(sandbox.ios))
        await poll_harness.poll()
    before = await poll_harness.notified_builds()
    early, late = sandbox.start_build(sandbox.ios), sandbox.start_build(sandbox.android)
    sandbox.finish(early)
    poll_harness.clock.skip(timedelta(seconds=1))
    sandbox.finish(late)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == before
    poll_harness.clock.skip(PIPELINE_LIST_INTERVAL)
    await poll_harness.poll()
    assert (await poll_harness.notified_builds())[len(before) :] == ["Sample iOS #21", "Sample Android #1"]


def _broken() -> object:
    from sandbox.faults import Fault

    return Fault("*", "status", status=500)


async def test_a_deleted_build_is_forgotten_after_some_polls(poll_harness: BitrisePollHarness) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    deleted = poll_harness.sandbox.start_build(poll_harness.sandbox.android, ends_as=None)
    await poll_harness.poll()
    poll_harness.sandbox.state.builds.remove(deleted)
    for _ in range(6):
        result = await poll_harness.poll()
    assert not result.running


async def test_a_list_that_is_not_newest_first_is_not_used(
    poll_harness: BitrisePollHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    for _ in range(3):
        poll_harness.clock.skip(timedelta(minutes=5))
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android))
    newest_first = poll_harness.sandbox.state.builds_newest_first
    monkeypatch.setattr(poll_harness.sandbox.state, "builds_newest_first", lambda: newest_first()[::-1])
    await poll_harness.poll()
    assert sorted(await poll_harness.notified_builds()) == [
        f"Sample Android #{number}" for number in (1, 2, 3)
    ]
    lists = [request.path for request in poll_harness.sandbox.requests if request.path.endswith("/builds")]
    assert lists[-1] != "/v0.1/builds"


async def test_the_end_of_a_build_is_final_even_if_a_list_lags_behind(
    poll_harness: BitrisePollHarness,
) -> None:
    await poll_harness.subscribe(poll_harness.sandbox.android)
    build = poll_harness.sandbox.start_build(poll_harness.sandbox.android, ends_as=None)
    poll_harness.sandbox.start_running(build)
    await poll_harness.poll()
    poll_harness.sandbox.finish(build)
    await poll_harness.poll()
    build.result, build.finished_at = None, None
    await poll_harness.poll()
    poll_harness.sandbox.finish(build)
    await poll_harness.poll()
    assert await poll_harness.notified_builds() == ["Sample Android #1"]


def test_a_build_is_new_only_after_its_apps_baseline() -> None:
    from tests.support.factories import ANDROID, NOON, make_build

    before, after = make_build(-5), make_build(5)
    changes = find_changes([before, after], {}, {ANDROID.slug: NOON})
    assert [change.build for change in changes] == [after]
    known: dict[str, BuildState] = {before.slug: BuildState.RUNNING}
    ended: Build = make_build(-5, BuildState.FAILED)
    assert [change.was for change in find_changes([ended], known, {ANDROID.slug: NOON})] == [
        BuildState.RUNNING
    ]


async def test_apps_that_are_polled_individually_take_turns_within_the_budget(
    poll_harness: BitrisePollHarness,
) -> None:
    apps = await poll_harness.subscribe_to_new(apps=5)
    poll_harness.sandbox.fault("GET /v0.1/builds", "status", times=1000, status=403)
    poll_harness.restart(max_apps=2)
    await poll_harness.poll()
    poll_harness.finish_a_build_of_each(apps)
    notified = []
    for _ in range(3):
        before = poll_harness.count_app_lists()
        await poll_harness.poll()
        assert poll_harness.count_app_lists() - before == 2
        notified.append(len(await poll_harness.notified_builds()))
    assert notified == [2, 4, 5]


async def test_a_refused_list_of_all_apps_is_retried_after_a_day(
    poll_harness: BitrisePollHarness,
) -> None:
    apps = await poll_harness.subscribe_to_new(apps=4)
    poll_harness.sandbox.fault("GET /v0.1/builds", "status", status=403)
    await poll_harness.poll()
    await poll_harness.poll()
    assert poll_harness.sandbox.requests[-1].path.startswith("/v0.1/apps/")
    poll_harness.restart()
    poll_harness.finish_a_build_of_each(apps)
    poll_harness.clock.skip(timedelta(days=1, minutes=1))
    await poll_harness.poll()
    before = poll_harness.requests()
    await poll_harness.poll()
    assert [request.path for request in list(poll_harness.sandbox.requests)[before:]] == ["/v0.1/builds"]
    assert len(await poll_harness.notified_builds()) == 4


async def subscribe_to_apps_below_the_first_page(
    poll_harness: BitrisePollHarness, *, apps: int
) -> list[SandboxApp]:
    """Finish a build of each app, then so many of another one that the list of all apps is not read down to them."""
    new_apps = await poll_harness.subscribe_to_new(apps=apps)
    await poll_harness.poll()
    poll_harness.finish_a_build_of_each(new_apps)
    for _ in range(2):
        poll_harness.clock.skip(timedelta(hours=1))
        for _ in range(60):
            poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
    return new_apps


async def test_after_a_token_change_no_app_is_forgotten_even_if_few_are_read_per_poll(
    poll_harness: BitrisePollHarness,
) -> None:
    await subscribe_to_apps_below_the_first_page(poll_harness, apps=5)
    poll_harness.restart(key="bitrise:other", max_apps=2)
    for _ in range(4):
        await poll_harness.poll()
    assert len(await poll_harness.notified_builds()) == 5


async def test_after_a_failure_while_catching_up_no_app_counts_as_read(
    poll_harness: BitrisePollHarness,
) -> None:
    apps = await subscribe_to_apps_below_the_first_page(poll_harness, apps=4)
    poll_harness.restart(key="bitrise:other")
    last = max(app.slug for app in apps)
    poll_harness.sandbox.fault(f"GET /v0.1/apps/{last}/builds", "status", status=500)
    with pytest.raises(ProviderDown):
        await poll_harness.poll()
    await poll_harness.poll()
    assert len(await poll_harness.notified_builds()) == 4


async def test_an_app_that_waits_for_its_turn_misses_no_build(
    poll_harness: BitrisePollHarness,
) -> None:
    apps = await subscribe_to_apps_below_the_first_page(poll_harness, apps=4)
    poll_harness.restart(key="bitrise:other", max_apps=1)
    for _ in range(6):
        await poll_harness.poll()
        poll_harness.clock.skip(timedelta(hours=12))
        poll_harness.finish_a_build_of_each(apps)
    await poll_harness.poll()
    notified = await poll_harness.notified_builds()
    assert len(notified) == len(set(notified)) == 4 * 7


async def pipelines_seen(poll_harness: BitrisePollHarness, channel: str = "C1") -> list[str | None]:
    """Return the pipeline of each build queued for the channel, in order."""
    notifications = await poll_harness.storage.outbox.due(
        make_recipient(channel), 1000, poll_harness.clock() + timedelta(days=2)
    )
    return [
        notification.build.pipeline.id if notification.build.pipeline else None
        for notification in notifications
    ]


def count_pipeline_lists(poll_harness: BitrisePollHarness) -> int:
    return sum(request.path.endswith("/pipelines") for request in poll_harness.sandbox.requests)


async def test_a_pipeline_is_recognized_after_ordinary_builds_with_a_bounded_number_of_requests(
    poll_harness: BitrisePollHarness,
) -> None:
    """The list of all builds does not name the pipeline, and the app had none when its pipelines were last listed."""
    await poll_harness.subscribe(poll_harness.sandbox.android)
    await poll_harness.poll()
    poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android))
    await poll_harness.poll()
    pipeline = poll_harness.sandbox.start_pipeline(
        poll_harness.sandbox.android, stages=[["unit"], ["deploy"]]
    )
    for name in ("unit", "deploy"):
        pipeline.builds[name].finish("success", poll_harness.clock())
        poll_harness.sandbox.state.advance(poll_harness.clock())
        await poll_harness.poll()
    assert await pipelines_seen(poll_harness) == [None, pipeline.slug, pipeline.slug]
    idle = poll_harness.requests()
    await poll_harness.poll()
    assert poll_harness.requests() == idle + 1

    await poll_harness.subscribe(poll_harness.sandbox.ios, channel="C2")
    before = count_pipeline_lists(poll_harness)
    poll_harness.freeze()
    for _ in range(MAX_PIPELINE_LISTS + 5):
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
        await poll_harness.poll()
    assert count_pipeline_lists(poll_harness) == before + MAX_PIPELINE_LISTS
    later = poll_harness.sandbox.start_pipeline(poll_harness.sandbox.ios, stages=[["unit"]])
    later.builds["unit"].finish("error", poll_harness.clock())
    assert (await poll_harness.poll()).running
    assert len(await pipelines_seen(poll_harness, "C2")) == MAX_PIPELINE_LISTS
    poll_harness.clock.skip(PIPELINE_LIST_INTERVAL)
    await poll_harness.poll()
    assert await pipelines_seen(poll_harness, "C2") == [*[None] * (MAX_PIPELINE_LISTS + 5), later.slug]
    assert count_pipeline_lists(poll_harness) == before + MAX_PIPELINE_LISTS + 1
    # Later ordinary builds do not hide a pipeline in the list.
    hidden = poll_harness.sandbox.start_pipeline(poll_harness.sandbox.ios, stages=[["unit"]])
    for _ in range(15):
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.ios))
    hidden.builds["unit"].finish("error", poll_harness.clock())
    await poll_harness.poll()
    assert hidden.slug in await pipelines_seen(poll_harness, "C2")


async def follow(poll_harness: BitrisePollHarness, app: SandboxApp, ref: PipelineRef) -> None:
    """Follow a pipeline that a person has started in the channel."""
    run = StartedRun(
        app=App(provider=BITRISE, slug=app.slug, title=app.title),
        terms=NotificationRule(
            filter=BuildFilter(attempts=frozenset({ref.key})), style=DeliveryStyle.LIVE, once=True, run=True
        ),
        key="k",
        subject=str(pipeline_run_key(ref.key)),
        content=Message("anna started it").encode(),
        note=RunNote(by="U1", said="started it").encode(),
    )
    await poll_harness.storage.of("T1").subscriptions.follow(
        run,
        channel="C1",
        by="U1",
        at=poll_harness.clock(),
        baseline=Baseline(at=poll_harness.clock()),
        scope=Scope(),
    )


async def test_a_pipeline_started_from_slack_is_read_even_if_the_budget_is_used_up(
    poll_harness: BitrisePollHarness,
) -> None:
    poll_harness.freeze()
    await poll_harness.subscribe(poll_harness.sandbox.android, channel="C2")
    for _ in range(MAX_PIPELINE_LISTS + 1):
        poll_harness.sandbox.finish(poll_harness.sandbox.start_build(poll_harness.sandbox.android))
        await poll_harness.poll()
    pipeline = poll_harness.sandbox.start_pipeline(
        poll_harness.sandbox.android, stages=[["unit"], ["deploy"]]
    )
    await follow(poll_harness, poll_harness.sandbox.android, PipelineRef(id=pipeline.slug))
    pipeline.builds["unit"].finish("success", poll_harness.clock())
    await poll_harness.poll()
    assert set(await pipelines_seen(poll_harness)) == {pipeline.slug}
    pipeline.builds["deploy"].finish("success", poll_harness.clock())
    await poll_harness.poll()
    assert set(await pipelines_seen(poll_harness)) == {pipeline.slug}
    assert await poll_harness.notified_builds() == [
        "Sample Android #22",
        "Sample Android #23",
        "Sample Android #23",
    ]
    # An ended pipeline is no longer requested, and soon neither is one that does not exist.
    await follow(poll_harness, poll_harness.sandbox.android, PipelineRef(id="0123456789abcdef"))
    for _ in range(POLLS_UNTIL_LISTED + 2):
        await poll_harness.poll()
    paths = [request.path for request in poll_harness.sandbox.requests]
    assert sum(path.endswith("/pipelines/0123456789abcdef") for path in paths) == POLLS_UNTIL_LISTED
    assert sum(path.endswith(pipeline.slug) for path in paths) == 2


async def test_a_build_waits_for_the_pipeline_that_it_names_but_not_forever(
    poll_harness: BitrisePollHarness,
) -> None:
    poll_harness.sandbox.fault("GET /v0.1/builds", "status", status=403, times=100)
    await poll_harness.subscribe(poll_harness.sandbox.android)
    pipeline = poll_harness.sandbox.start_pipeline(poll_harness.sandbox.android, stages=[["unit"]])
    pipeline.builds["unit"].finish("error", poll_harness.clock())
    poll_harness.sandbox.state.pipelines.remove(pipeline)
    await poll_harness.poll()
    assert await pipelines_seen(poll_harness) == []
    poll_harness.sandbox.state.pipelines.append(pipeline)
    await poll_harness.poll()
    assert await pipelines_seen(poll_harness) == [pipeline.slug]
    lost = poll_harness.sandbox.start_pipeline(poll_harness.sandbox.android, stages=[["unit"]])
    lost.builds["unit"].finish("error", poll_harness.clock())
    poll_harness.sandbox.state.pipelines.remove(lost)
    for _ in range(3):
        await poll_harness.poll()
    # A pipeline that is never listed delays its builds only for a while.
    assert await pipelines_seen(poll_harness) == [pipeline.slug, None]


async def test_a_pipeline_that_ends_before_it_has_a_build_is_reported_to_the_person_who_started_it(
    poll_harness: BitrisePollHarness,
) -> None:
    pipeline = poll_harness.sandbox.start_pipeline(
        poll_harness.sandbox.android, stages=[["unit"], ["deploy"]]
    )
    for build in pipeline.builds.values():
        poll_harness.sandbox.state.builds.remove(build)
    # Its first workflow waits for its build, but no machine is free.
    pipeline.builds.clear()
    pipeline.abort_reason = "no machine"
    poll_harness.sandbox.fault("GET */pipelines/*", "status", status=404)
    await follow(poll_harness, poll_harness.sandbox.android, PipelineRef(id=pipeline.slug))
    await poll_harness.poll()
    [message] = await poll_harness.storage.slack_messages.unfinished(make_recipient("C1"))
    assert message.content == Message("anna started it").encode()
    await poll_harness.poll()
    [message] = await poll_harness.storage.slack_messages.unfinished(make_recipient("C1"))
    assert message.content is not None
    live_message = Message.decode(message.content)
    assert "started it" in live_message.text
    assert "release-train #1 was aborted" in live_message.text
    assert "no machine" in message.content
    count = "SELECT COUNT(*) FROM subscriptions"
    assert await poll_harness.storage.database.read(lambda db: db.execute(count).fetchone()) == (0,)
    await poll_harness.poll()
    assert sum(request.path.endswith(pipeline.slug) for request in poll_harness.sandbox.requests) == 2


@pytest.mark.parametrize(("public", "expected"), [(True, [1, 2, 3]), (None, [1, 1, 2]), (False, [0, 0, 0])])
async def test_build_requests_of_a_possibly_private_app_are_polled_rarely(
    poll_harness: BitrisePollHarness, public: bool | None, expected: list[int]
) -> None:
    app = App(provider=BITRISE, slug=poll_harness.sandbox.android.slug, title="Sample Android", public=public)
    subscriptions = poll_harness.storage.of("T1").subscriptions
    await subscriptions.add(
        channel="C1", app=app, terms=NotificationRule(), by="U1", at=poll_harness.clock(), baseline=None
    )
    approvals = BuildRequestPoller(
        poll_harness.bitrise,
        poll_harness.storage,
        every_seconds=1,
        clock=poll_harness.clock,
    )
    counts = []
    for minutes in (0, 30, 31):
        poll_harness.clock.skip(timedelta(minutes=minutes))
        await approvals.poll_some()
        counts.append(
            sum(request.path.endswith("/build-requests") for request in poll_harness.sandbox.requests)
        )
    assert counts == expected
    # An app with an open build request is polled as often as any other.
    poll_harness.sandbox.add_build_request(poll_harness.sandbox.android, 12)
    for _ in range(2):
        poll_harness.clock.skip(timedelta(minutes=61))
        await approvals.poll_some()
    poll_harness.clock.skip(timedelta(minutes=1))
    poll_harness.sandbox.state.requests.clear()
    await approvals.poll_some()
    open_requests = await poll_harness.storage.build_requests.open(BITRISE, app.slug)
    assert list(open_requests) == []
    total_requests = sum(
        request.path.endswith("/build-requests") for request in poll_harness.sandbox.requests
    )
    assert total_requests == (expected[-1] + 3 if public is not False else 0)
