"""Rounds of builds, faults and kills, all from one seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot.manifest import manifest
from sandbox.bitrise.state import App, Build
from sandbox.environment import SandboxEnvironment
from sandbox.slack.models import BOT_USER
from tests.crash_recovery.expected_notifications import (
    Expectation,
    NotificationReport,
    compare_notifications,
    compare_pipelines,
)
from tests.crash_recovery.kill_faults import KillFaults, KillPoint, When
from tests.support.forked_bot import ForkedBot, forked_environment

ROOT = Path(__file__).parents[2]
QUICK = {"POLL_INTERVAL": "0.2", "POLL_INTERVAL_ACTIVE": "0.1", "FLOOD_LIMIT": "1000000"}
# The requests at which the bot can be killed, in both services.
SLACK_POINTS = ("chat.postMessage", "chat.postMessage", "chat.update", "conversations.*", "auth.test")
BITRISE_POINTS = ("GET /v0.1/builds", "GET /v0.1/builds", "GET */log", "GET /v0.1/apps/*")
WHEN: tuple[When, ...] = ("before", "during", "after")
SLACK_FAULTS = ("answer_lost", "answer_lost", "dropped", "status", "ratelimited", "html", "slow")
BITRISE_FAULTS = ("dropped", "status", "ratelimited", "html", "slow")
RESULTS = ("success", "success", "error", "aborted", "aborted-with-success")
IDLE_TIMEOUT = 240.0
# With more than a page of open builds, two that finish within one poll may be swapped (docs/reliability.md).
MAX_OPEN_BUILDS = 45


@dataclass
class Report:
    """Statistics of the rounds, and the result."""

    seed: int
    rounds: int
    builds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, float] = field(default_factory=dict)
    result: NotificationReport = field(default_factory=NotificationReport)

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        outcomes = ", ".join(f"{name} {count:.0f}" for name, count in sorted(self.outcomes.items()))
        verdict = "\n".join(self.result.problems) or "every build once, in the order of their ends"
        return (
            f"seed {self.seed}: {self.rounds} rounds, {self.builds} builds, {self.result.notified} notifications, "
            f"{self.result.duplicates} duplicates where Slack cannot be read back\n"
            f"killed {sum(self.kills.values())} times: {kills}\n"
            f"unknown outcomes resolved since the last start: {outcomes or 'none'}\n{verdict}"
        )


class CrashHarness:
    """A bot in one environment that is killed repeatedly."""

    def __init__(self, environment: SandboxEnvironment, seed: int) -> None:
        self.environment = environment
        self.chance = random.Random(seed)
        self.report = Report(seed, 0)
        self.open: list[Build] = []
        bitrise, android = environment.bitrise, environment.bitrise.android
        self.apps: tuple[App, ...] = (android, bitrise.ios, bitrise.web)
        self.pipes = bitrise.state.add_app("Pipes", "acme", "pipes", pipelines=("train",))
        # A stage of a pipeline takes about a second.
        bitrise.state.speed = 300.0
        self.expectations = [
            Expectation("builds", lambda build: build.app is not self.pipes),
            Expectation("release", lambda build: build.app is android and build.result == "error"),
            Expectation("random", lambda build: build.app is bitrise.ios, doubtful=True),
            Expectation("threads", lambda build: build.app is bitrise.web),
            Expectation("live", lambda build: build.app is bitrise.web, by_start=True),
        ]

    async def subscribe(self) -> None:
        """Subscribe every channel to its expected notifications."""
        for channel, queries in (
            ("builds", ("android", "ios", '"web shop"')),
            ("release", ("android status:failed",)),
            ("random", ("ios",)),
            ("threads", ('"web shop" style:thread',)),
            ("live", ('"web shop" style:live',)),
            ("pipes", ("pipes",)),
        ):
            for query in queries:
                await self.environment.slack.users.command("anna", channel, f"/bitrise subscribe {query}")
                app = query.split(" style")[0].split(" status")[0].strip('"')
                await self._wait_until_subscribed(channel, app)

    async def _wait_until_subscribed(self, channel: str, app: str) -> None:
        title = {"android": "Sample Android", "ios": "Sample iOS", "web shop": "Web Shop", "pipes": "Pipes"}[
            app
        ]
        await self.environment.slack.workspace.wait_for(
            lambda: (
                any(
                    "subscribed this channel" in text and title in text
                    for text in map(
                        self.environment.slack.message_text, self.environment.slack.posts(channel)
                    )
                )
                or None
            ),
            10,
            f"#{channel} to be subscribed to {app}",
        )

    async def play(self, rounds: int) -> Report:
        """Run all rounds, wait until everything is delivered, and compare."""
        for number in range(1, rounds + 1):
            await self._play_round(number)
        self._clear_faults()
        for build in self.open:
            self.environment.bitrise.finish(build)
        for pipeline in self.environment.bitrise.state.pipelines:
            while pipeline.finished_at is None:
                for build in list(pipeline.builds.values()):
                    if build.result is None:
                        build.finish(build.ends_as or "success", self.environment.bitrise.now())
                self.environment.bitrise.state.advance(self.environment.bitrise.now())
        await self.environment.bot.kill()
        await self._restart(0.0)
        await self._wait_until_idle()
        self.report.rounds = rounds
        self.report.builds = len(self.environment.bitrise.state.builds)
        state = self.environment.bitrise.state
        self.report.result = compare_notifications(self.environment.slack, state.builds, self.expectations)
        compare_pipelines(self.environment.slack, state.pipelines, "pipes", self.report.result)
        return self.report

    async def _play_round(self, number: int) -> None:
        self._run_builds()
        self._add_random_faults()
        name = self._choose_kill()
        self._run_builds()
        # Mostly short, so that kills follow closely; sometimes long enough to resolve an unknown outcome.
        await self._wait_until_killed(self.chance.uniform(0.2, 0.8) if number % 10 else 6.5)
        self._run_builds()
        if self.environment.bot.pid is not None:
            name = "at any time"
        await self.environment.bot.kill()
        self.report.kills[name] += 1
        self._clear_faults()
        if self.chance.random() < 0.3:
            self.environment.clock.skip(timedelta(minutes=self.chance.uniform(0, 30)))
        clock_offset = self.chance.choice((0.0, 0.0, 0.0, -120.0, 45.0, 3600.0, -3600.0))
        await self._restart(clock_offset, cut_short=self.chance.random() < 0.15)

    def _run_builds(self) -> None:
        """Start and finish builds."""
        bitrise, chance = self.environment.bitrise, self.chance
        for _ in range(chance.randrange(3) if len(self.open) < MAX_OPEN_BUILDS else 0):
            branch = chance.choice(("main", "develop", "release/2.1"))
            self.open.append(
                bitrise.start_build(chance.choice(self.apps), params={"branch": branch}, ends_as=None)
            )
        if chance.random() < 0.25:
            plan = {"unit": "error"} if chance.random() < 0.4 else {}
            bitrise.start_pipeline(
                self.pipes, "train", stages=[["compile"], ["unit", "lint"], ["ship"]], plan=plan
            )
        chance.shuffle(self.open)
        for _ in range(chance.randrange(3)):
            if self.open:
                build = self.open.pop()
                result = chance.choice(RESULTS)
                if result.startswith("aborted"):
                    bitrise.abort(build, reason="no changes", with_success=result != "aborted")
                else:
                    bitrise.finish(build, result)  # type: ignore[arg-type]

    def _add_random_faults(self) -> None:
        chance = self.chance
        if chance.random() < 0.4:
            kind = chance.choice(SLACK_FAULTS)
            self.environment.slack.fault(
                chance.choice(("chat.postMessage", "chat.*")), kind, times=chance.randrange(1, 3), seconds=1
            )
        if chance.random() < 0.3:
            kind = chance.choice(BITRISE_FAULTS)
            self.environment.bitrise.fault("GET *", kind, times=chance.randrange(1, 5), seconds=1)

    def _choose_kill(self) -> str:
        chance = self.chance
        slack = chance.random() < 0.6
        point, when = chance.choice(SLACK_POINTS if slack else BITRISE_POINTS), chance.choice(WHEN)
        faults = self.environment.slack.api.faults if slack else self.environment.bitrise.faults
        assert isinstance(faults, KillFaults)
        faults.shot = KillPoint(point, when, chance.choice((0.0, 0.001, 0.003, 0.01, 0.03)))
        return f"{when} {point}"

    def _clear_faults(self) -> None:
        for faults in (self.environment.slack.api.faults, self.environment.bitrise.faults):
            assert isinstance(faults, KillFaults)
            faults.clear()
            faults.shot = None

    async def _wait_until_killed(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.environment.bot.wait()
        except TimeoutError:
            return

    async def _restart(self, clock_offset: float, *, cut_short: bool = False) -> None:
        self.environment.settings["TORTURE_CLOCK_OFF"] = str(clock_offset)
        if cut_short:
            await self.environment.bot.start()
            await asyncio.sleep(self.chance.uniform(0.3, 1.2))
            await self.environment.bot.kill()
            self.report.kills["while starting"] += 1
        await self.environment.start_bot(http=True)

    async def _wait_until_idle(self) -> None:
        """Wait until every finished build was polled and the outbox is empty."""
        finished = [build for build in self.environment.bitrise.state.builds if build.result][-1:]
        async with asyncio.timeout(IDLE_TIMEOUT), aiohttp.ClientSession() as session:
            idle_checks = 0
            while idle_checks < 5:
                async with session.get(f"{await self.environment.bot_url()}/metrics") as response:
                    page = await response.text()
                idle_checks = idle_checks + 1 if "buildbell_outbox_depth 0.0" in page and finished else 0
                await asyncio.sleep(0.2)
        self.report.outcomes = {
            line.split('"')[1]: float(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith("buildbell_doubts_settled_total{")
        }


@asynccontextmanager
async def crash_harness(seed: int) -> AsyncIterator[CrashHarness]:
    """Yield an environment with kill faults and all channels subscribed."""
    async with forked_environment(manifest()) as environment:
        environment.slack.api.faults = KillFaults(pid=lambda: environment.bot.pid)
        environment.bitrise.faults = KillFaults(pid=lambda: environment.bot.pid)
        for name in ("threads", "live", "pipes"):
            environment.slack.workspace.add_channel(name)
        for name in ("builds", "release", "threads", "live", "pipes"):
            environment.slack.workspace.find_channel(name).members.add(BOT_USER)
        environment.bot = ForkedBot(
            environment.settings, environment.folder, program=("-m", "tests.crash_recovery.skewed_clock_bot")
        )
        settings = {**QUICK, "SERVICE_TOKEN_ACTS": "1", "TORTURE_CLOCK_OFF": "0", "PYTHONPATH": str(ROOT)}
        # Over HTTP: Slack limits new connections per minute, and the bot restarts more often here.
        await environment.start(http=True, settings=settings)
        harness = CrashHarness(environment, seed)
        await harness.subscribe()
        yield harness


async def run_rounds(seed: int, rounds: int) -> Report:
    """Run all rounds once."""
    async with crash_harness(seed) as harness:
        return await harness.play(rounds)
