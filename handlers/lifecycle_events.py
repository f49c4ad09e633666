"""Users who leave a workspace, and workspaces that uninstall the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.features.accounts import commands
from services.request.context import RequestContext, workspace_id
from services.request.request_tracker import RequestTracker
from services.slack.uninstallation import Uninstallation

log = structlog.get_logger()


def register(
    app: AsyncApp,
    services: Services,
    tracker: RequestTracker,
    handle_uninstallation: Callable[[Uninstallation], Awaitable[None]],
) -> None:
    """Listen to Slack's events about both."""

    @app.event("user_change")
    async def handle_user_change(event: dict[str, Any], body: dict[str, Any]) -> None:
        user = event.get("user") or {}
        # Whatever changed, the user may be a guest by now.
        services.clients.members.forget_person(workspace_id(body), str(user.get("id") or ""))
        if not user.get("deleted") or not user.get("id"):
            return
        async with tracker.answering("user_change"):
            context = RequestContext(
                services=services, person=str(user["id"]), team=workspace_id(body), channel=""
            )
            if await commands.remove_departed_user(context):
                log.info("account.left", team=context.team, person=user["id"])

    @app.event("tokens_revoked")
    async def handle_tokens_revoked(event: dict[str, Any], body: dict[str, Any]) -> None:
        if (event.get("tokens") or {}).get("bot"):
            async with tracker.answering("tokens_revoked"):
                await handle_uninstallation(_uninstallation(body, certain=False))

    @app.event("app_uninstalled")
    async def handle_uninstalled(body: dict[str, Any]) -> None:
        async with tracker.answering("app_uninstalled"):
            await handle_uninstallation(_uninstallation(body, certain=True))


def is_departure(body: Mapping[str, Any]) -> bool:
    """Return whether the event is about the app's removal from a workspace, not about a user."""
    return (body.get("event") or {}).get("type") in ("app_uninstalled", "tokens_revoked")


def _uninstallation(body: dict[str, Any], *, certain: bool) -> Uninstallation:
    event_time = body.get("event_time")
    return Uninstallation(
        enterprise=body.get("enterprise_id"),
        team=body.get("team_id"),
        at=datetime.fromtimestamp(event_time, UTC) if isinstance(event_time, int) else None,
        certain=certain,
    )
