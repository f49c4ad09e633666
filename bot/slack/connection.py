"""The connection to Slack: the bot's identity, in Socket Mode the sockets, in HTTP mode the first responses.

Without the Web API the bot can't handle any request: it does not know its own identity. Slack waits three seconds for
an acknowledgement, so each type of request gets the most useful immediate response (docs.slack.dev):

- Event: 503; Slack sends it again up to three times: at once, after a minute, after five minutes ("The
  Events API", "Retries").
- Slash command: 200 with an ephemeral text, which Slack shows to the user; for any other
  status Slack only shows that the app did not respond ("Implementing slash commands").
- Form submission: the text at the first field; the form keeps its input ("Modals", "Display errors in
  views").
- Everything else (a button, a shortcut, a list that requests options, a form without fields): 503;
  Slack shows its own error and can't show a text of ours ("Handling user interaction").
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from pydantic import SecretStr
from slack_bolt.app.async_app import AsyncApp

from bot.slack.socket_mode import SocketModeConnections
from bot.slack.tenancy import SlackTenancy
from bot.timings import Timings
from services.jobs.supervisor import Supervisor
from services.slack.interaction_payloads import SubmissionPayload
from services.slack.payloads import CommandPayload, Payload
from services.slack.web_client import SlackNotReachable, TokenRefused, open_connection

log = structlog.get_logger()

TRY_AGAIN = "Buildbell is still connecting to Slack. Try again in a minute."
UNAVAILABLE = 503


def answer_unavailable(payload: Payload) -> tuple[int, dict[str, Any] | None]:
    """Return the HTTP status and JSON body for a request that can't be handled yet."""
    if isinstance(payload, CommandPayload):
        return 200, {"response_type": "ephemeral", "text": TRY_AGAIN}
    if isinstance(payload, SubmissionPayload) and payload.view.first_input is not None:
        return 200, {"response_action": "errors", "errors": {payload.view.first_input: TRY_AGAIN}}
    return UNAVAILABLE, None


# How long a request from Slack waits for the outcome of the first call to Slack: less than the three seconds that
# Slack waits for a response.
FIRST_ATTEMPT_SECONDS = 2.0


class SlackConnection:
    """Connects to Slack, however long it is unreachable; with an `app_token`, in Socket Mode."""

    def __init__(
        self,
        tenancy: SlackTenancy,
        app: AsyncApp,
        supervisor: Supervisor,
        *,
        app_token: SecretStr | None,
        timings: Timings,
    ) -> None:
        self._tenancy = tenancy
        self._app = app
        self._supervisor = supervisor
        self._app_token = app_token
        self._timings = timings
        self._sockets: SocketModeConnections | None = None
        self._has_called = asyncio.Event()
        self._is_reached = False

    async def open(self) -> str | None:
        """Connect; return a description of the workspace, or None if the bot was stopped. Raises TokenRefused."""
        team = await self._retry_until_reachable(self._tenancy.connect)
        if team is None:
            return None
        self._is_reached = True
        self._has_called.set()
        if self._app_token is not None:
            token = self._app_token.get_secret_value()
            address = await self._retry_until_reachable(partial(open_connection, self._app.client, token))
            if address is None:
                return None
            self._sockets = SocketModeConnections(
                self._app, token, first_address=address, ping_seconds=self._timings.ping_seconds
            )
            await self._supervisor.wait_until_stopped(self._sockets.open())
        return None if self._supervisor.is_stopping else team

    async def count_sockets(self) -> int:
        """Return the number of open sockets."""
        return await self._sockets.connected() if self._sockets is not None else 0

    async def is_open(self) -> bool:
        """Return whether Slack can send requests."""
        return self._is_reached and (self._app_token is None or await self.count_sockets() > 0)

    async def wait_for_first_call(self) -> bool:
        """Return whether Slack's Web API has answered; wait a short time for the first call."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ATTEMPT_SECONDS):
                await self._has_called.wait()
        return self._is_reached

    def stop_accepting(self) -> None:
        """Accept no more requests over the sockets."""
        if self._sockets is not None:
            self._sockets.stop_accepting()

    async def close(self) -> None:
        """Close the sockets."""
        if self._sockets is not None:
            await self._sockets.close()

    async def _retry_until_reachable(self, call_slack: Callable[[], Awaitable[str]]) -> str | None:
        """Return Slack's answer, however long Slack is unreachable; None if the bot is stopped meanwhile.

        Raises TokenRefused after two refusals in a row.
        """
        refused = False
        while not self._supervisor.is_stopping:
            try:
                return await call_slack()
            except TokenRefused as problem:
                if refused:
                    raise
                refused = True
                self._has_called.set()
                seconds = self._timings.recheck_seconds
                log.warning("slack.refused", reason=str(problem), again_in_seconds=seconds)
            except SlackNotReachable as problem:
                refused = False  # refusals count only if they come directly after each other
                self._has_called.set()
                seconds = self._timings.slack_retry_seconds
                log.warning("slack.not_reachable", reason=str(problem), again_in_seconds=seconds)
            await self._supervisor.pause(seconds)
        return None
