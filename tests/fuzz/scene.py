"""The town in which is fuzzed: over HTTP, with people who have linked their accounts, at no pace but its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from handlers.listening import Listening
from tests.fuzz.evidence import Ear, Evidence, broken_lines, listening_in
from tests.fuzz.sending import Sender
from tests.town import Town, open_town

PEOPLE = ("anna", "ben", "carla")
# What is started of the second app needs a second person.
POLICY = """
[[rule]]
protect = ["trigger"]
apps = ["bitrise-samples/sample-ios"]
"""
NO_TIME = timedelta(-1)
WEBHOOK_SECRET = "a-secret-in-the-address-of-the-webhook"


@dataclass
class Scene:
    """A town, what its bot lets out, and how to wait for it."""

    town: Town
    listening: Listening
    ear: Ear
    evidence: Evidence
    sender: Sender

    async def rest(self) -> None:
        """Wait until the bot has answered everything. Raises TimeoutError."""
        async with asyncio.timeout(30):
            await self.listening.drain()

    async def is_well(self) -> None:
        """Assert that the bot answers somebody as it always did, and put right what the examples have undone."""
        town = self.town
        for channel in town.slack.workspace.channels.values():
            del channel.posts[:-20]
        for person in PEOPLE:
            town.slack.workspace.views.pop(f"U0{person.upper()}", None)
        await self._link_again()
        if not await town.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL"):
            await town.ask("/bitrise subscribe android", "subscribed")
        await town.ask("/bitrise help", "What you can type")
        await town.ask("/bitrise status android", "Sample Android")

    async def _link_again(self) -> None:
        linked = {person for (person,) in await self.town.rows("SELECT user_id FROM accounts")}
        for person in PEOPLE:
            if f"U0{person.upper()}" not in linked:
                await self.town.connect(person)

    async def accounts(self) -> dict[str, str]:
        """Who is who at Bitrise."""
        return {
            str(user): str(name) for user, name in await self.town.rows("SELECT user_id, name FROM accounts")
        }

    def nothing_is_broken(self, lines: Sequence[str]) -> None:
        """Raises AssertionError where one of the log's lines tells of something broken."""
        broken = broken_lines(lines)
        assert not broken, "\n".join(broken)[-3000:].replace("\\n", "\n")


@contextmanager
def scene_in(
    runner: asyncio.Runner, folder: Path, *, poll_interval: str = "0.2", signing: str = ""
) -> Iterator[Scene]:
    """A town in the runner's loop, without Slack's and the bot's own pace, so that much can be tried in a minute.

    The bot looks at Bitrise so often by itself, and checks its webhook's signatures with `signing` if that is given.
    """
    opening = _open_scene(folder, poll_interval, signing)
    scene = runner.run(opening.__aenter__())
    try:
        yield scene
    finally:
        runner.run(opening.__aexit__(None, None, None))


@asynccontextmanager
async def _open_scene(folder: Path, poll_interval: str, signing: str) -> AsyncIterator[Scene]:
    (folder / "bot").mkdir()
    (folder / "policy.toml").write_text(POLICY)
    made: list[Listening] = []

    def remembered(*given: Any) -> Listening:
        made.append(Listening(*given))
        return made[-1]

    with (
        listening_in() as ear,
        patch("bot.app.Listening", remembered),
        patch("handlers.homes.PUBLISHED_A_MINUTE", 1_000_000),
        # What was read a moment ago is read anew, so that each example is heard of.
        patch("handlers.directory.FRESH", NO_TIME),
        patch("handlers.directory.FRESH_ENOUGH_FOR_A_MISS", NO_TIME),
        patch("handlers.visible.FRESH", NO_TIME),
        patch("handlers.visible.FRESH_ENOUGH_FOR_A_MISS", NO_TIME),
        patch("handlers.choices.FRESH", NO_TIME),
        patch("handlers.overview.FRESH", NO_TIME),
        patch("handlers.expecting.FRESH", NO_TIME),
    ):
        async with open_town(
            folder / "bot",
            http=True,
            service_token_acts="0",
            policy_file=str(folder / "policy.toml"),
            webhook_secret=WEBHOOK_SECRET,
            bitrise_webhook_secret=signing,
            poll_interval=poll_interval,
            poll_interval_active=poll_interval,
        ) as town:
            town.slack.rates.wait = lambda *_: 0  # type: ignore[method-assign]
            await town.connect(*PEOPLE)
            sender = Sender(town)
            try:
                yield Scene(town, made[-1], ear, Evidence(town, ear), sender)
            finally:
                await sender.close()


class Tally:
    """How often something came, to be printed at the end: a test that tries nothing should show it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, what: object) -> None:
        """Once more."""
        self.counts[str(what)] += 1

    def __str__(self) -> str:
        return ", ".join(f"{what}: {count}" for what, count in self.counts.most_common())
