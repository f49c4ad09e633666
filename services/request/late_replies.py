"""Retries of replies that Slack or the database could not accept, kept in memory for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import structlog

from services.jobs.background_job import BackgroundJob
from services.jobs.workspace_tasks import WorkspaceTasks
from services.slack.errors import NOT_SENT, NOT_UNDERSTOOD, RATE_LIMITED, UNCLEAR, SlackCallFailed
from storage.database import DatabaseUnavailable

log = structlog.get_logger()

# Nobody waits for an older reply.
LASTS_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
# Limits of waiting replies: in total, and per user.
MAX_REPLIES = 200
MAX_REPLIES_PER_PERSON = 5
# Slack's own failures, after which it may accept the same reply (Slack's rules, "Failures"). A call without any
# response is not retried: Slack may have shown the message.
_OUTAGE_ERRORS = frozenset(
    {
        NOT_SENT,
        RATE_LIMITED,
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
    }
)

# The methods that show a reply; any other call before them can be repeated safely.
_REPLY_METHODS = frozenset({"chat.postMessage", "chat.postEphemeral"})

SendReply = Callable[[], Awaitable[object]]


class LateReplies(BackgroundJob):
    """Retries replies until Slack and the database take them, they are too old, or the job is stopped.

    They are not stored: a reply may be for one person alone, or hold secrets.
    """

    name = "late replies"

    def __init__(
        self, *, lasts_seconds: float = LASTS_SECONDS, first_pause_seconds: float = FIRST_PAUSE_SECONDS
    ) -> None:
        super().__init__()
        self._lasts = lasts_seconds
        self._first_pause = first_pause_seconds
        self._tasks = WorkspaceTasks()

    async def run_once(self) -> float | None:
        """Do nothing: each reply has a task of its own."""
        return None

    async def finish(self) -> None:
        """Drop the replies that are left."""
        await self._tasks.cancel()

    def forget(self, team: str) -> None:
        """Drop the replies of a workspace from which the app was uninstalled."""
        self._tasks.forget(team)

    def retry(self, team: str, person: str, send: SendReply) -> bool:
        """Retry the reply until it is accepted; return False if too many are waiting already."""
        if (
            self._stopping.is_set()
            or len(self._tasks) >= MAX_REPLIES
            or self._tasks.count(team, person) >= MAX_REPLIES_PER_PERSON
        ):
            return False
        self._tasks.start((team, person), self._retry(send), name="late reply")
        return True

    async def _retry(self, send: SendReply) -> None:
        pause = self._first_pause
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lasts):
                while True:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    try:
                        await send()
                    except Exception as problem:  # noqa: BLE001 - any error but an outage ends the retries
                        if not (isinstance(problem, DatabaseUnavailable) or is_slack_outage(problem)):
                            log.warning("answer.given_up", reason=type(problem).__name__)
                            return
                    else:
                        log.info("answer.late")
                        return
        log.warning("answer.given_up", reason="too old")


def is_slack_outage(problem: BaseException) -> bool:
    """Return whether Slack could not be reached or could not accept a message, which thus was certainly not shown."""
    if not isinstance(problem, SlackCallFailed):
        return isinstance(problem, aiohttp.ClientConnectorError)
    if problem.reason in UNCLEAR and problem.method not in _REPLY_METHODS:
        return True
    if problem.reason == NOT_UNDERSTOOD:
        return problem.status >= 500
    return problem.reason in _OUTAGE_ERRORS
