"""Options of searchable lists."""

from __future__ import annotations

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from services.container import Services
from services.request.context import RequestContext
from services.request.interactions import Interactions, OptionsHandler
from services.slack.interaction_payloads import OptionsPayload
from services.slack.workspace_members import NotAMember
from storage.database import DatabaseUnavailable

log = structlog.get_logger()


def register(app: AsyncApp, interactions: Interactions, services: Services) -> None:
    """Listen to the search text of every list."""
    for action_id, handler in interactions.options.items():
        _listen(app, action_id, handler, interactions, services)


def _listen(
    app: AsyncApp, action_id: str, handler: OptionsHandler, interactions: Interactions, services: Services
) -> None:
    @app.options(action_id)
    async def handle_search(ack: AsyncAck, slack_payload: OptionsPayload) -> None:
        view, context = slack_payload.view, RequestContext.of(slack_payload, services)
        callback_id = view.callback_id if view is not None else None
        view_handler = interactions.options_in.get((callback_id or "", action_id), handler)
        try:
            options = await view_handler(slack_payload.value or "", slack_payload.metadata, context)
        except (NotAMember, DatabaseUnavailable) as problem:
            # A list can't show an error, and the selection is checked when the form is submitted.
            log.info("list.not_offered", reason=type(problem).__name__)
            options = {"options": []}
        await ack(**options)
