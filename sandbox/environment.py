"""Everything together: simulated Slack, Bitrise and Build.io, and the bot as a process that knows only its settings."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.buildio import members
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from sandbox.slack.request_delivery import DEADLINE_SECONDS
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSimulator

# People in Slack, and the tokens that they have at Bitrise and at Build.io.
BITRISE_TOKENS = {"anna": ANNA_TOKEN, "ben": BEN_TOKEN, "carla": CARLA_TOKEN}
BUILDIO_TOKENS = {"anna": members.ANNA_TOKEN, "ben": members.BEN_TOKEN, "carla": members.CARLA_TOKEN}
# What a process needs from the machine; everything else that the bot knows, it knows from its settings.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")


class Running(Protocol):
    """A process, as asyncio shows those that it starts."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it says."""

    @property
    def pid(self) -> int | None:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """None while it runs."""

    def kill(self) -> None:
        """End it as a power cut would."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""

    async def wait(self) -> int:
        """Its exit code, once it has ended."""


class PortNotFree(Exception):
    """The simulated Slack can't be served on the port that was asked for."""


class BotProcess:
    """`buildbell run`, with its log lines as they come."""

    def __init__(
        self, settings: Mapping[str, str], folder: Path, *, program: Sequence[str] = ("-m", "bot", "run")
    ) -> None:
        self._settings = settings
        self._program = program
        self._folder = folder
        self._process: Running | None = None
        self._reading: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self.lines: list[dict[str, Any]] = []

    async def start(self) -> Self:
        """Start it."""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.lines = []
        self._process = await self._spawn(environment | dict(self._settings))
        self._reading = asyncio.create_task(self._read())
        return self

    async def _spawn(self, environment: dict[str, str]) -> Running:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._program,
            cwd=self._folder,  # where no .env lies
            env=environment,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def wait_for(self, event: str, *, seconds: float = 60) -> dict[str, Any]:
        """The first log line of this event. Raises TimeoutError, or RuntimeError where the bot has ended."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._heard.clear()
                    if (
                        found := next((one for one in self.lines if one.get("event") == event), None)
                    ) is not None:
                        return found
                    if self._reading is not None and self._reading.done():
                        raise RuntimeError(f"the bot ended before it said {event!r}:\n{self.recent_log()}")
                    await self._heard.wait()
        except TimeoutError:
            raise TimeoutError(f"the bot did not say {event!r}:\n{self.recent_log()}") from None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self.wait()

    async def stop(self, *, seconds: float = 30) -> int:
        """Ask it to end; returns its exit code. Kills it where it does not."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                return await self.wait()
        except TimeoutError:
            await self.kill()
            return -1

    def recent_log(self) -> str:
        """What it said last."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in self.lines[-20:])

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def _read(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        async for raw in self._process.stderr:
            text = raw.decode("utf-8", "replace").rstrip()
            try:
                self.lines.append(json.loads(text))
            except ValueError:
                self.lines.append({"event": "text", "text": text})
            self._heard.set()
        self._heard.set()


class SandboxEnvironment:
    """The services and the bot between them, which is started in the way of `bot`; Slack waits so long for it."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        bot: type[BotProcess] = BotProcess,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.slack = SlackSimulator(manifest, deadline_seconds=deadline_seconds)
        self.clock = Clock()
        self.bitrise = BitriseSimulator(now=self.clock, journal=self.slack.journal)
        self.buildio = BuildioSimulator(now=self.clock, journal=self.slack.journal)
        self._folder = tempfile.TemporaryDirectory(prefix="buildbell-")
        self.settings: dict[str, str] = {}
        self.bot = bot(self.settings, self.folder)

    @property
    def folder(self) -> Path:
        """Where the bot keeps its database; gone when the stage is closed."""
        return Path(self._folder.name)

    async def open(self, port: int = 0, *, also: Callable[[web.Application], None] | None = None) -> None:
        """Start the services alone; `also` may add routes to Slack's. Raises PortNotFree."""
        try:
            await self.slack.start(port, also=also)
        except OSError as problem:
            raise PortNotFree(
                f"{port} can't be had ({os.strerror(problem.errno or 0)}); take another one."
            ) from problem
        await self.bitrise.start()
        await self.buildio.start()

    async def start(
        self,
        *,
        port: int = 0,
        also: Callable[[web.Application], None] | None = None,
        http: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Start the services, and the bot against them; over HTTP instead of Socket Mode where asked."""
        await self.open(port, also=also)
        self.settings |= {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_API_URL": self.slack.api_url,
            "BITRISE_TOKEN": TOKEN,
            "BITRISE_API_URL": self.bitrise.api_url,
            "BUILDIO_TOKEN": members.TOKEN,
            "BUILDIO_API_URL": self.buildio.api_url,
            "DATABASE_URL": f"sqlite:///{self.folder / 'buildbell.db'}",
            "DOWNLOAD_HOSTS": urlsplit(self.bitrise.store.url).hostname or "",
            "BUILDBELL_SECRET_KEY": secrets.token_urlsafe(32),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "POLL_INTERVAL": "1",
            "POLL_INTERVAL_ACTIVE": "0.5",
            **({"SLACK_SIGNING_SECRET": SIGNING_SECRET} if http else {"SLACK_APP_TOKEN": APP_TOKEN}),
            **(settings or {}),
        }
        await self.start_bot(http=http)
        return self

    async def start_bot(self, *, http: bool = False) -> None:
        """Start the bot, and wait until it is ready."""
        await self.bot.start()
        if http:
            self.slack.use_http(f"{await self.bot_url()}/slack/events")
        await self.bot.wait_for("ready")

    async def connect_accounts(self, *people: str) -> None:
        """Let people link their accounts at both providers as people do: they paste their tokens into the modal."""
        for person in people:
            await self._link(person, "/bitrise", "Personal access token", BITRISE_TOKENS[person])
            await self._link(person, "/buildio", "API token", BUILDIO_TOKENS[person])

    async def _link(self, person: str, command: str, field: str, token: str) -> None:
        await self.slack.people.command(person, "builds", f"{command} connect")
        await self.slack.wait_for_modal(person, field)
        await self.slack.people.submit(person, {"token": token})
        await self.slack.wait_for_modal(person, "with your own token")
        await self.slack.people.close_modal(person)

    async def bot_url(self) -> str:
        """Where the bot itself serves."""
        return f"http://127.0.0.1:{(await self.bot.wait_for('serving'))['port']}"

    async def close(self) -> None:
        """End everything that was started."""
        await self.bot.stop()
        await self.slack.close()
        await self.bitrise.close()
        await self.buildio.close()
        self._folder.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
