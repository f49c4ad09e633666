"""The simulated Build.io, polled over real sockets, and the channel's notifications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.build import App
from domain.credentials import FixedToken
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.provider_errors import ProviderDown, RateLimited
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.buildio.provider import BUILDIO
from providers.http.pauses import TokenPauses
from providers.http.transport import HttpTransport
from sandbox.buildio.members import TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.notification_harness import NotificationHarness, notification_harness


class BuildioPollHarness:
    """A `watch` that is subscribed to the app "shop"."""

    def __init__(self, sandbox: BuildioSimulator, clock: Clock, watch: NotificationHarness) -> None:
        self.sandbox, self.clock, self.watch = sandbox, clock, watch
        self.shop = App(provider=BUILDIO, slug=sandbox.shop.id, title="shop")

    async def poll_repeatedly(self, *, seconds: int = 30, times: int = 1) -> None:
        """Let time pass, and poll after each part of it."""
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
            pauses=TokenPauses(timer=lambda: clock().timestamp()),
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


async def test_the_state_at_the_subscription_is_not_notified(shop: BuildioPollHarness) -> None:
    await shop.poll_repeatedly(times=3)
    assert shop.watch.first_lines == []


async def test_a_deployment_is_notified_at_its_end_with_build_ios_reason(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop, fails="Build failed: npm ERR! missing script: build")
    for _ in range(8):
        await shop.poll_repeatedly()
    assert shop.watch.first_lines == ["❌ shop deployment v2 failed"]
    assert "npm ERR! missing script" in shop.watch.message_text()
    assert "main" in shop.watch.message_text()


async def test_a_start_is_notified_if_subscribed(harness: BuildioPollHarness) -> None:
    await harness.watch.subscribe(harness.shop, NotificationRule(style=DeliveryStyle.LIVE))
    harness.sandbox.deploy(harness.sandbox.shop)
    await harness.poll_repeatedly(seconds=15)
    [builds] = harness.watch.first_lines
    assert builds.startswith("▶️ shop deployment v2 is running · since ")
    assert "running for 15s, as of " in harness.watch.message_text()
    await harness.poll_repeatedly(times=6)
    assert harness.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_polls_are_frequent_while_a_deployment_runs_and_rare_otherwise(
    shop: BuildioPollHarness,
) -> None:
    assert not (await shop.watch.poll()).running
    shop.sandbox.deploy(shop.sandbox.shop)
    assert (await shop.watch.poll()).running
    shop.clock.skip(timedelta(minutes=5))
    assert not (await shop.watch.poll()).running


async def test_a_deployment_between_two_polls_is_notified_once(shop: BuildioPollHarness) -> None:
    await shop.watch.poll_and_deliver()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.poll_repeatedly(seconds=600)
    await shop.poll_repeatedly(times=2)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_a_deployment_is_followed_through_a_restart_of_the_bot(shop: BuildioPollHarness) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.poll_repeatedly()
    shop.watch.restart()
    await shop.poll_repeatedly(seconds=600)
    shop.watch.restart()
    await shop.poll_repeatedly()
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_the_last_of_two_deployments_between_two_polls_is_notified(shop: BuildioPollHarness) -> None:
    shop.sandbox.deploy(shop.sandbox.shop, fails="no")
    await shop.poll_repeatedly()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.poll_repeatedly(seconds=900)
    assert shop.watch.first_lines == [
        "❔ shop deployment v2 finished with an unknown result: a newer deployment replaced it",
        "✅ shop deployment v3 succeeded",
    ]


async def test_a_crash_and_its_recovery_are_notified(shop: BuildioPollHarness) -> None:
    shop.sandbox.crash(shop.sandbox.dyno(shop.sandbox.shop, "web.1"))
    await shop.poll_repeatedly(seconds=10)
    assert shop.watch.first_lines == ["💥 shop web.1 crashed"]
    await shop.poll_repeatedly(times=6)
    assert shop.watch.first_lines[1:] == ["✅ shop web.1 recovered"]


async def test_a_restart_loop_and_its_end_are_notified_once(shop: BuildioPollHarness) -> None:
    dyno = shop.sandbox.dyno(shop.sandbox.shop, "web.1")
    await shop.poll_repeatedly()
    shop.sandbox.start_crash_loop(dyno)
    # Polled only while it starts: its crash is never observed.
    await shop.poll_repeatedly(seconds=25)
    await shop.poll_repeatedly(seconds=45, times=8)
    assert shop.watch.first_lines == ["💥 shop web.1 restarts in a loop"]
    shop.sandbox.stop_crash_loop(dyno)
    await shop.poll_repeatedly(times=24)
    assert shop.watch.first_lines[1:] == ["✅ shop web.1 recovered"]


async def test_a_deployment_that_restarts_dynos_is_no_crash(shop: BuildioPollHarness) -> None:
    for _ in range(4):
        shop.sandbox.deploy(shop.sandbox.shop)
        await shop.poll_repeatedly(seconds=20, times=8)
    assert len(shop.watch.first_lines) == 4
    assert not any("web" in line or "worker" in line for line in shop.watch.first_lines)


async def test_requested_restarts_are_no_loop(shop: BuildioPollHarness) -> None:
    dyno = shop.sandbox.dyno(shop.sandbox.shop, "web.1")
    for _ in range(5):
        await shop.watch.storage.watched_builds.record_restart(BUILDIO, shop.shop.slug, "web.1", shop.clock())
        dyno.restarts += 1
        await shop.poll_repeatedly()
    assert shop.watch.first_lines == []


async def test_dynos_that_were_scaled_down_have_not_crashed(shop: BuildioPollHarness) -> None:
    del shop.sandbox.shop.dynos[1:]
    await shop.poll_repeatedly(times=3)
    assert shop.watch.first_lines == []


async def test_a_sparse_response_is_enough_to_observe_an_end(harness: BuildioPollHarness) -> None:
    harness.sandbox.response_options.sparse = True
    await harness.watch.subscribe(harness.shop)
    harness.sandbox.deploy(harness.sandbox.shop, fails="no")
    await harness.poll_repeatedly(times=6)
    harness.sandbox.deploy(harness.sandbox.shop)
    await harness.poll_repeatedly(times=6)
    assert harness.watch.first_lines == ["❌ shop deployment failed", "✅ shop deployment succeeded"]


async def test_an_app_that_is_gone_does_not_block_other_notifications(shop: BuildioPollHarness) -> None:
    gone = App(provider=BUILDIO, slug=shop.sandbox.staging.id, title="shop-staging")
    await shop.watch.subscribe(gone)
    shop.sandbox.deploy(shop.sandbox.staging)
    await shop.poll_repeatedly()
    shop.sandbox.state.apps.remove(shop.sandbox.staging)
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.poll_repeatedly(times=8)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]
    assert not (await shop.watch.poll()).running


async def test_a_pause_requested_by_build_io_ends_the_poll_without_loss(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    shop.clock.skip(timedelta(minutes=5))
    shop.sandbox.fault(f"GET /api/v1/apps/{shop.shop.slug}", "ratelimited", seconds=30)
    with pytest.raises(RateLimited) as limited:
        await shop.watch.poll_and_deliver()
    assert limited.value.until is not None
    await shop.poll_repeatedly(seconds=60)
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_unlisted_dynos_leave_the_poll_unfinished_without_loss(
    shop: BuildioPollHarness,
) -> None:
    shop.sandbox.deploy(shop.sandbox.shop)
    shop.clock.skip(timedelta(minutes=5))
    shop.sandbox.fault(f"GET /api/v1/apps/{shop.shop.slug}/dynos/list", "status", status=500)
    with pytest.raises(ProviderDown):
        await shop.watch.poll_and_deliver()
    await shop.poll_repeatedly()
    assert shop.watch.first_lines == ["✅ shop deployment v2 succeeded"]


async def test_apps_take_turns_within_the_budget_but_a_deploying_app_comes_first(
    shop: BuildioPollHarness,
) -> None:
    for app in (shop.sandbox.staging, shop.sandbox.review):
        await shop.watch.subscribe(App(provider=BUILDIO, slug=app.id, title=app.name))
    await shop.watch.poll()
    shop.sandbox.deploy(shop.sandbox.shop)
    await shop.watch.poll()
    shop.watch.restart(max_apps=2)
    before = len(shop.sandbox.requests)
    for _ in range(3):
        await shop.watch.poll()
    requested = [request.path.split("/")[4] for request in list(shop.sandbox.requests)[before:]]
    assert len(requested) == 3 * 2 * 2
    assert [
        requested.count(app.id) for app in (shop.sandbox.shop, shop.sandbox.staging, shop.sandbox.review)
    ] >= [
        6,
        2,
        2,
    ]
