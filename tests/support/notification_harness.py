"""A provider's build source, the real poll, outbox and dispatcher, and a simulated Slack that gets the messages."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from bot.manifest import manifest
from domain.build import App
from domain.notifications.rule import NotificationRule
from domain.polling import BuildSource
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.polling.poll import Poll, PollOutcome
from services.slack.web_client import SlackClient, create_slack_session
from storage.repositories import Repositories
from tests.support.factories import make_recipient
from tests.support.presentations import presentation_of
from tests.support.repositories import make_poll_recorder

CHANNEL = "C0BUILDS"


class NotificationHarness:
    """One channel that gets notifications; `restart` recreates the poll, as a restart of the bot does."""

    def __init__(
        self,
        slack: SlackSimulator,
        client: SlackClient,
        repositories: Repositories,
        reader: Callable[[], BuildSource],
        clock: Callable[[], datetime],
    ) -> None:
        self.slack, self.storage, self.clock = slack, repositories, clock
        self._reader = reader
        keys = itertools.count(1)
        self._dispatcher = Dispatcher(
            lambda _team: client,
            repositories,
            counts=Metrics(),
            clock=clock,
            new_key=lambda: f"parcel-{next(keys)}",
            presentation_of=presentation_of,
        )
        self.restart()

    def restart(self, *, max_apps: int = 100) -> None:
        self.reader = self._reader()
        recorder = make_poll_recorder(self.storage.database)
        self.poll = Poll(self.reader, self.storage, recorder, token="t", clock=self.clock, max_apps=max_apps)

    async def subscribe(self, app: App, rule: NotificationRule = NotificationRule()) -> None:
        await self.storage.of("T1").subscriptions.add(
            channel=CHANNEL,
            app=app,
            terms=rule,
            by="U1",
            at=self.clock(),
            baseline=await self.reader.baseline(app.slug),
        )

    async def poll_and_deliver(self) -> PollOutcome:
        outcome = await self.poll()
        await self._dispatcher.deliver(make_recipient(CHANNEL))
        return outcome

    @property
    def first_lines(self) -> list[str]:
        """Return the first line of each message."""
        return [self.message_text(index).split("\n")[0] for index in range(len(self.slack.posts("builds")))]

    def message_text(self, index: int = -1) -> str:
        """Return the whole text of a message."""
        return self.slack.message_text(self.slack.posts("builds")[index])


@asynccontextmanager
async def notification_harness(
    repositories: Repositories, reader: Callable[[], BuildSource], clock: Callable[[], datetime]
) -> AsyncIterator[NotificationHarness]:
    """Run a harness; it fails at the end if a rule of Slack was broken."""
    slack = await SlackSimulator(manifest(), lambda: clock().timestamp()).start()
    try:
        async with create_slack_session() as session:
            client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
            yield NotificationHarness(slack, client, repositories, reader, clock)
            assert slack.violations == []
    finally:
        await slack.close()
