"""Log followers: they show a growing log in a direct message, for a limited time and within Slack's rate limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.build import App, Build
from domain.commands.errors import UserError
from domain.provider_errors import ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.connection import NoLog
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.messages import LOG_LINES
from services.accounts.user_accounts import UserAccounts
from services.jobs.background_job import BackgroundJob
from services.jobs.workspace_tasks import WorkspaceTasks
from services.slack.errors import SlackCallFailed
from services.worker_processes.pool import WorkFailed
from storage.budgets import Budget, Budgets
from storage.database import DatabaseUnavailable, WorkspaceGone
from storage.repositories import Repositories
from storage.session_locks import SessionLocks

log = structlog.get_logger()

# Limits in each workspace, for each user there, and in all workspaces.
MAX_PER_WORKSPACE = 4
MAX_PER_PERSON = 2
MAX_TOTAL = 40
LASTS = timedelta(minutes=10)
# Slack allows fifty chat.update calls a minute in a workspace, and the dispatcher may need most of them (Slack's rules,
# "Pace"): all followers of a workspace together make a dozen.
SECONDS_EACH = 5.0
# The errors of the Web API's client if a message was not posted or updated.
NOT_SHOWN = (SlackCallFailed, TimeoutError)


class CannotFollowLog(UserError):
    """The log cannot be followed; the message says why."""


class LogFollowers(BackgroundJob):
    """All logs that are being followed; they end when the job is stopped."""

    name = "log followers"

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        seconds_each: float = SECONDS_EACH,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._seconds_each = seconds_each
        self._tasks = WorkspaceTasks()
        self._start_lock = asyncio.Lock()

    async def run_once(self) -> float | None:
        """Do nothing: each followed log has a task of its own."""
        return None

    async def finish(self) -> None:
        """Say in the messages that their logs are not followed any more."""
        await self._tasks.wait()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._tasks.forget(team)

    async def start(self, follower: LogFollower, storage: Repositories) -> None:
        """Follow a build's log in a direct message.

        Raises CannotFollowLog, ProviderError, SlackCallFailed, DatabaseUnavailable.
        """
        async with self._start_lock:  # a button may be pressed twice at once
            await self._start(follower, storage)

    async def _start(self, follower: LogFollower, storage: Repositories) -> None:
        key = follower.key
        if self._tasks.count(*key[:2]) >= MAX_PER_PERSON and key not in self._tasks:
            raise CannotFollowLog(
                f"You already follow {MAX_PER_PERSON} logs. Try again when one of them has finished."
            )
        if len(self._tasks) >= MAX_TOTAL:
            raise CannotFollowLog("Too many logs are being followed right now. Try again in a few minutes.")
        async with AsyncExitStack() as stack:
            await _reserve(stack, storage.database.session_locks, key)
            await follower.post(self._clock() + LASTS)
            self._tasks.start(
                key, self._follow(follower, storage.budgets, stack.pop_all()), name="log follower"
            )

    async def _follow(self, follower: LogFollower, budgets: Budgets, reserved: AsyncExitStack) -> None:
        async with reserved:
            while not follower.done:
                # All followers of a workspace share its rate limit.
                await self.pause(self._seconds_each * self._tasks.count(follower.team))
                await self._wait_for_others(follower, budgets)
                if self._stopping.is_set() or self._clock() >= follower.until:
                    await follower.stop()
                    return
                await follower.update()

    async def _wait_for_others(self, follower: LogFollower, budgets: Budgets) -> None:
        """Wait for the followers of other bots."""
        budget = Budget("followed logs", 1, 60 / self._seconds_each)
        with suppress(DatabaseUnavailable, WorkspaceGone):
            while budgets.is_needed and not self._stopping.is_set():
                seconds = await budgets.take(follower.team, budget)
                if not seconds:
                    return
                await self.pause(seconds)


async def _reserve(stack: AsyncExitStack, locks: SessionLocks, key: tuple[str, str, str]) -> None:
    """Take the locks of a followed log, of all bots; the stack releases them. Raises CannotFollowLog."""

    async def acquire(*name: str) -> bool:
        if await locks.acquire(*name) is None:
            return False
        stack.push_async_callback(locks.release, *name)
        return True

    if not await acquire("followed", *key):
        raise CannotFollowLog("You already follow this log in your DMs.")
    for number in range(MAX_PER_WORKSPACE):
        if await acquire("follower", key[0], str(number)):
            return
    raise CannotFollowLog(
        f"{MAX_PER_WORKSPACE} logs are already being followed here, the most that Slack's rate limit allows."
        " Try again in a few minutes."
    )


class LogFollower:
    """A message that shows the end of a log, read with the token of the user who follows it."""

    def __init__(
        self,
        bitrise: BitriseClient,
        accounts: UserAccounts,
        slack: AsyncWebClient,
        app: App,
        build: Build,
        *,
        channel: str,
    ) -> None:
        self._bitrise, self._accounts, self._slack = bitrise, accounts, slack
        self._app, self._build = app, build
        self._channel, self._ts, self._text = channel, "", ""
        self.team = accounts.team
        self.key = (self.team, channel, build.slug)
        self.until: datetime
        self.done = False

    async def post(self, until: datetime) -> None:
        """Post the message. Raises ProviderError, SlackCallFailed."""
        self.until = until
        self._text = await _read_end(self._bitrise, self._app, self._build) or ""
        message = log_messages.followed_log(self._build, self._app, self._text, until=until, ended=False)
        posted = await self._slack.chat_postMessage(
            channel=self._channel, text=message.text, blocks=message.blocks
        )
        self._ts = str(posted["ts"])

    async def update(self) -> None:
        """Update the message with what was written since; if that fails, the next update does it."""
        self._accounts.forget()  # the person may have disconnected theirs
        try:
            build = await self._bitrise.build(self._app.slug, self._build.slug)
            text = await _read_end(self._bitrise, self._app, build) or self._text
            if build.ended or text != self._text:
                await self._show(build, text, until=self.until)
        except (ProviderError, WorkFailed, *NOT_SHOWN) as problem:
            log.info("follow.later", reason=type(problem).__name__)
            return
        self.done, self._build, self._text = build.ended, build, text

    async def stop(self) -> None:
        """Say in the message that the log is not followed any more."""
        try:
            await self._show(self._build, self._text, until=None)
        except NOT_SHOWN as problem:
            log.info("follow.not_ended", reason=type(problem).__name__)

    async def _show(self, build: Build, text: str, *, until: datetime | None) -> None:
        message = log_messages.followed_log(build, self._app, text, until=until, ended=build.ended)
        await self._slack.chat_update(
            channel=self._channel, ts=self._ts, text=message.text, blocks=message.blocks
        )


async def _read_end(bitrise: BitriseClient, app: App, build: Build) -> str | None:
    """Return the current end of the log; None if there is no log yet. Raises ProviderError."""
    try:
        read = await bitrise.read_log(app.slug, build.slug)
    except NoLog:
        return None
    return "\n".join(read.end.split("\n")[-LOG_LINES:])
