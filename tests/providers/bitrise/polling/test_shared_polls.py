"""Two bots that poll the simulated Bitrise with the same token, on one PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.build import App
from domain.credentials import FixedToken
from domain.notifications.rule import NotificationRule
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.build_requests.poller import BuildRequestPoller
from providers.bitrise.polling.source import BitriseBuildSource, read_baseline
from providers.bitrise.provider import BITRISE
from providers.http.transport import HttpTransport
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.bitrise.state import App as SandboxApp
from sandbox.clock import Clock
from services.polling.poll import Poll, PollOutcome
from services.polling.poll_schedule import PollEnd, PollSchedule
from storage.repositories import Repositories
from tests.support.factories import make_recipient
from tests.support.postgres import PostgresServer
from tests.support.repositories import make_poll_recorder
from tests.support.shared_database import open_repositories

FINGERPRINT = "bitrise:test"


class Bot:
    """A bot that polls Bitrise, whenever a test asks it to: the clock is then late enough."""

    def __init__(self, storage: Repositories, bitrise: BitriseClient, clock: Clock) -> None:
        self.storage, self.clock = storage, clock
        storage.polls.time = lambda _db: clock()
        self._bitrise = bitrise
        self._schedule = PollSchedule(storage, BITRISE, FINGERPRINT)
        self._poll = Poll(
            BitriseBuildSource(bitrise, clock=clock),
            storage,
            make_poll_recorder(storage.database),
            token=FINGERPRINT,
            clock=clock,
            max_apps=2,
            schedule=self._schedule,
        )

    async def poll(self) -> PollOutcome:
        outcomes = []

        async def poll() -> PollEnd:
            outcomes.append(await self._poll())
            return PollEnd(self._schedule.current, 0, 0)

        self.clock.skip(timedelta(minutes=1))
        await self._schedule.run(poll)
        [outcome] = outcomes
        return outcome

    async def subscribe(self, app: SandboxApp) -> None:
        await self.storage.of("T1").subscriptions.add(
            channel="C1",
            app=App(provider=BITRISE, slug=app.slug, title=app.title, public=True),
            terms=NotificationRule(),
            by="U1",
            at=self.clock(),
            baseline=await read_baseline(self._bitrise, app.slug),
        )

    async def notified_builds(self) -> list[str]:
        due = await self.storage.outbox.due(make_recipient("C1"), 1000, self.clock())
        return [f"{notification.app.title} {notification.build.label}" for notification in due]


class Bots:
    def __init__(self, sandbox: BitriseSimulator, bitrise: BitriseClient, bots: list[Bot]) -> None:
        self.sandbox, self.bitrise = sandbox, bitrise
        self.first, self.second = bots


@pytest.fixture
async def bots(postgres: PostgresServer) -> AsyncIterator[Bots]:
    clock = Clock()
    sandbox = await BitriseSimulator(now=clock).start()
    async with HttpTransport() as http, open_repositories(postgres) as repositories:
        bitrise = BitriseClient(
            http,
            credentials=FixedToken(SecretStr(TOKEN)),
            base_url=sandbox.api_url,
            clock=clock,
            deadline=timedelta(0),
        )
        yield Bots(sandbox, bitrise, [Bot(storage, bitrise, clock) for storage in repositories])
    await sandbox.close()


async def test_a_bot_polls_what_another_one_was_asked_for(bots: Bots) -> None:
    await bots.first.subscribe(bots.sandbox.android)
    await bots.first.poll()
    await bots.second.subscribe(bots.sandbox.ios)
    for app in (bots.sandbox.android, bots.sandbox.ios):
        bots.sandbox.finish(bots.sandbox.start_build(app))
    await bots.first.poll()
    await bots.first.poll()
    assert sorted(await bots.first.notified_builds()) == ["Sample Android #1", "Sample iOS #1"]
    # Nobody wants it any more.
    [subscription, _] = await bots.second.storage.of("T1").subscriptions.of_channel("C1")
    await bots.second.storage.of("T1").subscriptions.remove(subscription)
    bots.sandbox.finish(bots.sandbox.start_build(bots.sandbox.android))
    bots.sandbox.requests.clear()
    await bots.first.poll()
    assert all(bots.sandbox.android.slug not in request.path for request in bots.sandbox.requests)


async def test_polls_in_turn_tell_each_build_once_and_forget_a_deleted_one_in_time(bots: Bots) -> None:
    await bots.first.subscribe(bots.sandbox.android)
    deleted = bots.sandbox.start_build(bots.sandbox.android, ends_as=None)
    for number in range(2, 5):
        await bots.first.poll()
        bots.sandbox.finish(bots.sandbox.start_build(bots.sandbox.android))
        await bots.second.poll()
        assert await bots.first.notified_builds() == [f"Sample Android #{n}" for n in range(2, number + 1)]
    await bots.first.poll()
    bots.sandbox.state.builds.remove(deleted)
    # Each has missed it three times, both together six times.
    outcomes = [await bot.poll() for _ in range(3) for bot in (bots.first, bots.second)]
    assert [outcome.running for outcome in outcomes] == [True] * 4 + [False] * 2


async def test_apps_take_turns_whichever_bot_polls(bots: Bots) -> None:
    apps = [bots.sandbox.state.add_app(f"App {number}", "acme", f"app-{number}") for number in range(6)]
    for app in apps:
        await bots.first.subscribe(app)
    bots.sandbox.requests.clear()
    for bot in (bots.first, bots.second, bots.first):
        await bot.poll()
    read = [
        request.path
        for request in bots.sandbox.requests
        if request.path.startswith("/v0.1/apps/") and request.path.endswith("/builds")
    ]
    assert len(set(read)) == len(read) == 6


async def test_one_bot_looks_for_build_requests(bots: Bots) -> None:
    await bots.first.subscribe(bots.sandbox.android)
    pollers = [
        BuildRequestPoller(bots.bitrise, bot.storage, every_seconds=30, clock=bot.clock)
        for bot in (bots.first, bots.second)
    ]
    for poller in (*pollers, *pollers):
        assert (await poller.run_once() or 0) > 10
    asked = [request for request in bots.sandbox.requests if request.path.endswith("/build-requests")]
    assert len(asked) == 1
