"""A complete test environment: simulated Slack, Bitrise and Build.io, and the real bot between them, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from bot.app import Application, utc_now
from bot.manifest import manifest
from bot.providers_setup import SPECS
from bot.settings import Settings
from bot.timings import Timings
from domain.provider import Provider
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.buildio import members
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from sandbox.slack.models import TEAM, OpenView, Post
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSimulator
from sandbox.slack.workspace_driver import WorkspaceDriver
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import sign_view
from storage.encryption import SecretBox
from tests.support.schema import connect_directly, table_names

# Slack's deadline is three seconds. A busy machine may take longer; `bench/ack_latency.py` measures the bot's time.
DEADLINE_SECONDS = 30.0
SECRET_KEY = "a-key-of-the-tests-that-is-long-enough"
NO_SECONDS: Mapping[str, float] = MappingProxyType({})
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def rewrite_state(opened: OpenView, state: str, *, person: str, team: str = TEAM) -> None:
    """Replace the state of a modal, with a valid signature, which only the bot could make."""
    view = opened.view | {"private_metadata": state}
    opened.view = sign_view(view, SecretBox([SECRET_KEY]), team=team, person=person)


def state_in(opened: OpenView) -> dict[str, Any]:
    """Return the state of a modal, without its signature."""
    found: dict[str, Any] = json.loads(opened.view["private_metadata"][32:])
    return found


class GivenSettings(Settings):
    """Settings of nothing but the arguments; to search the environment for each harness would take long."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - as pydantic-settings has it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the arguments."""
        return (init_settings,)


class WorkspaceHarness:
    """Actions of the users of one workspace, and the bot's responses to them."""

    def __init__(self, slack: WorkspaceDriver) -> None:
        self.slack = slack
        self.users = slack.users

    async def connect(self, *people: str, token: str = "", provider: Provider = BITRISE) -> None:
        """Connect the accounts of these people at a provider."""
        tokens = {BITRISE: BITRISE_TOKENS, BUILDIO: BUILDIO_TOKENS}.get(provider, {})
        for person in people:
            await self.users.command(person, "builds", f"{provider.command} connect")
            await self.slack.wait_for_modal(person, "paste it here")
            await self.users.submit(person, {"token": token or tokens[person]})
            await self.slack.wait_for_modal(person, "uses your own token")
            await self.users.close_modal(person)

    async def disconnect(self, person: str = "anna", provider: Provider = BITRISE) -> Post:
        """Disconnect a person's account, and confirm what stops with it."""
        question = await self.ask(
            f"{provider.command} disconnect", "Your token is deleted immediately", person=person
        )
        return await self.press(question, "Disconnect", "and deleted your token", person=person)

    async def ask(
        self, text: str, expected: str = "", *, person: str = "anna", channel: str = "builds"
    ) -> Post:
        """Send a command, and wait for a response that contains the text."""
        before = self.last(channel, person)
        acknowledgement = await self.users.command(person, channel, text)
        assert acknowledgement is not None, f"{text} was not acknowledged"
        return await self.wait_for_message(expected, person=person, channel=channel, after=before)

    async def confirm(
        self, text: str, button: str, expected: str, *, person: str = "anna", channel: str = "builds"
    ) -> Post:
        """Send a command that needs confirmation, confirm it, and wait for the text."""
        question = await self.ask(text, button, person=person, channel=channel)
        assert question.only_for is not None
        return await self.press(question, button, expected, person=person)

    async def redraw(self, element: str, parameters: Any, *, person: str = "anna") -> None:
        """Set a value in a modal that updates the modal, and wait for the update."""
        modal = self.users.modal(person)
        assert modal is not None
        before = modal.hash
        await self.users.set_value(person, element, parameters)
        await self.wait_until(lambda: modal.hash != before)

    async def fill_in_rule(self, **filled: Any) -> None:
        """Fill in and submit the rule form; by default the rule is about all actions and for everyone."""
        await self.slack.wait_for_modal("anna", "Add a rule")
        if (kind := filled.pop("kind", None)) == "Require approval":
            await self.redraw("policy_kind", kind)
        if "acts" not in filled and "buildio_acts" not in filled:
            filled["acts"] = ["All actions"]
        filled.setdefault("who", "Anyone with a connected account")
        await self.users.submit("anna", filled)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that has no event, by polling."""
        try:
            async with asyncio.timeout(30):
                while not condition():  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise TimeoutError("the condition was never met") from None

    async def press(self, post: Post, button: str, expected: str = "", *, person: str = "anna") -> Post:
        """Press a button, and wait for a response that contains the text."""
        channel = next(
            channel for channel in self.slack.workspace.channels.values() if post in channel.posts
        ).id
        before = self.last(channel, person)
        assert await self.users.click(person, post, button) is not None, f"{button} was not acknowledged"
        return await self.wait_for_message(expected, person=person, channel=channel, after=before)

    async def wait_for_message(
        self, text: str, *, person: str | None = "anna", channel: str = "builds", after: Post | None = None
    ) -> Post:
        """Return a message that contains the text, once there is one."""
        return await self.slack.wait_for_post(channel, text, viewer=person, after=after)

    def last(self, channel: str = "builds", person: str | None = "anna") -> Post | None:
        return next(reversed(self.slack.posts(channel, person)), None)

    def message_text(self, post: Post) -> str:
        return self.slack.message_text(post)

    def messages_with(self, text: str, channel: str = "builds") -> list[Post]:
        """Return the messages in a channel that contain the text."""
        return [post for post in self.slack.posts(channel) if text in self.slack.message_text(post)]


class BotHarness(WorkspaceHarness):
    """The simulators and the bot, which can be stopped and restarted. `clock` is the clock of both providers."""

    slack: SlackSimulator

    def __init__(
        self,
        folder: Path,
        *,
        http: bool = False,
        seconds: Mapping[str, float] = NO_SECONDS,
        manifest_: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = utc_now,
        settings: Mapping[str, str] = NO_SETTINGS,
        registry: ProviderRegistry[ProviderSpec] = SPECS,
        database_url: str = "",
    ) -> None:
        self.clock = Clock()
        self._registry = registry
        super().__init__(
            SlackSimulator(
                manifest_ or manifest(), lambda: now().timestamp(), deadline_seconds=DEADLINE_SECONDS
            )
        )
        self._now = now
        self.bitrise = BitriseSimulator(now=self.clock)
        self.buildio = BuildioSimulator(now=self.clock)
        self.folder = folder
        self.database_url = database_url or f"sqlite:///{folder / 'buildbell.db'}"
        self._http = http
        # The first list of workflows starts a process that reads bitrise.yml, which takes long on a busy machine.
        patience = {"lookup_seconds": DEADLINE_SECONDS, "options_seconds": DEADLINE_SECONDS}
        self._seconds = {**patience, **seconds}
        self._extra_settings = settings
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.slack.start()
        await self.bitrise.start()
        await self.buildio.start()

    async def start_bot(self) -> None:
        settings = GivenSettings(**self.settings())  # type: ignore[arg-type]
        self.bot = Application(
            settings, registry=self._registry, clock=self._now, timings=Timings(**self._seconds)
        )
        self._running = asyncio.create_task(self.bot.run())
        ready = asyncio.create_task(self.bot.ready.wait())
        async with asyncio.timeout(30):
            await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()
        if self._http:
            self.slack.use_http(f"http://127.0.0.1:{self.bot.port}/slack/events")

    async def stop_bot(self) -> None:
        if self._running is not None:
            self.bot.stop()
            running, self._running = self._running, None
            await running

    async def close(self) -> None:
        await self.stop_bot()
        await self.slack.close()
        await self.bitrise.close()
        await self.buildio.close()

    def settings(self) -> dict[str, str]:
        connection = (
            {"slack_signing_secret": SIGNING_SECRET} if self._http else {"slack_app_token": APP_TOKEN}
        )
        settings = {
            "slack_bot_token": BOT_TOKEN,
            "slack_api_url": self.slack.api_url,
            "bitrise_token": TOKEN,
            "bitrise_api_url": self.bitrise.api_url,
            "buildio_token": members.TOKEN,
            "buildio_api_url": self.buildio.api_url,
            "download_hosts": urlsplit(self.bitrise.file_store.url).hostname or "",
            "database_url": self.database_url,
            "host": "127.0.0.1",
            "port": "0",
            # Most tests use the bot's own token; those about accounts set it to 0.
            "service_token_acts": "1",
            "buildbell_secret_key": SECRET_KEY,
            "poll_interval": "0.2",
            "poll_interval_active": "0.1",
            **connection,
            **self._extra_settings,
        }
        return {name: value for name, value in settings.items() if value}

    def count_rows_with(self, text: str) -> dict[str, int]:
        """Return how many rows of each table contain the text."""
        with connect_directly(self.database_url) as connection:
            found = {
                table: sum(text in str(row) for row in connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608 - names of tables
                for table in table_names(connection)
            }
        return {table: count for table, count in found.items() if count}

    async def wait_for_commands(self, command: str, times: int = 1) -> None:
        """Wait until this many commands of the kind were answered, whatever the answer was."""
        labels = {"command": command, "outcome": "answered"}
        sample = self.bot.metrics.registry.get_sample_value
        await self.wait_until(lambda: (sample("buildbell_commands_total", labels) or 0) >= times)

    async def wait_for_poll(self) -> None:
        """Wait until the poller has made another complete poll."""
        before = len(self._polls())
        await self.wait_until(lambda: len(self._polls()) >= before + 2)

    def _polls(self) -> list[object]:
        return [
            request
            for request in self.bitrise.requests
            if request.path == "/v0.1/builds" and "status" not in request.query
        ]

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query on the database."""
        with connect_directly(self.database_url) as connection:
            return connection.execute(query).fetchall()

    async def audit_entries(self) -> list[dict[str, Any]]:
        """Return the audit log's entries without what names a person, oldest first."""
        return [json.loads(str(body)) for (body,) in await self.rows("SELECT body FROM audit ORDER BY seq")]

    async def wait_for_values(self, query: str, *expected: object) -> None:
        """Wait until the query returns these values as its only column, in any order."""
        wanted_values, found = sorted(map(repr, expected)), ["nothing yet"]
        with connect_directly(self.database_url, autocommit=True) as connection:
            for _ in range(3000):
                found = sorted(repr(value) for (value,) in connection.execute(query).fetchall())
                if found == wanted_values:
                    return
                await asyncio.sleep(0.02)
        raise TimeoutError(f"{query} gives {found} and not {wanted_values}")

    def stored_bytes(self) -> bytes:
        """Return the content of all files in the bot's folder: the database, its log, its lock."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())

    async def execute(self, statement: str, *parameters: object) -> None:
        """Change the database without the bot."""
        with connect_directly(self.database_url) as connection:
            connection.execute(statement, parameters)


@asynccontextmanager
async def bot_harness(
    folder: Path,
    *,
    http: bool = False,
    seconds: Mapping[str, float] = NO_SECONDS,
    now: Callable[[], datetime] = utc_now,
    database_url: str = "",
    **settings: str,
) -> AsyncIterator[BotHarness]:
    """Run a harness; `seconds` are the bot's own timings, such as `ping_seconds`; `now` is its clock and Slack's."""
    harness = BotHarness(
        folder, http=http, seconds=seconds, now=now, settings=settings, database_url=database_url
    )
    await harness.open()
    try:
        await harness.start_bot()
        yield harness
    finally:
        await harness.close()
