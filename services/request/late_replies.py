"""Answers that Slack could not take: tried again for a while, in memory alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import structlog

from services.slack.errors import NOT_SENT, NOT_UNDERSTOOD, RATE_LIMITED, UNCLEAR, SlackCallFailed

log = structlog.get_logger()

# What was asked for longer ago nobody waits for any more.
LASTS_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
# So many wait at a time: in all, and of one person.
MOST = 200
MOST_EACH = 5
# Slack's own trouble, after which it may take the same answer (Slack's rules, "Failures"). What got no answer at all
# is not said again: Slack may have shown it.
_TROUBLE = frozenset(
    {
        NOT_SENT,
        RATE_LIMITED,
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
    }
)

# What shows an answer; whatever else is asked before that may be asked again.
_SAYING = frozenset({"chat.postMessage", "chat.postEphemeral"})

SendReply = Callable[[], Awaitable[None]]


class LateReplies:
    """Retries replies until Slack takes them or they are too old; `run` drops them when it is stopped.

    They are not stored: a reply may be for one person alone, or hold secrets.
    """

    def __init__(
        self, *, lasts_seconds: float = LASTS_SECONDS, first_pause_seconds: float = FIRST_PAUSE_SECONDS
    ) -> None:
        self._lasts = lasts_seconds
        self._first_pause = first_pause_seconds
        self._tasks: dict[asyncio.Task[None], tuple[str, str]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Wait until stopped, then give up what is left."""
        await self._stopping.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        for task, (workspace, _) in self._tasks.items():
            if workspace == team:
                task.cancel()

    def retry(self, team: str, person: str, send: SendReply) -> bool:
        """Retry the reply until Slack takes it; returns False where too many wait already."""
        waiting = Counter(self._tasks.values())[team, person]
        if self._stopping.is_set() or len(self._tasks) >= MOST or waiting >= MOST_EACH:
            return False
        task = asyncio.create_task(self._again(send), name="late answer")
        self._tasks[task] = (team, person)
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return True

    async def _again(self, again: SendReply) -> None:
        pause = self._first_pause
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lasts):
                while True:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    try:
                        await again()
                    except Exception as problem:  # noqa: BLE001 - it ends with what is no trouble of Slack's
                        if not is_slack_outage(problem):
                            log.warning("answer.given_up", reason=type(problem).__name__)
                            return
                    else:
                        log.info("answer.late")
                        return
        log.warning("answer.given_up", reason="too old")


def is_slack_outage(problem: BaseException) -> bool:
    """Whether Slack could not be reached or could not take a message, so that it certainly was not shown."""
    if not isinstance(problem, SlackCallFailed):
        return isinstance(problem, aiohttp.ClientConnectorError)
    if problem.reason in UNCLEAR and problem.method not in _SAYING:
        return True
    if problem.reason == NOT_UNDERSTOOD:
        return problem.status >= 500
    return problem.reason in _TROUBLE
