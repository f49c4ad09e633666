"""Buttons, wherever they are: on messages, below links, in modals, on the Home. One module for each kind of thing."""

from __future__ import annotations

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from handlers.middleware import RequestTracker
from messages.kit.action_ids import OPEN_LINK
from providers.bitrise.artifacts import buttons as artifact_buttons
from providers.bitrise.builds import buttons as build_buttons
from providers.bitrise.logs import buttons as log_buttons
from providers.bitrise.pipelines import buttons as pipeline_buttons
from providers.buildio.button_registry import KINDS as OF_BUILDIO
from services.container import Services
from services.features.accounts import buttons
from services.features.subscriptions import buttons as subscription_buttons
from services.request.button_press import ButtonPress, Respond
from services.request.error_messages import say_or_explain


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to every button that the messages have."""
    for kind in (
        buttons,
        build_buttons,
        log_buttons,
        artifact_buttons,
        pipeline_buttons,
        subscription_buttons,
        *OF_BUILDIO,
    ):
        for action_id, answer in kind.ANSWERS.items():
            _listen(app, action_id, answer, services, listening, form=False)
        for action_id, answer in kind.FORMS.items():
            _listen(app, action_id, answer, services, listening, form=True)

    @app.action(re.compile(f"^{OPEN_LINK}"))
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do


def _listen(
    app: AsyncApp,
    action_id: str,
    answer: Respond,
    services: Services,
    listening: RequestTracker,
    *,
    form: bool,
) -> None:
    """Answer presses; a `form` opens a modal of its own, at once."""

    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_id):
            press = ButtonPress.in_body(body, action, services, form=form)
            await say_or_explain(answer(press), press.say)
