"""Users who leave a workspace, and workspaces that uninstall the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.events import PersonChanged
from services.features.accounts import commands
from services.request.context import context_outside
from services.request.request_tracker import RequestTracker
from services.slack.event_payloads import Departure, EventPayload, TokensRevoked, UserChange
from services.slack.workspace_clients import Uninstallation
from storage.database import retry_until_stored

log = structlog.get_logger()


def register(
    app: AsyncApp,
    services: Services,
    tracker: RequestTracker,
    handle_uninstallation: Callable[[Uninstallation], Awaitable[None]],
) -> None:
    """Listen to Slack's events about both."""

    @app.event("user_change")
    async def handle_user_change(slack_payload: EventPayload[UserChange]) -> None:
        team, user = slack_payload.workspace_id, slack_payload.event.user
        # Whatever changed, the user may be a guest by now.
        services.events.publish(PersonChanged(team, user.id))
        if not user.deleted:
            return
        async with tracker.answering("user_change"):
            context = context_outside(services, team, user.id)
            if await retry_until_stored(lambda: commands.remove_departed_user(context)):
                log.info("account.left", team=team, person=user.id)

    @app.event("tokens_revoked")
    async def handle_tokens_revoked(slack_payload: EventPayload[TokensRevoked]) -> None:
        tokens = slack_payload.event.tokens
        if tokens is not None and tokens.bot:
            async with tracker.answering("tokens_revoked"):
                uninstallation = _uninstallation(slack_payload, certain=False)
                await retry_until_stored(lambda: handle_uninstallation(uninstallation))

    @app.event("app_uninstalled")
    async def handle_uninstalled(slack_payload: EventPayload[Departure]) -> None:
        async with tracker.answering("app_uninstalled"):
            uninstallation = _uninstallation(slack_payload, certain=True)
            await retry_until_stored(lambda: handle_uninstallation(uninstallation))


def _uninstallation(payload: EventPayload[Any], *, certain: bool) -> Uninstallation:
    at = payload.event_time
    return Uninstallation(
        enterprise=payload.enterprise_id,
        team=payload.team_id,
        at=datetime.fromtimestamp(at, UTC) if at is not None else None,
        certain=certain,
    )
