"""Rounds of builds, faults and kills, all from one seed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot.manifest import manifest
from providers.buildio.provider import BUILDIO
from sandbox.bitrise.state import App, Build
from sandbox.buildio.deployments import Deployment
from sandbox.buildio.state import App as DeployedApp
from sandbox.environment import SandboxEnvironment
from sandbox.slack.models import BOT_USER
from tests.crash_recovery.expected_notifications import (
    Expectation,
    NotificationReport,
    compare_deployments,
    compare_notifications,
    compare_pipelines,
    deployment_name,
)
from tests.crash_recovery.kill_faults import KillFaults, KillPoint, When
from tests.support.bot_harness import WorkspaceHarness
from tests.support.forked_bot import ForkedBot, forked_environment
from tests.support.postgres import PostgresServer
from tests.support.schema import connect_directly

ROOT = Path(__file__).parents[2]
QUICK = {"POLL_INTERVAL": "0.2", "POLL_INTERVAL_ACTIVE": "0.1", "FLOOD_LIMIT": "1000000"}
# The requests at which the bot can be killed, in both services.
SLACK_POINTS = ("chat.postMessage", "chat.postMessage", "chat.update", "conversations.*", "auth.test")
BITRISE_POINTS = ("GET /v0.1/builds", "GET /v0.1/builds", "GET */log", "GET /v0.1/apps/*")
WHEN: tuple[When, ...] = ("before", "during", "after")
SLACK_FAULTS = ("answer_lost", "answer_lost", "dropped", "status", "ratelimited", "html", "slow")
BUILDIO_POINTS = ("GET */apps/*",)
BITRISE_FAULTS = ("dropped", "status", "ratelimited", "html", "slow")
RESULTS = ("success", "success", "error", "aborted", "aborted-with-success")
IDLE_TIMEOUT = 240.0
# With more than a page of open builds, two that finish within one poll may be swapped (docs/reliability.md).
MAX_OPEN_BUILDS = 45
# How often something happens to a PostgreSQL server in a round, and for how long at most it is away, in seconds.
DATABASE_FAULTS = 0.4
LONGEST_AWAY = 3.0


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

    def __init__(
        self, environment: SandboxEnvironment, seed: int, database: PostgresServer | None = None
    ) -> None:
        self.environment = environment
        self.database = database
        self.chance = random.Random(seed)
        self.report = Report(seed, 0)
        self.open: list[Build] = []
        bitrise, android = environment.bitrise, environment.bitrise.android
        self.apps: tuple[App, ...] = (android, bitrise.ios, bitrise.web)
        # Build.io shows only the last deployment of an app: the next one begins once the end of this one was notified.
        self.deployed = (environment.buildio.shop, environment.buildio.staging)
        self.deployments: list[Deployment] = []
        self.pipes = bitrise.state.add_app("Pipes", "acme", "pipes", pipelines=("train",))
        # A stage of a pipeline takes about a second.
        bitrise.state.speed = 300.0
        self.expectations = [
            Expectation("builds", lambda build: build.app in self.apps),
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
        # At Build.io, everyone sees only what their own account does.
        await WorkspaceHarness(self.environment.slack).connect("anna", provider=BUILDIO)
        for deployed in self.deployed:
            command = f"/buildio subscribe {deployed.name}"
            await self.environment.slack.users.command("anna", "deploys", command)
            await self._wait_until_subscribed("deploys", deployed.name)

    async def _wait_until_subscribed(self, channel: str, app: str) -> None:
        titles = {"android": "Sample Android", "ios": "Sample iOS", "web shop": "Web Shop", "pipes": "Pipes"}
        title = titles.get(app, app)
        await self.environment.slack.workspace.wait_for(
            lambda: (
                any(
                    "subscribed to" in text and title in text
                    for text in map(
                        self.environment.slack.message_text, self.environment.slack.posts(channel)
                    )
                )
                or None
            ),
            30,
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
        self._finish_deployments()
        await self._start_anew()
        await self._wait_until_idle()
        await self._wait_until_deployments_notified()
        self.report.rounds = rounds
        self.report.builds = len(self.environment.bitrise.state.builds) + len(self.deployments)
        state = self.environment.bitrise.state
        self.report.result = compare_notifications(self.environment.slack, state.builds, self.expectations)
        compare_pipelines(self.environment.slack, state.pipelines, "pipes", self.report.result)
        names = [deployment_name(deployment, app) for app, deployment in self._ended_deployments()]
        compare_deployments(self.environment.slack, names, "deploys", self.report.result)
        return self.report

    async def _start_anew(self) -> None:
        await self.environment.bot.kill()
        await self._restart(0.0)

    async def _play_round(self, number: int) -> None:
        self._run_builds()
        self._add_random_faults()
        disturbing = self._choose_database_fault()
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
        if disturbing is not None:
            await disturbing

    def _choose_database_fault(self) -> asyncio.Task[None] | None:
        """Kill the server soon and start it again after a while, or end all connections; or nothing."""
        database, chance = self.database, self.chance
        if database is None or chance.random() > DATABASE_FAULTS:
            return None
        delay, away = chance.uniform(0, 0.5), chance.uniform(0, LONGEST_AWAY)
        if chance.random() < 0.5:
            self.report.kills["the database server"] += 1
            return asyncio.create_task(restart_database(database, delay, away))
        self.report.kills["the database's connections"] += 1
        return asyncio.create_task(
            _end_connections(database, delay, self.environment.settings["DATABASE_URL"])
        )

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
        self._run_deployments()

    def _run_deployments(self) -> None:
        buildio, chance = self.environment.buildio, self.chance
        buildio.advance()
        for app in self.deployed:
            newest = app.deployments[-1]
            if newest.is_over and (newest not in self.deployments or self._is_notified(newest, app)):
                if chance.random() < 0.5:
                    fails = "Build failed: no Procfile" if chance.random() < 0.4 else None
                    self.deployments.append(buildio.deploy(app, fails=fails))
            elif not newest.is_over and chance.random() < 0.5:
                buildio.finish(app, error=newest.fails)

    def _finish_deployments(self) -> None:
        self.environment.buildio.advance()
        for app in self.deployed:
            if not app.deployments[-1].is_over:
                self.environment.buildio.finish(app, error=app.deployments[-1].fails)

    def _ended_deployments(self) -> list[tuple[DeployedApp, Deployment]]:
        return [
            (app, deployment)
            for app in self.deployed
            for deployment in app.deployments
            if deployment in self.deployments and deployment.is_over
        ]

    def _is_notified(self, deployment: Deployment, app: DeployedApp) -> bool:
        name = deployment_name(deployment, app)
        slack = self.environment.slack
        return any(name in slack.message_text(post) for post in slack.posts("deploys"))

    async def _wait_until_deployments_notified(self) -> None:
        with suppress(TimeoutError):  # what is missing is reported
            async with asyncio.timeout(60):
                while not all(  # noqa: ASYNC110 - there is no event for it
                    self._is_notified(deployment, app) for app, deployment in self._ended_deployments()
                ):
                    await asyncio.sleep(0.2)

    def _add_random_faults(self) -> None:
        chance = self.chance
        if chance.random() < 0.4:
            kind = chance.choice(SLACK_FAULTS)
            self.environment.slack.fault(
                chance.choice(("chat.postMessage", "chat.*")), kind, times=chance.randrange(1, 3), seconds=1
            )
        for provider in (self.environment.bitrise, self.environment.buildio):
            if chance.random() < 0.3:
                kind = chance.choice(BITRISE_FAULTS)
                provider.fault("GET *", kind, times=chance.randrange(1, 5), seconds=1)

    def _choose_kill(self) -> str:
        chance = self.chance
        service = chance.choices(("slack", "bitrise", "buildio"), (60, 30, 10))[0]
        points = {"slack": SLACK_POINTS, "bitrise": BITRISE_POINTS, "buildio": BUILDIO_POINTS}[service]
        point, when = chance.choice(points), chance.choice(WHEN)
        faults = {
            "slack": self.environment.slack.api.faults,
            "bitrise": self.environment.bitrise.faults,
            "buildio": self.environment.buildio.faults,
        }[service]
        assert isinstance(faults, KillFaults)
        seconds = chance.choice((0.0, 0.001, 0.003, 0.01, 0.03))
        faults.shot = KillPoint(point, when, self._aim, seconds)
        return f"{when} {point}" if service != "buildio" else f"{when} {point} of Build.io"

    def _aim(self, _port: int) -> Callable[[], None]:
        """Return what kills the bot."""
        return self._kill

    def _kill(self) -> None:
        if (pid := self.environment.bot.pid) is not None:
            os.kill(pid, signal.SIGKILL)

    def _clear_faults(self) -> None:
        environment = self.environment
        for faults in (environment.slack.api.faults, environment.bitrise.faults, environment.buildio.faults):
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
        page = ""
        try:
            async with asyncio.timeout(IDLE_TIMEOUT), aiohttp.ClientSession() as session:
                idle_checks = 0
                while idle_checks < 5:
                    async with session.get(f"{await self.environment.bot_url()}/metrics") as response:
                        page = await response.text()
                    idle_checks = idle_checks + 1 if "buildbell_outbox_depth 0.0" in page and finished else 0
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise TimeoutError(f"not delivered: {self._undelivered()}") from None
        self.report.outcomes = {
            line.split('"')[1]: float(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith("buildbell_doubts_settled_total{")
        }

    def _undelivered(self) -> list[object]:
        """Return what the outbox still holds."""
        query = (
            "SELECT id, channel_id, build_slug, event, status, parcel, due_at, held_for, error FROM notifications"
            " WHERE status IN ('owed', 'sending')"
        )
        messages = (
            "SELECT parcel, channel_id, subject, status, stale FROM messages"
            " WHERE status IN ('owed', 'sending') OR stale > 0"
        )
        with connect_directly(self.environment.settings["DATABASE_URL"]) as connection:
            return [*connection.execute(query).fetchall(), *connection.execute(messages).fetchall()]


async def restart_database(database: PostgresServer, delay: float, away: float) -> None:
    """Kill the server after a delay, and start it again; both in seconds."""
    await asyncio.sleep(delay)
    database.kill()
    await asyncio.sleep(away)
    await asyncio.to_thread(database.start)


async def _end_connections(database: PostgresServer, delay: float, url: str) -> None:
    await asyncio.sleep(delay)
    await asyncio.to_thread(database.end_connections, url)


def add_channels(environment: SandboxEnvironment) -> None:
    """Add the channels, and replace the simulators' faults by those that kill."""
    environment.slack.api.faults = KillFaults()
    environment.bitrise.faults = KillFaults()
    environment.buildio.faults = KillFaults()
    for name in ("threads", "live", "pipes", "deploys"):
        environment.slack.workspace.add_channel(name)
    for name in ("builds", "release", "threads", "live", "pipes", "deploys"):
        environment.slack.workspace.find_channel(name).members.add(BOT_USER)


@asynccontextmanager
async def crash_harness(seed: int, database: PostgresServer | None) -> AsyncIterator[CrashHarness]:
    """Yield an environment with kill faults and all channels subscribed, on this server or an SQLite file."""
    async with forked_environment(manifest()) as environment:
        add_channels(environment)
        environment.bot = ForkedBot(
            environment.settings, environment.folder, program=("-m", "tests.crash_recovery.skewed_clock_bot")
        )
        settings = {**QUICK, "SERVICE_TOKEN_ACTS": "1", "TORTURE_CLOCK_OFF": "0", "PYTHONPATH": str(ROOT)}
        if database is not None:
            settings["DATABASE_URL"] = database.new_database()
        # Over HTTP: Slack limits new connections per minute, and the bot restarts more often here.
        await environment.start(http=True, settings=settings)
        harness = CrashHarness(environment, seed, database)
        await harness.subscribe()
        yield harness


async def run_rounds(seed: int, rounds: int, database: PostgresServer | None = None) -> Report:
    """Run all rounds once, on SQLite or on this PostgreSQL server, which is killed as well."""
    async with crash_harness(seed, database) as harness:
        return await harness.play(rounds)
