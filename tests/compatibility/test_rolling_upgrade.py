"""Bots of an earlier version and of this one at the same time on one database, as in an update without interruption."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import psycopg
import pytest

from bot.manifest import manifest
from sandbox.bot_process import BotProcess, ChildProcess
from sandbox.environment import SandboxEnvironment
from sandbox.faults import Fault
from tests.support.bot_harness import DEADLINE_SECONDS, WorkspaceHarness
from tests.support.earlier_release import EARLIER_COMMIT, check_out, has_commit
from tests.support.forked_bot import ForkedBot
from tests.support.postgres import PostgresServer

SETTINGS = {"POLL_INTERVAL": "0.3", "POLL_INTERVAL_ACTIVE": "0.2", "SERVICE_TOKEN_ACTS": "1"}


class EarlierBot(BotProcess):
    """A bot of the earlier commit, with the libraries of this one."""

    source: ClassVar[Path]

    async def _spawn(self, environment: dict[str, str]) -> ChildProcess:
        return await super()._spawn(environment | {"PYTHONPATH": str(self.source)})


def apply_later_migration(url: str) -> None:
    """Expand the schema as a later version may, which neither of the bots knows."""
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE notifications ADD COLUMN later TEXT NOT NULL DEFAULT ''")
        connection.execute("CREATE TABLE later (id BIGINT PRIMARY KEY)")
        connection.execute(
            "INSERT INTO buildbell_migrations (name, applied_at, is_expanding) VALUES ('m999_later', 'now', 1)"
        )


class Upgrade(WorkspaceHarness):
    """One channel that is subscribed to builds, and builds that end one after the other."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        super().__init__(environment.slack)
        self._bitrise = environment.bitrise
        self._ended = 0

    def finish_build(self) -> None:
        self._bitrise.finish(self._bitrise.start_build(self._bitrise.android), "success")
        self._ended += 1

    async def all_notified(self) -> None:
        """Wait for the last build, and check that each was notified once, and in order."""
        await self.wait_until(lambda: str(self._ended) in self._notified())
        assert self._notified() == [str(number) for number in range(1, self._ended + 1)]

    def _notified(self) -> list[str]:
        """Return the numbers of the builds in the messages; the earlier release says "succeeded"."""
        lines = [self.message_text(post).split("\n")[0] for post in self.messages_with("Android #")]
        results = [line.split("#")[1].partition(" ") for line in lines if "✅" in line]
        return [number for number, _, result in results if result in ("passed", "succeeded")]


async def test_builds_are_notified_once_and_in_order_while_bots_are_replaced(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    if not has_commit(EARLIER_COMMIT):
        pytest.skip(f"needs the git history with the commit {EARLIER_COMMIT}")
    check_out(EARLIER_COMMIT, tmp_path)
    EarlierBot.source = tmp_path
    url = postgres.new_database(migrated=False)
    async with SandboxEnvironment(manifest(), EarlierBot, deadline_seconds=DEADLINE_SECONDS) as environment:
        await environment.start(settings=SETTINGS, database_url=url)
        upgrade, earlier = Upgrade(environment), environment.bot
        assert list((tmp_path / "services").rglob("*.pyc"))  # it runs the earlier code
        await upgrade.ask("/bitrise subscribe android", "subscribed this channel")
        upgrade.finish_build()
        await upgrade.all_notified()

        later = await ForkedBot(environment.settings, environment.folder).start()
        await later.wait_for("ready")
        try:
            await environment.slack.wait_for_app(connections=4, seconds=60)
            # What one bot is sending the other one must not send, too.
            environment.slack.api.faults.active.extend(
                Fault("chat.postMessage", "slow", seconds=0.5) for _ in range(8)
            )
            for _ in range(4):  # one over each connection
                upgrade.finish_build()
                await upgrade.ask("/bitrise list", "Sample Android")
            await upgrade.all_notified()

            apply_later_migration(url)
            for _ in range(3):
                upgrade.finish_build()
                await upgrade.ask("/bitrise list", "Sample Android")
            assert await earlier.stop() == 0
            upgrade.finish_build()
            await upgrade.all_notified()
        finally:
            assert await later.stop() == 0
        assert environment.slack.violations == []
    postgres.drop_database(url)
