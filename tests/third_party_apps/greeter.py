"""An app that listens to messages, reactions and members, and reads the workspace."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltContext, AsyncSay
from slack_sdk.web.async_client import AsyncWebClient

Json = dict[str, Any]

SCOPES = [
    "app_mentions:read",
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "chat:write",
    "emoji:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "pins:read",
    "pins:write",
    "reactions:read",
    "reactions:write",
    "team:read",
    "users:read",
    "users:read.email",
]
EVENTS = [
    "app_mention",
    "channel_archive",
    "channel_created",
    "channel_rename",
    "channel_unarchive",
    "member_joined_channel",
    "member_left_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "pin_added",
    "pin_removed",
    "reaction_added",
    "reaction_removed",
]
MANIFEST: Json = {
    "display_information": {"name": "Greeter"},
    "features": {"bot_user": {"display_name": "greeter"}},
    "oauth_config": {"scopes": {"bot": SCOPES}},
    "settings": {
        "socket_mode_enabled": True,
        "interactivity": {"is_enabled": True},
        "event_subscriptions": {"bot_events": EVENTS},
    },
}


def greeter_app(app: AsyncApp, hear: Callable[[Json], None]) -> None:
    """Return the app; `hear` receives every event of a listener, in order."""

    @app.message(re.compile("^(hi|hello)"))
    async def _(context: AsyncBoltContext, say: AsyncSay, message: Json) -> None:
        hear(message)
        await say(f"{context['matches'][0]}, <@{message['user']}>")

    @app.event({"type": "message", "subtype": "message_changed"})
    async def _(event: Json, say: AsyncSay) -> None:
        hear(event)
        if "bot_id" not in event["message"]:
            await say(f"Changed to: {event['message']['text']}", thread_ts=event["message"]["ts"])

    @app.event({"type": "message", "subtype": "message_deleted"})
    async def _(event: Json, say: AsyncSay) -> None:
        hear(event)
        await say(f"Deleted: {event['previous_message']['text']}")

    @app.event("message")
    async def _(event: Json) -> None:
        hear(event)

    @app.event("app_mention")
    async def _(event: Json, client: AsyncWebClient) -> None:
        hear(event)
        await client.reactions_add(channel=event["channel"], timestamp=event["ts"], name="wave")

    @app.event("reaction_added")
    async def _(event: Json, client: AsyncWebClient) -> None:
        hear(event)
        if event["reaction"] == "pushpin":
            await client.pins_add(channel=event["item"]["channel"], timestamp=event["item"]["ts"])

    @app.event("member_joined_channel")
    async def _(event: Json, say: AsyncSay, context: AsyncBoltContext) -> None:
        hear(event)
        if event["user"] != context.bot_user_id:
            await say(f"Welcome, <@{event['user']}>")

    @app.event(re.compile("."))
    async def _(event: Json) -> None:
        hear(event)
