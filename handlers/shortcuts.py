"""Global shortcuts, and shortcuts on a message."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from services.container import Services
from services.request.context import RequestContext
from services.request.interactions import Interactions, Shortcut
from services.request.request_tracker import RequestTracker
from services.request.responder import ViewResponder, reply_or_explain
from services.slack.interaction_payloads import ShortcutPayload


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to every shortcut of the interactions."""
    for callback_id, shortcut in interactions.shortcuts.items():
        _listen(app, callback_id, shortcut, services, tracker)


def _listen(
    app: AsyncApp, callback_id: str, shortcut: Shortcut, services: Services, tracker: RequestTracker
) -> None:
    @app.shortcut(callback_id)
    async def handle_shortcut(ack: AsyncAck, slack_payload: ShortcutPayload) -> None:
        await ack()
        context = RequestContext.of(slack_payload, services)
        async with tracker.answering(callback_id):
            reply = shortcut.run(slack_payload.message, context)
            await reply_or_explain(
                reply, ViewResponder(context, waits=not shortcut.opens_form), changes=False
            )
