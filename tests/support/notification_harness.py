"""A provider's reader, the real watcher's engine, outbox and relay, and the simulated Slack at the end of it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from bot.manifest import manifest
from bot.slack.http_session import slack_session
from domain.build import App
from domain.notifications.changes import compare
from domain.notifications.matching import match
from domain.notifications.rule import Terms
from domain.polling import Reader
from sandbox.slack.server import BOT_TOKEN, SlackSandbox
from services.metrics import Metrics
from services.outbox.dispatcher import Relay
from services.polling.poll import Look, Seen
from services.slack.web_client import SlackClient
from storage.poll_recorder import Recorder
from storage.repositories import Storage
from tests.support.factories import to

CHANNEL = "C0BUILDS"


class Telling:
    """One channel that is told; `restart` is what a kill and a new start of the bot do to whoever looks."""

    def __init__(
        self,
        slack: SlackSandbox,
        client: SlackClient,
        storage: Storage,
        reader: Callable[[], Reader],
        clock: Callable[[], datetime],
    ) -> None:
        self.slack, self.storage, self.clock = slack, storage, clock
        self._reader = reader
        keys = itertools.count(1)
        self._relay = Relay(
            lambda _team: client,
            storage,
            counts=Metrics(),
            clock=clock,
            new_key=lambda: f"parcel-{next(keys)}",
        )
        self.restart()

    def restart(self, *, most_apps: int = 100) -> None:
        self.reader = self._reader()
        recorder = Recorder(self.storage.database, compare=compare, match=match)
        self.look = Look(
            self.reader, self.storage, recorder, token="t", clock=self.clock, most_apps=most_apps
        )

    async def subscribe(self, app: App, terms: Terms = Terms()) -> None:
        await self.storage.of("T1").subscriptions.add(
            channel=CHANNEL,
            app=app,
            terms=terms,
            by="U1",
            at=self.clock(),
            baseline=await self.reader.baseline(app.slug),
        )

    async def look_and_tell(self) -> Seen:
        seen = await self.look()
        await self._relay.deliver(to(CHANNEL))
        return seen

    @property
    def told(self) -> list[str]:
        """The first line of each message."""
        return [self.words(place).split("\n")[0] for place in range(len(self.slack.posts("builds")))]

    def words(self, place: int = -1) -> str:
        """All of one message."""
        return self.slack.words(self.slack.posts("builds")[place])


@asynccontextmanager
async def telling(
    storage: Storage, reader: Callable[[], Reader], clock: Callable[[], datetime]
) -> AsyncIterator[Telling]:
    """Open it; at the end no rule of Slack may have been broken."""
    slack = await SlackSandbox(manifest(), lambda: clock().timestamp()).start()
    try:
        async with slack_session() as session:
            client = SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
            yield Telling(slack, client, storage, reader, clock)
            assert slack.violations == []
    finally:
        await slack.close()
