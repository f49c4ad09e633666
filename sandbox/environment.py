"""The sandbox environment: simulated Slack, Bitrise and Build.io, and the bot between them."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.bot_process import BotProcess
from sandbox.buildio import members
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from sandbox.slack.request_delivery import DEADLINE_SECONDS
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSimulator

# Slack users and their tokens at Bitrise and at Build.io.
BITRISE_TOKENS = {"anna": ANNA_TOKEN, "ben": BEN_TOKEN, "carla": CARLA_TOKEN}
BUILDIO_TOKENS = {"anna": members.ANNA_TOKEN, "ben": members.BEN_TOKEN, "carla": members.CARLA_TOKEN}
LASTING_KEY = "a-key-of-the-sandbox-that-everybody-knows"


class PortInUse(Exception):
    """The port for the simulated Slack is in use."""


class BotNotStarted(Exception):
    """The bot has not become ready; the message says why, or has its last log lines."""


class SandboxEnvironment:
    """The simulators and a bot process of the class `bot`; `deadline_seconds` is how long Slack waits for it."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        bot: type[BotProcess] = BotProcess,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.slack = SlackSimulator(manifest, deadline_seconds=deadline_seconds)
        self.clock = Clock()
        self.bitrise = BitriseSimulator(now=self.clock, request_log=self.slack.request_log)
        self.buildio = BuildioSimulator(now=self.clock, request_log=self.slack.request_log)
        self._folder = tempfile.TemporaryDirectory(prefix="buildbell-")
        self.settings: dict[str, str] = {}
        self.bot = bot(self.settings, self.folder)

    @property
    def folder(self) -> Path:
        """Return the folder of the bot's database; it is deleted by `close`."""
        return Path(self._folder.name)

    async def start_simulators(
        self, port: int = 0, *, add_routes: Callable[[web.Application], None] | None = None
    ) -> None:
        """Start only the simulators; `add_routes` may add routes to Slack's server. Raises PortInUse."""
        try:
            await self.slack.start(port, add_routes=add_routes)
        except OSError as problem:
            raise PortInUse(
                f"port {port} is not available ({os.strerror(problem.errno or 0)}); choose another one."
            ) from problem
        await self.bitrise.start()
        await self.buildio.start()

    async def start(
        self,
        *,
        port: int = 0,
        add_routes: Callable[[web.Application], None] | None = None,
        http: bool = False,
        settings: Mapping[str, str] | None = None,
        database_url: str | None = None,
    ) -> Self:
        """Start the simulators and the bot; with `http` over HTTP instead of Socket Mode.

        `database_url`: an empty database that stays; without it, the bot gets a file that is deleted by `close`.
        """
        await self.start_simulators(port, add_routes=add_routes)
        self.settings |= {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_API_URL": self.slack.api_url,
            "BITRISE_TOKEN": TOKEN,
            "BITRISE_API_URL": self.bitrise.api_url,
            "BUILDIO_TOKEN": members.TOKEN,
            "BUILDIO_API_URL": self.buildio.api_url,
            "DATABASE_URL": database_url or f"sqlite:///{self.folder / 'buildbell.db'}",
            "DOWNLOAD_HOSTS": urlsplit(self.bitrise.file_store.url).hostname or "",
            # What stays must be readable at the next start.
            "BUILDBELL_SECRET_KEY": LASTING_KEY if database_url else secrets.token_urlsafe(32),
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
        """Start the bot and wait until it is ready. Raises BotNotStarted."""
        await self.bot.start()
        try:
            if http:
                self.slack.use_http(f"{await self.bot_url()}/slack/events")
            await self.bot.wait_for("ready")
        except (RuntimeError, TimeoutError) as problem:
            texts = (line.get("text", "") for line in self.bot.lines)
            reason = next((text for text in texts if text.startswith("buildbell can't start")), str(problem))
            raise BotNotStarted(reason) from problem

    async def connect_accounts(self, *users: str) -> None:
        """Connect the accounts of users at both providers, as they do: by pasting a token into the modal."""
        for user in users:
            await self._link(user, "/bitrise", "Personal access token", BITRISE_TOKENS[user])
            await self._link(user, "/buildio", "API token", BUILDIO_TOKENS[user])

    async def _link(self, user: str, command: str, field: str, token: str) -> None:
        await self.slack.users.command(user, "builds", f"{command} connect")
        await self.slack.wait_for_modal(user, field)
        await self.slack.users.submit(user, {"token": token})
        await self.slack.wait_for_modal(user, "uses your own token")
        await self.slack.users.close_modal(user)

    async def bot_url(self) -> str:
        """Return the address of the bot's own HTTP server."""
        return f"http://127.0.0.1:{(await self.bot.wait_for('serving'))['port']}"

    async def close(self) -> None:
        """Stop the bot and the simulators."""
        await self.bot.stop()
        await self.slack.close()
        await self.bitrise.close()
        await self.buildio.close()
        self._folder.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
