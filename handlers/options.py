"""Options of searchable lists."""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from messages.kit.view_metadata import ViewMetadata
from services.container import Services
from services.request.context import RequestContext
from services.request.interactions import Interactions, OptionsHandler
from services.slack.workspace_members import NotAMember

log = structlog.get_logger()


def register(app: AsyncApp, interactions: Interactions, services: Services) -> None:
    """Listen to the search text of every list."""
    for action_id, handler in interactions.options.items():
        _listen(app, action_id, handler, interactions, services)


def _listen(
    app: AsyncApp, action_id: str, handler: OptionsHandler, interactions: Interactions, services: Services
) -> None:
    @app.options(action_id)
    async def handle_search(ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        metadata = ViewMetadata.read(view.get("private_metadata"))
        view_handler = interactions.options_in.get((view.get("callback_id") or "", action_id), handler)
        try:
            options = await view_handler(
                str(body.get("value") or ""), metadata, RequestContext.in_body(body, services)
            )
        except NotAMember as problem:
            # A list can't show an error, and the selection is checked when the form is submitted.
            log.info("list.not_offered", reason=type(problem).__name__)
            options = {"options": []}
        await ack(**options)
