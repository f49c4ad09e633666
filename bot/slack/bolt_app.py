"""The Bolt app: which requests it accepts, and with which token it answers them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.settings import Settings
from bot.slack.tenancy import SlackTenancy
from handlers.lifecycle_events import is_departure
from services.request.context import workspace_id
from storage.database import Database

NextCall = Callable[[], Awaitable[Any]]

NOT_INSTALLED = "I am not installed in this workspace. Ask an admin to install me."
NOT_SERVED = (
    "This Buildbell is for other workspaces. Ask whoever runs it to add this one to SLACK_WORKSPACES."
)


def create_bolt_app(
    settings: Settings, tenancy: SlackTenancy, client: AsyncWebClient, database: Database
) -> AsyncApp:
    """Create the app, without listeners."""
    secret = settings.slack_signing_secret

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # Bolt also accepts None, for an app that is not installed in the workspace; its types do not say so.
        return cast(AuthorizeResult, await tenancy.authorize(enterprise_id, team_id))

    app = AsyncApp(
        name="buildbell",  # without a name, Bolt searches the whole stack for one
        logger=logging.getLogger("slack_bolt"),
        client=client,
        authorize=authorize,
        user_facing_authorize_error_message=NOT_INSTALLED,
        signing_secret=secret.get_secret_value() if secret else "",
        # Socket Mode's envelopes come over a connection that we opened and are not signed.
        request_verification_enabled=not settings.uses_socket_mode,
    )

    @app.middleware
    async def check_workspace(
        context: AsyncBoltContext,
        body: dict[str, Any],
        next: NextCall,  # noqa: A002
    ) -> BoltResponse | None:
        team = workspace_id(body)
        if not is_departure(body):
            if not await tenancy.serves(context.enterprise_id, team):
                # Slack shows the response to a command to the user who typed it.
                return BoltResponse(status=200, body=NOT_SERVED if "command" in body else "")
            database.mark_present(team)
        if context.is_enterprise_install and context.enterprise_id and team:
            await tenancy.remember_organisation(context.enterprise_id, team)
        await next()
        return None

    return app
