"""Buttons on messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.build import App, Build
from bot.commands import ListApps, ListBuilds, parse
from bot.http import ProviderError
from bot.messages import BuildButton, actions
from handlers.abort_modal import Origin
from handlers.answers import acts, apps, builds, results, subscriptions
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.finding import NotNamed
from handlers.listening import Listening
from handlers.saying import ToResponseUrl
from handlers.trouble import in_words

Press = Callable[[str, Caller, ToResponseUrl], Awaitable[Answer | None]]


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to every button that the messages have."""
    for action_id, press in _PRESSES.items():
        _listen(app, action_id, press, desk, listening)

    @app.action(actions.OPEN_IN_BITRISE)
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do

    @app.action(actions.BUILD_ABORT)
    async def abort(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(actions.BUILD_ABORT):
            button = BuildButton.decode(action["value"])
            # Opened before anything is looked up: a trigger_id lives three seconds (Slack's rules, "Answering").
            await desk.slack.views_open(
                trigger_id=body["trigger_id"],
                view=messages.abort_modal(button, private_metadata=Origin.of(body).encode(button)),
            )
