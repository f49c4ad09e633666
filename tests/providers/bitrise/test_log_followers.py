"""How many logs several bots follow together."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from providers.bitrise.logs.follower import MAX_PER_WORKSPACE, CannotFollowLog, LogFollowers
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories


class FakeFollower:
    """A follower of a log that grows until it is told to end."""

    def __init__(self, number: int, person: str) -> None:
        self.team, self.key = "T1", ("T1", person, f"build{number}")
        self.until = NOON
        self.done = False

    async def post(self, until: datetime) -> None:
        self.until = until

    async def update(self) -> None:
        """Nothing is shown."""

    async def stop(self) -> None:
        """Nothing is shown."""


async def test_all_bots_together_follow_as_many_logs_as_slack_allows(postgres: PostgresServer) -> None:
    async with open_repositories(postgres) as bots:
        followers = [LogFollowers(clock=lambda: NOON, seconds_each=0.01) for _ in bots]
        running = [asyncio.create_task(each.run()) for each in followers]

        async def follow(number: int, person: str = "") -> FakeFollower:
            bot = number % 2
            follower = FakeFollower(number, person or f"D{number}")
            storage: Repositories = bots[bot]
            await followers[bot].start(follower, storage)  # type: ignore[arg-type]
            return follower

        started = [await follow(number) for number in range(MAX_PER_WORKSPACE)]
        for number in range(MAX_PER_WORKSPACE, MAX_PER_WORKSPACE + 2):
            with pytest.raises(CannotFollowLog, match="4 logs are already being followed"):
                await follow(number)
        again = FakeFollower(0, "D0")
        with pytest.raises(CannotFollowLog, match="You already follow this log"):
            await followers[1].start(again, bots[1])  # type: ignore[arg-type]
        started[0].done = True
        async with asyncio.timeout(30):
            while True:
                try:
                    await follow(MAX_PER_WORKSPACE + 1)
                except CannotFollowLog:
                    await asyncio.sleep(0.01)
                else:
                    break
        for each in followers:
            each.stop()
        await asyncio.gather(*running)
