"""Buttons and lists on messages, in modals and on the Home tab."""

from __future__ import annotations

import re

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from messages.kit.action_ids import OPEN_LINK, PICK_APP
from services.container import Services
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.interactions import Interactions, ViewAction, ViewActionHandler
from services.request.request_tracker import RequestTracker, wait_for_place
from services.request.responder import reply_or_explain
from services.slack.interaction_payloads import ActionPayload


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to every button and list of the interactions."""
    for action_id, button in interactions.buttons.items():
        _listen(app, action_id, button, services, tracker, form=False)
    for action_id, button in interactions.form_buttons.items():
        _listen(app, action_id, button, services, tracker, form=True)
    for action_id, handler in interactions.view_actions.items():
        _listen_in_view(app, action_id, handler, services, tracker)

    @app.action(PICK_APP)
    async def handle_app_selection(ack: AsyncAck, slack_payload: ActionPayload) -> None:
        await ack()
        async with tracker.answering(PICK_APP):
            await wait_for_place()
            press = ViewAction.of(slack_payload, services)
            handler = interactions.app_selections.get(press.view.callback_id or "")
            if handler is not None:
                await handler(press)

    @app.action(re.compile(f"^({'|'.join(sorted(interactions.selections))})$"))
    async def acknowledge_selection(ack: AsyncAck) -> None:
        await ack()  # the selection is read when the form is submitted

    @app.action(re.compile(f"^{OPEN_LINK}"))
    async def acknowledge_link_click(ack: AsyncAck) -> None:
        await ack()  # Slack also reports clicks on links; there is nothing to do


def _listen(
    app: AsyncApp,
    action_id: str,
    handler: ButtonHandler,
    services: Services,
    tracker: RequestTracker,
    *,
    form: bool,
) -> None:
    """Listen to presses of a button; the handler of a `form` button opens a modal itself, at once."""

    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def handle_press(ack: AsyncAck, slack_payload: ActionPayload) -> None:
        await ack()
        async with tracker.answering(action_id):
            press = ButtonPress.of(slack_payload, services, form=form)
            await reply_or_explain(handler(press), press.responder)


def _listen_in_view(
    app: AsyncApp, action_id: str, handler: ViewActionHandler, services: Services, tracker: RequestTracker
) -> None:
    @app.action(action_id)
    async def handle_press(ack: AsyncAck, slack_payload: ActionPayload) -> None:
        await ack()
        async with tracker.answering(action_id):
            await wait_for_place()
            await handler(ViewAction.of(slack_payload, services))
