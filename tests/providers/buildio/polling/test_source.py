"""The simulated Build.io, looked at over real sockets, and what a channel is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.build import App
from domain.credentials import FixedToken
from domain.errors import ProviderDown, RateLimited
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.http.transport import HttpTransport
from sandbox.buildio.members import TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.notification_harness import NotificationHarness, notification_harness


class BuildioPollHarness:
    """`watch` is told of the app called shop."""

    def __init__(self, sandbox: BuildioSimulator, clock: Clock, watch: NotificationHarness) -> None:
        self.sandbox, self.clock, self.watch = sandbox, clock, watch
        self.shop = App(provider=Provider.BUILDIO, slug=sandbox.shop.id, title="shop")

    async def go_on(self, *, seconds: int = 30, times: int = 1) -> None:
        """Let time pass, and look after each part of it."""
        for _ in range(times):
            self.clock.skip(timedelta(seconds=seconds))
            await self.watch.poll_and_deliver()


@pytest.fixture
async def harness(repositories: Repositories) -> AsyncIterator[BuildioPollHarness]:
    clock = Clock(lambda: NOON)
    sandbox = await BuildioSimulator(now=clock).start()
    async with HttpTransport() as http:
        client = BuildioClient(
            http,
            credentials=FixedToken(SecretStr(TOKEN)),
            base_url=sandbox.api_url,
            clock=clock,
            deadline=timedelta(0),
        )
        async with notification_harness(
            repositories, lambda: BuildioBuildSource(client, clock=clock), clock
        ) as watch:
            yield BuildioPollHarness(sandbox, clock, watch)
    assert sandbox.violations == []
    await sandbox.close()


@pytest.fixture
async def shop(harness: BuildioPollHarness) -> BuildioPollHarness:
    await harness.watch.subscribe(harness.shop)
    return harness


async def test_what_is_there_at_the_subscription_is_told_of_nobody(shop: BuildioPollHarness) -> None:
    await shop.go_on(times=3)
    assert shop.watch.first_lines == []


async def test_a_deployment_is_told_when_it_ends_with_the_reason_that_build_io_gives(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop, fails="Build failed: npm ERR! missing script: build")
    for _ in range(8):
        await shop.go_on()
    assert shop.watch.first_lines == ["❌ shop deployment v2 failed"]
    assert "npm ERR! missing script" in shop.watch.message_text()
    assert "main" in shop.watch.message_text()


async def test_a_start_is_told_where_it_is_asked_for(harness: BuildioPollHarness) -> None:
    await harness.watch.subscribe(harness.shop, NotificationRule(style=DeliveryStyle.LIVE))
    harness.sandbox.deploy(harness.sandbox.shop)
    await harness.go_on(seconds=15)
    [said] = harness.watch.first_lines
    assert said.startswith("▶️ shop deployment v2 is running since ")
    assert "running for 15 s, as of " in harness.watch.message_text()
    await harness.go_on(times=6)
    assert harness.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_the_looks_are_quick_while_a_deployment_runs_and_slow_at_rest(shop: BuildioPollHarness) -> None:
    assert not (await shop.watch.poll()).running
    shop.sandbox.deploy(shop.sandbox.shop)
    assert (await shop.watch.poll()).running
    shop.clock.skip(timedelta(minutes=5))
    assert not (await shop.watch.poll()).running


async def test_a_deployment_between_two_looks_is_told_once(shop: BuildioPollHarness) -> None:
    await shop.watch.poll_and_deliver()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.go_on(seconds=600)
    await shop.go_on(times=2)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_a_deployment_goes_on_through_a_restart_of_the_bot(shop: BuildioPollHarness) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.go_on()
    shop.watch.restart()
    await shop.go_on(seconds=600)
    shop.watch.restart()
    await shop.go_on()
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_of_two_deployments_between_two_looks_the_last_is_told(shop: BuildioPollHarness) -> None:
    shop.sandbox.deploy(shop.sandbox.shop, fails="no")
    await shop.go_on()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.go_on(seconds=900)
    assert shop.watch.first_lines == [
        "❔ shop deployment v2 ended, and another one began before I saw how",
        "✅ shop deployment v3 succeeded",
    ]


async def test_a_crash_and_the_recovery_from_it_are_told(shop: BuildioPollHarness) -> None:
    shop.sandbox.crash(shop.sandbox.dyno(shop.sandbox.shop, "web.1"))
    await shop.go_on(seconds=10)
    assert shop.watch.first_lines == ["💥 shop web.1 crashed"]
    await shop.go_on(times=6)
    assert shop.watch.first_lines[1:] == ["✅ shop web.1 is up again"]


async def test_restarts_in_a_loop_are_told_once_and_so_is_their_end(shop: BuildioPollHarness) -> None:
    dyno = shop.sandbox.dyno(shop.sandbox.shop, "web.1")
    await shop.go_on()
    shop.sandbox.start_crash_loop(dyno)
    # Looked at only while it starts: that it has crashed is never seen.
    await shop.go_on(seconds=25)
    await shop.go_on(seconds=45, times=8)
    assert shop.watch.first_lines == ["💥 shop web.1 restarts in a loop"]
    shop.sandbox.stop_crash_loop(dyno)
    await shop.go_on(times=24)
    assert shop.watch.first_lines[1:] == ["✅ shop web.1 is up again"]


async def test_a_deployment_that_restarts_dynos_is_no_crash(shop: BuildioPollHarness) -> None:
    for _ in range(4):
        shop.sandbox.deploy(shop.sandbox.shop)
        await shop.go_on(seconds=20, times=8)
    assert len(shop.watch.first_lines) == 4
    assert not any("web" in line or "worker" in line for line in shop.watch.first_lines)


async def test_restarts_that_were_asked_for_are_no_loop(shop: BuildioPollHarness) -> None:
    dyno = shop.sandbox.dyno(shop.sandbox.shop, "web.1")
    for _ in range(5):
        await shop.watch.storage.watched_builds.record_restart(
            Provider.BUILDIO, shop.shop.slug, "web.1", shop.clock()
        )
        dyno.restarts += 1
        await shop.go_on()
    assert shop.watch.first_lines == []


async def test_dynos_that_were_scaled_down_have_not_crashed(shop: BuildioPollHarness) -> None:
    del shop.sandbox.shop.dynos[1:]
    await shop.go_on(times=3)
    assert shop.watch.first_lines == []


async def test_a_sparse_answer_is_enough_to_see_an_end(harness: BuildioPollHarness) -> None:
    harness.sandbox.response_options.sparse = True
    await harness.watch.subscribe(harness.shop)
    harness.sandbox.deploy(harness.sandbox.shop, fails="no")
    await harness.go_on(times=6)
    harness.sandbox.deploy(harness.sandbox.shop)
    await harness.go_on(times=6)
    assert harness.watch.first_lines == ["❌ shop deployment failed", "✅ shop deployment succeeded"]


async def test_an_app_that_is_gone_keeps_nobody_else_from_being_told(shop: BuildioPollHarness) -> None:
    gone = App(provider=Provider.BUILDIO, slug=shop.sandbox.staging.id, title="shop-staging")
    await shop.watch.subscribe(gone)
    shop.sandbox.deploy(shop.sandbox.staging)
    await shop.go_on()
    shop.sandbox.state.apps.remove(shop.sandbox.staging)
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.go_on(times=8)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]
    assert not (await shop.watch.poll()).running


async def test_a_pause_that_build_io_asks_for_ends_the_look_and_loses_nothing(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    shop.clock.skip(timedelta(minutes=5))
    shop.sandbox.fault(f"GET /api/v1/apps/{shop.shop.slug}", "ratelimited", seconds=30)
    with pytest.raises(RateLimited) as limited:
        await shop.watch.poll_and_deliver()
    assert limited.value.until is not None
    await shop.go_on(seconds=60)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_dynos_that_can_not_be_listed_leave_the_look_unfinished_and_nothing_is_lost(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    shop.clock.skip(timedelta(minutes=5))
    shop.sandbox.fault(f"GET /api/v1/apps/{shop.shop.slug}/dynos/list", "status", status=500)
    with pytest.raises(ProviderDown):
        await shop.watch.poll_and_deliver()
    await shop.go_on()
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_apps_take_turns_within_the_budget_but_one_that_deploys_goes_first(
    shop: BuildioPollHarness,
) -> None:
    for app in (shop.sandbox.staging, shop.sandbox.review):
        await shop.watch.subscribe(App(provider=Provider.BUILDIO, slug=app.id, title=app.name))
    await shop.watch.poll()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.watch.poll()
    shop.watch.restart(most_apps=2)
    before = len(shop.sandbox.requests)
    for _ in range(3):
        await shop.watch.poll()
    asked = [one.path.split("/")[4] for one in list(shop.sandbox.requests)[before:]]
    assert len(asked) == 3 * 2 * 2
    assert [
        asked.count(app.id) for app in (shop.sandbox.shop, shop.sandbox.staging, shop.sandbox.review)
    ] >= [
        6,
        2,
        2,
    ]
