"""Several bots on one PostgreSQL database, with one simulated Slack, Bitrise and Build.io.

The bots run in the test's process. Slack's requests come over HTTP and reach them in turn, as through a load balancer;
or over Socket Mode.
"""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

from bot.app import Application
from bot.timings import Timings
from domain.unit import Unit
from sandbox.faults import Fault
from services.jobs.engine import LocalEngine
from storage.postgres_database import PostgresDatabase
from storage.repositories import Repositories
from tests.support.balancer import Balancer
from tests.support.bot_harness import NO_SECONDS, BotHarness, GivenSettings
from tests.support.postgres import PostgresServer

# A server that nobody can reach.
NOWHERE = "postgresql://buildbell@127.0.0.1:1/nowhere"
SWEEP_SECONDS = 0.3
# Requests of a killed bot arrive at once here, unless they are held, so the others need not wait for long.
TAKEOVER_SECONDS = 2.0

# The tasks of the bot that runs in this context.
_tasks: ContextVar[weakref.WeakSet[asyncio.Task[Any]] | None] = ContextVar("tasks", default=None)


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **options)
    tasks = _tasks.get()
    if tasks is not None:
        tasks.add(task)
    return task


class ManagedBot(Application):
    """A bot that can be killed. `name` is the `application_name` of its connections to the database."""

    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.name = name
        self.database: PostgresDatabase
        self._own_tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._running: asyncio.Task[None] | None = None

    @property
    def takes_requests(self) -> bool:
        return self._settings.takes_requests

    @property
    def is_running(self) -> bool:
        return self._running is not None and not self._running.done()

    async def start(self) -> None:
        """Start it, and wait until it is ready. Raises what `run` raises."""
        asyncio.get_running_loop().set_task_factory(_make_task)  # type: ignore[arg-type]
        token = _tasks.set(self._own_tasks)
        self._running = asyncio.create_task(self.run(), name=self.name)
        _tasks.reset(token)
        ready = asyncio.create_task(self.ready.wait())
        async with asyncio.timeout(60):
            await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()

    async def _open_storage(self, exit_stack: AsyncExitStack) -> Repositories:
        storage = await super()._open_storage(exit_stack)
        self.database = cast("PostgresDatabase", storage.database)
        return storage

    def sweep(self) -> None:
        """Let it look at once for notifications that another bot has enqueued."""
        if isinstance(self._engine, LocalEngine):
            self._engine._wake(Unit.DELIVER, "", None)

    async def stop_gracefully(self) -> None:
        """Stop it as SIGTERM does."""
        self.stop()
        if self._running is not None:
            await self._running

    async def kill(self, server: PostgresServer) -> None:
        """End it as kill -9 does: it stores nothing more, and its locks are free at once.

        Of a request that it has sent, the receiver may still do what it asks for.
        """
        self.database._url = self.database.session_locks._url = NOWHERE
        end_connections_of(server, self.name)
        self._supervisor._drain_seconds = 0.1
        for task in self._own_tasks:
            task.cancel()
        await asyncio.sleep(0)
        for task in self._own_tasks:
            if task is not self._running:
                task.cancel()
        if self._running is not None:
            with suppress(asyncio.CancelledError):
                await self._running
        # Cancelled a second time, it may have left something open.
        await self.database.close()
        await self.workers.close()


class ManyBots(BotHarness):
    """The simulators, and any number of bots between them; `bots` are those that run, `bot` is the first of them."""

    def __init__(
        self, folder: Path, server: PostgresServer, database_url: str, *, http: bool = True, **options: Any
    ) -> None:
        super().__init__(folder, http=http, database_url=database_url, **options)
        self.server = server
        self.bots: list[ManagedBot] = []
        self.balancer = Balancer(lambda: [bot.port for bot in self.bots if bot.takes_requests])
        self._started = 0

    async def open(self) -> None:
        await super().open()
        await self.balancer.start()
        if self._http:
            self.slack.use_http(f"{self.balancer.url}/slack/events")
        self._sweeping = asyncio.create_task(self._sweep())

    async def start_bot(self, **settings: str) -> None:
        """Start another bot; `settings` are only its own."""
        self._started += 1
        name = f"bot-{self._started}"
        separator = "&" if "?" in self.database_url else "?"
        url = f"{self.database_url}{separator}application_name={name}"
        values = self.settings() | {"database_url": url} | settings
        bot = ManagedBot(
            name,
            GivenSettings(**{setting: value for setting, value in values.items() if value}),  # type: ignore[arg-type]
            registry=self._registry,
            clock=self._now,
            timings=Timings(**self._seconds),
        )
        await bot.start()
        self.bots.append(bot)
        self.bot = self.bots[0]

    def find_holder(self, *name: str) -> ManagedBot | None:
        """Return the bot that holds the lock."""
        return next((bot for bot in self.bots if bot.database.session_locks.is_held(*name)), None)

    async def kill(self, bot: ManagedBot) -> None:
        """Kill a bot; Slack's requests go to the others from now on."""
        self._leave_out(bot)
        await bot.kill(self.server)

    async def stop(self, bot: ManagedBot) -> None:
        """Stop a bot as SIGTERM does."""
        self._leave_out(bot)
        await bot.stop_gracefully()

    def _leave_out(self, bot: ManagedBot) -> None:
        self.bots.remove(bot)
        if self.bots:
            self.bot = self.bots[0]

    async def stop_bot(self) -> None:
        """Stop all bots."""
        for bot in list(self.bots):
            await self.stop(bot)

    async def close(self) -> None:
        self._sweeping.cancel()
        await super().close()
        await self.balancer.close()

    def slow_down_slack(self, seed: int, *, calls: int = 500) -> None:
        """Let Slack carry out each of the next posts and edits 0.4 to 1.5 seconds late."""
        chance = random.Random(seed)
        for _ in range(calls):
            self.slack.api.faults.add(Fault("chat.*", "slow", seconds=chance.uniform(0.4, 1.5)))

    async def _sweep(self) -> None:
        """Let each bot find what another has enqueued; the engine of many bots tells them."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for bot in self.bots:
                bot.sweep()


def end_connections_of(server: PostgresServer, application: str) -> None:
    """End all connections to the server with this `application_name`."""
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s",
            [application],
        )


@asynccontextmanager
async def many_bots(
    folder: Path,
    server: PostgresServer,
    count: int = 2,
    *,
    http: bool = True,
    database_url: str = "",
    seconds: Mapping[str, float] = NO_SECONDS,
    **settings: str,
) -> AsyncIterator[ManyBots]:
    """Run this many bots; `seconds` are their timings. Without a URL, they get a new database."""
    url = database_url or server.new_database()
    seconds = {"takeover_seconds": TAKEOVER_SECONDS, **seconds}
    harness = ManyBots(folder, server, url, http=http, seconds=seconds, settings=settings)
    await harness.open()
    try:
        for _ in range(count):
            await harness.start_bot()
        yield harness
    finally:
        await harness.close()
        if not database_url:
            server.recycle_database(url)
