"""People who leave a workspace, and workspaces that take the app out."""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from handlers.answers import accounts
from handlers.caller import Caller
from handlers.desk import Desk
from handlers.listening import Listening

log = structlog.get_logger()


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to what Slack tells of both."""

    @app.event("user_change")
    async def changed(event: dict[str, Any], body: dict[str, Any]) -> None:
        user = event.get("user") or {}
        if not user.get("deleted") or not user.get("id"):
            return
        async with listening.answering("user_change"):
            team = user.get("team_id") or body.get("team_id") or ""
            caller = Caller(desk=desk, person=str(user["id"]), team=str(team), channel="")
            if await accounts.leave(caller):
                log.info("account.left", team=team, person=user["id"])

    @app.event("tokens_revoked")
    async def revoked(event: dict[str, Any], body: dict[str, Any]) -> None:
        if (event.get("tokens") or {}).get("bot"):
            async with listening.answering("tokens_revoked"):
                await desk.uninstalled(body.get("enterprise_id"), body.get("team_id"))

    @app.event("app_uninstalled")
    async def uninstalled(body: dict[str, Any]) -> None:
        async with listening.answering("app_uninstalled"):
            await desk.uninstalled(body.get("enterprise_id"), body.get("team_id"))
