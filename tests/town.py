"""A whole town to test in: simulated Slack, Bitrise and Build.io, and the real bot between them, over real sockets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from bot.app import Buildbell, utc_now
from bot.manifest import manifest
from bot.provider import Provider
from bot.settings import Settings
from bot.vault import Vault
from handlers.view_state import sign_view
from sandbox import bitrise, buildio
from sandbox.bitrise import BitriseSandbox
from sandbox.buildio import BuildioSandbox
from sandbox.clock import Clock
from sandbox.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, Post, SlackSandbox, Workplace
from sandbox.slack.workspace import TEAM, OpenView
from sandbox.stage import BUILDIO_TOKENS, TOKENS

# Slack gives an app three; a busy machine may take longer, and `bench/ack.py` measures how long the bot takes.
DEADLINE_SECONDS = 30.0
SECRET_KEY = "a-key-of-the-tests-that-is-long-enough"
NO_SECONDS: Mapping[str, float] = MappingProxyType({})
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def rewrite_state(opened: OpenView, state: str, *, person: str, team: str = TEAM) -> None:
    """Put another state into a modal, with the signature that only the bot could make."""
    view = opened.view | {"private_metadata": state}
    opened.view = sign_view(view, Vault([SECRET_KEY]), team=team, person=person)


def state_in(opened: OpenView) -> dict[str, Any]:
    """What a modal carries along, without its signature."""
    found: dict[str, Any] = json.loads(opened.view["private_metadata"][32:])
    return found


class GivenSettings(Settings):
    """Settings of nothing but what is given: the environment is not searched, which for each town takes its time."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - as pydantic-settings has it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given."""
        return (init_settings,)


class Conversation:
    """What people of one workspace say to the bot, and what they are told."""

    def __init__(self, slack: Workplace) -> None:
        self.slack = slack
        self.people = slack.people

    async def connect(self, *people: str, token: str = "", provider: Provider = Provider.BITRISE) -> None:
        """Let people link their accounts at a provider."""
        tokens = {Provider.BITRISE: TOKENS, Provider.BUILDIO: BUILDIO_TOKENS}[provider]
        for person in people:
            await self.people.command(person, "builds", f"{provider.command} connect")
            await self.slack.wait_for_modal(person, "paste it here")
            await self.people.submit(person, {"token": token or tokens[person]})
            await self.slack.wait_for_modal(person, "with your own token")
            await self.people.close_modal(person)

    async def disconnect(self, person: str = "anna", provider: Provider = Provider.BITRISE) -> Post:
        """Let somebody wipe their token, and agree to what stops with it."""
        question = await self.ask(f"{provider.command} disconnect", "deletes your token", person=person)
        return await self.press(question, "Disconnect", "I have wiped your token", person=person)

    async def ask(
        self, text: str, expected: str = "", *, person: str = "anna", channel: str = "builds"
    ) -> Post:
        """Type a command, and wait for the answer that says this."""
        before = self.last(channel, person)
        done = await self.people.command(person, channel, text)
        assert done is not None, f"{text} was not acknowledged"
        return await self.told(expected, person=person, channel=channel, after=before)

    async def confirm(
        self, text: str, button: str, expected: str, *, person: str = "anna", channel: str = "builds"
    ) -> Post:
        """Type a command that asks first, agree to it, and wait for what it then says."""
        question = await self.ask(text, button, person=person, channel=channel)
        assert question.only_for is not None
        return await self.press(question, button, expected, person=person)

    async def redraw(self, element: str, given: Any, *, person: str = "anna") -> None:
        """Pick something in a modal by which it is drawn anew, and wait until it is."""
        modal = self.people.modal(person)
        assert modal is not None
        before = modal.hash
        await self.people.use(person, element, given)
        await self.until(lambda: modal.hash != before)

    async def fill_in_rule(self, **filled: Any) -> None:
        """Fill in and submit the form for a rule: without what it is about of all actions, and for everyone."""
        await self.slack.wait_for_modal("anna", "Add a rule")
        if (kind := filled.pop("kind", None)) == "Needs a second person":
            await self.redraw("policy_kind", kind)
        if "acts" not in filled and "buildio_acts" not in filled:
            filled["acts"] = ["All actions"]
        filled.setdefault("who", "Everyone with a linked account")
        await self.people.submit("anna", filled)

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait for something of which nobody tells."""
        try:
            async with asyncio.timeout(30):
                while not so():  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise TimeoutError("it never came to be") from None

    async def press(self, post: Post, button: str, expected: str = "", *, person: str = "anna") -> Post:
        """Press a button, and wait for the answer that says this."""
        channel = next(one for one in self.slack.workspace.channels.values() if post in one.posts).id
        before = self.last(channel, person)
        assert await self.people.click(person, post, button) is not None, f"{button} was not acknowledged"
        return await self.told(expected, person=person, channel=channel, after=before)

    async def told(
        self, text: str, *, person: str | None = "anna", channel: str = "builds", after: Post | None = None
    ) -> Post:
        """The message that says this."""
        return await self.slack.wait_for_post(channel, text, viewer=person, after=after)

    def last(self, channel: str = "builds", person: str | None = "anna") -> Post | None:
        return next(reversed(self.slack.posts(channel, person)), None)

    def words(self, post: Post) -> str:
        return self.slack.words(post)

    def telling(self, text: str, channel: str = "builds") -> list[Post]:
        """Everybody's messages that say this."""
        return [post for post in self.slack.posts(channel) if text in self.slack.words(post)]


class Town(Conversation):
    """`clock` is that of both build systems; `bot` can be stopped and begun again."""

    slack: SlackSandbox

    def __init__(
        self,
        folder: Path,
        *,
        http: bool = False,
        seconds: Mapping[str, float] = NO_SECONDS,
        manifest_: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = utc_now,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        self.clock = Clock()
        super().__init__(
            SlackSandbox(
                manifest_ or manifest(), lambda: now().timestamp(), deadline_seconds=DEADLINE_SECONDS
            )
        )
        self._now = now
        self.bitrise = BitriseSandbox(now=self.clock)
        self.buildio = BuildioSandbox(now=self.clock)
        self.folder = folder
        self._http = http
        self._seconds = seconds
        self._more = settings
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.slack.start()
        await self.bitrise.start()
        await self.buildio.start()

    async def start_bot(self) -> None:
        settings = GivenSettings(**self.settings())  # type: ignore[arg-type]
        self.bot = Buildbell(settings, clock=self._now, **self._seconds)
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
        way_in = {"slack_signing_secret": SIGNING_SECRET} if self._http else {"slack_app_token": APP_TOKEN}
        everything = {
            "slack_bot_token": BOT_TOKEN,
            "slack_api_url": self.slack.api_url,
            "bitrise_token": bitrise.TOKEN,
            "bitrise_api_url": self.bitrise.api_url,
            "buildio_token": buildio.TOKEN,
            "buildio_api_url": self.buildio.api_url,
            "download_hosts": urlsplit(self.bitrise.store.url).hostname or "",
            "database_url": str(self.folder / "buildbell.db"),
            "host": "127.0.0.1",
            "port": "0",
            # Most stories are told with the bot's own token; those about accounts set it to 0.
            "service_token_acts": "1",
            "buildbell_secret_key": SECRET_KEY,
            "poll_interval": "0.2",
            "poll_interval_active": "0.1",
            **way_in,
            **self._more,
        }
        return {name: value for name, value in everything.items() if value}

    def rows_with(self, text: str) -> dict[str, int]:
        """In which tables of the file something stands, and in how many rows; the write-ahead log is read too."""
        with closing(sqlite3.connect(f"file:{self.folder / 'buildbell.db'}?mode=ro", uri=True)) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            found = {
                table: sum(text in str(row) for row in connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608 - names of tables
                for table in tables
            }
        return {table: count for table, count in found.items() if count}

    async def answered(self, what: str, times: int = 1) -> None:
        """Wait until so many questions of this kind have been answered, whatever the answer was."""
        labels = {"command": what, "outcome": "answered"}
        sample = self.bot.metrics.registry.get_sample_value
        await self.until(lambda: (sample("buildbell_commands_total", labels) or 0) >= times)

    async def looked(self) -> None:
        """Wait until the watcher has looked once more, from beginning to end."""
        before = len(self._looks())
        await self.until(lambda: len(self._looks()) >= before + 2)

    def _looks(self) -> list[object]:
        return [
            one for one in self.bitrise.requests if one.path == "/v0.1/builds" and "status" not in one.query
        ]

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the database holds."""
        connection = sqlite3.connect(self.folder / "buildbell.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    async def holds(self, query: str, *expected: object) -> None:
        """Wait until a column of the database holds these values, in any order."""
        wanted, found = sorted(map(repr, expected)), ["nothing yet"]
        for _ in range(3000):
            found = sorted(repr(one) for (one,) in await self.rows(query))
            if found == wanted:
                return
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{query} gives {found} and not {wanted}")

    def kept(self) -> bytes:
        """All that lies in the bot's folder: the database, its log, its lock."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())

    async def execute(self, statement: str, *given: object) -> None:
        """Change the database behind the bot's back."""
        with closing(sqlite3.connect(self.folder / "buildbell.db")) as connection, connection:
            connection.execute(statement, given)


@asynccontextmanager
async def open_town(
    folder: Path,
    *,
    http: bool = False,
    seconds: Mapping[str, float] = NO_SECONDS,
    now: Callable[[], datetime] = utc_now,
    **settings: str,
) -> AsyncIterator[Town]:
    """`seconds` are those that the bot takes for itself, such as `ping_seconds`; `now` is its clock and Slack's."""
    town = Town(folder, http=http, seconds=seconds, now=now, settings=settings)
    await town.open()
    try:
        await town.start_bot()
        yield town
    finally:
        await town.close()
