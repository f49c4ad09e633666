"""Lists that are searched by typing."""

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
    """Listen to what is typed into every list."""
    for action_id, offer in interactions.options.items():
        _listen(app, action_id, offer, interactions, services)


def _listen(
    app: AsyncApp, action_id: str, offer: OptionsHandler, interactions: Interactions, services: Services
) -> None:
    @app.options(action_id)
    async def typed(ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        metadata = ViewMetadata.read(view.get("private_metadata"))
        offer_here = interactions.options_in.get((view.get("callback_id") or "", action_id), offer)
        try:
            offered = await offer_here(
                str(body.get("value") or ""), metadata, RequestContext.in_body(body, services)
            )
        except NotAMember as problem:
            # A list has no place for text, and what is picked from it is judged when the form is submitted.
            log.info("list.not_offered", reason=type(problem).__name__)
            offered = {"options": []}
        await ack(**offered)
