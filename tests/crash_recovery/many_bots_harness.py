"""Rounds with several bots on one PostgreSQL server, any of which is killed, paused or cut off; all from one seed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bot.manifest import manifest
from sandbox.environment import SandboxEnvironment
from sandbox.faults import Fault
from tests.crash_recovery.bot_group import BotGroup, Member
from tests.crash_recovery.crash_harness import (
    QUICK,
    CrashHarness,
    Report,
    add_channels,
    restart_database,
)
from tests.crash_recovery.expected_notifications import compare_notifications
from tests.crash_recovery.kill_faults import KillFaults, KillPoint
from tests.crash_recovery.sent_commands import SentCommands
from tests.support.forked_bot import forked_environment
from tests.support.postgres import PostgresServer

# How often each happens in a round.
KILL_AT_POINT, KILL_ANY, KILL_ALL = 0.6, 0.15, 0.04
PAUSE, LONG_PAUSE = 0.3, 0.15
TERMINATE, CLOCK, SLOW = 0.1, 0.15, 1 / 3
# Of the messages in a round with a slow Slack, this part takes longer than another bot needs to take a channel over.
LATE = 0.1
COMMANDS = (0, 1, 1, 2, 3)
LONGEST_RESTART = 3.0
# Every so many rounds: long enough to decide what became of a message, or until everything is delivered.
QUIET_EVERY, QUIET_SECONDS = 9, 15.0
CALM_EVERY, CALM_SECONDS = 25, 150.0
# What is wrongly sent once more comes within this time after the last takeover.
LATE_SECONDS = 16.0
SLACK_DEADLINE = 3.0
# Slack sends an event again at once, after one and five minutes; here, while there are rounds.
RETRIES = (0.0, 4.0, 15.0)

_LOCK_SESSION = """
    SELECT pg_terminate_backend(activity.pid) FROM pg_stat_activity AS activity
    WHERE application_name = %s AND EXISTS (
        SELECT 1 FROM pg_locks WHERE pg_locks.pid = activity.pid AND locktype = 'advisory' AND mode = 'ShareLock')"""
_ALL_OF_BOT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"


@dataclass
class ManyReport(Report):
    """The report of several bots."""

    bots: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    last_words: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        tables = (
            ("processes", self.ends),
            ("commands", self.commands),
            ("not acknowledged", self.refusals),
            ("errors in logs", self.logged),
        )
        lines = [f"{title}: {_join(counter) or 'none'}" for title, counter in tables]
        return "\n".join([f"{self.bots} bots, {super().__str__()}", *lines])

    @property
    def details(self) -> str:
        """Return the log lines of what nobody has caused: errors, and processes that have ended by themselves."""
        return "\n".join([*self.last_words, *(json.dumps(line, ensure_ascii=False) for line in self.errors)])


def _join(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))


class ManyBotsHarness(CrashHarness):
    """Several bots in one environment."""

    def __init__(
        self, environment: SandboxEnvironment, seed: int, database: PostgresServer, group: BotGroup
    ) -> None:
        super().__init__(environment, seed, database)
        self.server = database
        self.group = group
        self.report: ManyReport = ManyReport(seed, 0, bots=len(group.members))
        self.commands = SentCommands(environment)
        group.answered = self._note_answer
        self._disturbing: set[asyncio.Task[None]] = set()
        self._stuck: list[str] = []

    def _note_answer(self, body: bytes, bot: int, status: int) -> None:
        pid = self.group.members[bot - 1].pid if bot else 0
        self.commands.note_answer(body, bot, pid, status)

    async def play(self, rounds: int) -> ManyReport:
        """Play all rounds, and compare."""
        self.environment.slack.users.delivery.deadline_seconds = SLACK_DEADLINE
        self.environment.slack.users.delivery.retries_after = RETRIES
        await super().play(rounds)
        members = self.group.members
        found = self.commands.compare(lambda bot, pid: pid in members[bot - 1].lossy)
        self.report.result.problems += self._stuck + found.problems
        self.report.commands = found.outcomes
        self.report.refusals = self.commands.refusals
        self.report.ends, self.report.logged = self.group.counts, self.group.logged
        self.report.last_words, self.report.errors = self.group.last_words, self.group.errors
        return self.report

    async def _play_round(self, number: int) -> None:
        chance = self.chance
        self._run_builds()
        self._add_random_faults()
        if chance.random() < SLOW:
            self._slow_down_slack()
        self._disturb_database()
        self._disturb_bots()
        self._run_builds()
        for _ in range(chance.choice(COMMANDS)):
            self.commands.send(chance.choice(("command", "mention")))
        await asyncio.sleep(chance.uniform(0.3, 2.0) if number % QUIET_EVERY else QUIET_SECONDS)
        self._run_builds()
        self._clear_faults()
        if chance.random() < 0.3:
            self.environment.clock.skip(timedelta(minutes=chance.uniform(0, 30)))
        if number % CALM_EVERY == 0:
            await self._calm_down(f"round {number}")

    def _slow_down_slack(self) -> None:
        self.report.kills["(rounds with a slow Slack)"] += 1
        for _ in range(200):
            seconds = self.chance.uniform(0.4, 1.5)
            if self.chance.random() < LATE:
                seconds = self.chance.uniform(3.0, 9.0)
            self.environment.slack.api.faults.add(Fault("chat.*", "slow", seconds=seconds))

    def _disturb_bots(self) -> None:
        chance, count = self.chance, self.report.kills
        if chance.random() < KILL_AT_POINT:
            # It is counted when it happens.
            self._choose_kill()
        if chance.random() < KILL_ANY and (member := self._choose_running()):
            count["any bot at any time"] += 1
            self._kill_member(member)
        if chance.random() < KILL_ALL:
            count["all bots at once"] += 1
            for member in self.group.running:
                self._kill_member(member)
        if chance.random() < PAUSE and (member := self._choose_running()):
            seconds = chance.uniform(8, 40) if chance.random() < LONG_PAUSE else chance.uniform(1, 8)
            if self.group.pause(member, seconds):
                count["(pauses over 8 s)" if seconds > 8 else "(pauses of 1 to 8 s)"] += 1
        if chance.random() < TERMINATE and (member := self._choose_running()):
            count["(SIGTERM)"] += 1
            self.group.terminate(member, away=chance.uniform(0, LONGEST_RESTART))
        if chance.random() < CLOCK:
            count["(clock changes)"] += 1
            self.group.set_clock(chance.choice((0.0, -120.0, 45.0, 3600.0, -3600.0)))

    def _choose_running(self) -> Member | None:
        running = self.group.running
        return self.chance.choice(running) if running else None

    def _kill_member(self, member: Member) -> None:
        cut_short = self.chance.uniform(0.3, 1.2) if self.chance.random() < 0.15 else None
        self.group.kill_member(member, away=self.chance.uniform(0, LONGEST_RESTART), cut_short=cut_short)

    def _aim(self, port: int) -> Callable[[], None]:
        """Return what kills a bot: mostly the one that has sent the request."""
        sender = self.group.find_sender(port)
        member = sender if sender is not None and self.chance.random() < 0.7 else self._choose_running()

        def kill() -> None:
            if member is not None and member.process.pid is not None:
                self.report.kills["sender at a request" if member is sender else "other at a request"] += 1
                self._kill_member(member)

        return kill

    def _disturb_database(self) -> None:
        chance, count = self.chance, self.report.kills
        kind = chance.choices(
            ("", "server", "connections", "one bot's connections", "one bot's lock session"),
            (60, 8, 8, 10, 14),
        )[0]
        delay, away = chance.uniform(0, 0.5), chance.uniform(0, 3.0)
        if kind == "server" and self.server.is_running:
            count["the database server"] += 1
            self._disturb_later(restart_database(self.server, delay, away))
        elif kind == "connections":
            count["the database's connections"] += 1
            self._disturb_later(self._end_connections(delay, None))
        elif kind == "one bot's connections":
            count["one bot's connections"] += 1
            self._disturb_later(self._end_connections(delay, chance.choice(self.group.members)))
        elif kind == "one bot's lock session":
            # Counted when it happens: in the midst of a post.
            faults = self.environment.slack.api.faults
            assert isinstance(faults, KillFaults)
            faults.shot = KillPoint("chat.postMessage", "during", self._aim_at_session)

    def _disturb_later(self, disturbing: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(disturbing)  # type: ignore[arg-type]
        self._disturbing.add(task)
        task.add_done_callback(self._disturbing.discard)

    async def _end_connections(self, delay: float, member: Member | None) -> None:
        await asyncio.sleep(delay)
        url = self.environment.settings["DATABASE_URL"]
        with suppress(psycopg.OperationalError):  # the server is away
            if member is None:
                await asyncio.to_thread(self.server.end_connections, url)
            else:
                await asyncio.to_thread(self._execute, _ALL_OF_BOT, member.name)

    def _aim_at_session(self, port: int) -> Callable[[], None]:
        sender = self.group.find_sender(port)

        def end() -> None:
            if sender is not None:
                self.report.kills["the lock session in the midst of a post"] += 1
                with suppress(psycopg.OperationalError):  # the server is away
                    self._execute(_LOCK_SESSION, sender.name)

        return end

    def _execute(self, query: str, *parameters: object) -> None:
        with self.server.connect() as connection:
            connection.execute(query, parameters)

    async def _calm_down(self, when: str) -> None:
        """End all faults, and wait until the bots that run have delivered everything."""
        print(f"{when}: {len(self.environment.bitrise.state.builds)} builds", flush=True)
        self._clear_faults()
        for member in self.group.members:
            self.group.resume(member)
        await asyncio.gather(*self._disturbing)
        try:
            async with asyncio.timeout(CALM_SECONDS):
                while missing := self._find_missing():  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self._stuck.append(f"{when}: not delivered after {CALM_SECONDS:g} s: {', '.join(missing[:20])}")
            self._stuck.append(f"{when}: waiting: {str(self._undelivered())[:3000]}")

    def _find_missing(self) -> list[str]:
        state = self.environment.bitrise.state
        problems = compare_notifications(self.environment.slack, state.builds, self.expectations).problems
        missing = [problem for problem in problems if "was not notified" in problem]
        missing += [
            f"deployment v{deployment.version} of {app.name}"
            for app, deployment in self._ended_deployments()
            if not self._is_notified(deployment, app)
        ]
        return missing + self.commands.find_open()

    async def _start_anew(self) -> None:
        """Leave what is waiting to the bots that run, or to new ones."""
        self._clear_faults()
        self.group.set_clock(0.0)
        if self.chance.random() < 0.5:
            for member in self.group.running:
                self.group.kill_member(member)
                self.report.kills["all bots before the end"] += 1
        await self.commands.wait_until_sent()
        await self._calm_down("the end")
        await self.group.wait_for("ready")

    async def _wait_until_idle(self) -> None:
        await super()._wait_until_idle()
        await asyncio.sleep(LATE_SECONDS)
        await super()._wait_until_idle()


@asynccontextmanager
async def many_bots_harness(
    seed: int, database: PostgresServer, bots: int, earlier: Path | None
) -> AsyncIterator[ManyBotsHarness]:
    """Yield several bots with kill faults and all channels subscribed."""
    async with forked_environment(manifest()) as environment:
        add_channels(environment)
        settings = {
            **QUICK,
            "SERVICE_TOKEN_ACTS": "1",
            "DATABASE_URL": database.new_database(),
        }
        group = BotGroup(environment.settings, environment.folder, bots, seed=seed, earlier=earlier)
        environment.bot = group
        await environment.start(http=True, settings=settings)
        harness = ManyBotsHarness(environment, seed, database, group)
        await harness.subscribe()
        yield harness


async def run_rounds_of_many(
    seed: int,
    rounds: int,
    database: PostgresServer,
    bots: int,
    *,
    earlier: Path | None = None,
    logs: Path | None = None,
) -> ManyReport:
    """Run all rounds once with this many bots; with the code of an earlier release, the last one runs that.

    `logs`: a folder for all log lines of the bots.
    """
    async with many_bots_harness(seed, database, bots, earlier) as harness:
        harness.group.logs = logs
        return await harness.play(rounds)
