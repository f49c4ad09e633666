"""The Bolt app: which requests it accepts, with which token it answers them, and how it runs their listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Any, cast

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.listener.async_listener import AsyncListener
from slack_bolt.listener.asyncio_runner import AsyncioListenerRunner
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.tenancy import SlackTenancy
from handlers.middleware import NextCall, PermanentAck, RequestMiddleware
from services.slack.event_payloads import Departure, EventPayload
from services.slack.payloads import CommandPayload, Payload
from storage.database import Database, DatabaseUnavailable

NOT_INSTALLED = "Buildbell isn't installed in this workspace. Ask an admin to install it."
NOT_SERVED = (
    "This Buildbell is for other workspaces. Ask its operator to add this workspace to SLACK_WORKSPACES."
)
# How long a request waits until its workspace is found: less than the three seconds that Slack waits for a response.
LOOKUP_SECONDS = 2.0
_LOOKUP_ENDS = "lookup_ends"


class PromptListenerRunner(AsyncioListenerRunner):
    """Runs a listener in a task of its own, and returns its acknowledgement as soon as there is one.

    Bolt (1.30) looks every ten milliseconds whether there is one, so that every acknowledgement takes as long, and
    waits for all that the listener does meanwhile. Lazy listeners are not supported; the bot has none.
    """

    def __init__(self, runner: AsyncioListenerRunner) -> None:
        """Take the handlers of Bolt's own runner."""
        super().__init__(
            logger=runner.logger,
            process_before_response=runner.process_before_response,
            listener_error_handler=runner.listener_error_handler,
            listener_start_handler=runner.listener_start_handler,
            listener_completion_handler=runner.listener_completion_handler,
            lazy_listener_runner=runner.lazy_listener_runner,
        )
        # The event loop itself holds tasks only weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        request: AsyncBoltRequest,
        response: BoltResponse | None,
        listener_name: str,
        listener: AsyncListener,
        starting_time: float | None = None,
    ) -> BoltResponse | None:
        """Start the listener; return its acknowledgement, or None if it does not acknowledge in time."""
        del response, listener_name, starting_time
        ack = request.context.ack
        assert isinstance(ack, PermanentAck)  # noqa: S101 - set by handlers.middleware
        if listener.auto_acknowledgement:
            await ack()
        task = asyncio.create_task(self._run_listener(request, ack, listener))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(listener.ack_timeout):
                await ack.wait()
        except TimeoutError:
            return None
        return ack.response

    async def _run_listener(
        self, request: AsyncBoltRequest, ack: PermanentAck, listener: AsyncListener
    ) -> None:
        try:
            await listener.run_ack_function(request=request, response=None)  # type: ignore[arg-type] # as Bolt does
        except Exception as error:  # noqa: BLE001 - the app's error handler logs it
            failure = None if ack.response is not None else BoltResponse(status=500)
            await self.listener_error_handler.handle(error=error, request=request, response=failure)
            ack.response = failure


class PromptApp(AsyncApp):
    """Bolt's app with a runner that answers a request as soon as its listener has acknowledged it."""

    def __init__(self, *, lookup_seconds: float = LOOKUP_SECONDS, **options: Any) -> None:
        super().__init__(**options)
        self._lookup_seconds = lookup_seconds
        self._async_listener_runner = PromptListenerRunner(self._async_listener_runner)

    def _init_context(self, req: AsyncBoltRequest) -> None:
        """Give the request a copy of the app's client, into which Bolt puts the workspace's token, and a time limit.

        Bolt (1.30) makes a client from scratch, which takes ten times as long.
        """
        context = req.context
        context["logger"], context["token"] = self.logger, None
        context["client"] = copy(self.client)
        context["listener_runner"] = self.listener_runner
        context[_LOOKUP_ENDS] = asyncio.get_running_loop().time() + self._lookup_seconds


def bolt_request(body: dict[str, Any], payload: Payload) -> AsyncBoltRequest:
    """Return the request for Bolt with its parsed payload, which listeners take as `slack_payload`."""
    # Only in this mode does Bolt (1.30) take a parsed body.
    return AsyncBoltRequest(mode="socket_mode", body=body, context={"slack_payload": payload})


@asynccontextmanager
async def _end_lookup(ends: float) -> AsyncIterator[None]:
    """Raise DatabaseUnavailable at this time of the event loop: other work may wait longer for the database."""
    try:
        async with asyncio.timeout_at(ends):
            yield
    except TimeoutError:
        raise DatabaseUnavailable("it does not answer in time") from None


def create_bolt_app(
    tenancy: SlackTenancy,
    client: AsyncWebClient,
    database: Database,
    *,
    lookup_seconds: float = LOOKUP_SECONDS,
) -> AsyncApp:
    """Create the app, without listeners."""

    async def authorize(
        context: AsyncBoltContext, enterprise_id: str | None, team_id: str | None
    ) -> AuthorizeResult:
        async with _end_lookup(context[_LOOKUP_ENDS]):
            # Bolt also accepts None, for an app that is not installed in the workspace; its types do not say so.
            return cast(AuthorizeResult, await tenancy.authorize(enterprise_id, team_id))

    app = PromptApp(
        lookup_seconds=lookup_seconds,
        name="buildbell",  # without a name, Bolt searches the whole stack for one
        logger=logging.getLogger("slack_bolt"),
        client=client,
        authorize=authorize,
        user_facing_authorize_error_message=NOT_INSTALLED,
        # `bot/http_server.py` verifies requests before they are parsed; Socket Mode's envelopes are not signed.
        request_verification_enabled=False,
    )

    async def check_workspace(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        context, slack_payload = request.context, request.context["slack_payload"]
        team = slack_payload.workspace_id
        async with _end_lookup(context[_LOOKUP_ENDS]):
            if not (isinstance(slack_payload, EventPayload) and isinstance(slack_payload.event, Departure)):
                if not await tenancy.serves(context.enterprise_id, team):
                    # Slack shows the response to a command to the user who typed it.
                    return BoltResponse(
                        status=200, body=NOT_SERVED if isinstance(slack_payload, CommandPayload) else ""
                    )
                database.mark_present(team)
            if context.is_enterprise_install and context.enterprise_id and team:
                await tenancy.remember_organisation(context.enterprise_id, team)
        await next_()
        return None

    app.middleware(RequestMiddleware(check_workspace))

    return app
