"""Buttons, wherever they are: on messages, below links, in modals, on the Home. One module for each kind of thing."""

from __future__ import annotations

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot.messages.actions import OPEN_LINK
from handlers.actions import accounts, artifacts, builds, logs, pipelines, subscriptions
from handlers.actions.press import Press, Respond
from handlers.buildio.actions import KINDS as OF_BUILDIO
from handlers.desk import Desk
from handlers.listening import Listening
from handlers.trouble import say_or_explain


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to every button that the messages have."""
    for kind in (accounts, builds, logs, artifacts, pipelines, subscriptions, *OF_BUILDIO):
        for action_id, answer in kind.ANSWERS.items():
            _listen(app, action_id, answer, desk, listening, form=False)
        for action_id, answer in kind.FORMS.items():
            _listen(app, action_id, answer, desk, listening, form=True)

    @app.action(re.compile(f"^{OPEN_LINK}"))
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do


def _listen(
    app: AsyncApp, action_id: str, answer: Respond, desk: Desk, listening: Listening, *, form: bool
) -> None:
    """Answer presses; a `form` opens a modal of its own, at once."""

    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_id):
            press = Press.in_body(body, action, desk, form=form)
            await say_or_explain(answer(press), press.say)
