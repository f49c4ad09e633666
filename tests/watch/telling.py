"""A provider's reader, the real watcher's engine, outbox and relay, and the simulated Slack at the end of it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from bot.build import App
from bot.manifest import manifest
from bot.metrics import Metrics
from bot.outbox import Relay
from bot.reader import Reader
from bot.slack import SlackClient, slack_session
from bot.terms import Terms
from bot.watch import Look, compare, match
from bot.watch.look import Seen
from sandbox.slack import BOT_TOKEN, SlackSandbox
from storage import Recorder, Storage
from tests.builds import to

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
