"""An app that uses all of Slack's windows: shortcuts, stacked modals, search, Home, links, and every block."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

Json = dict[str, Any]

MANIFEST: Json = {
    "display_information": {"name": "Shelf"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "bot_user": {"display_name": "shelf"},
        "slash_commands": [
            {"command": "/gallery", "description": "Show every block"},
            {"command": "/picture", "description": "Upload a picture"},
            {"command": "/late", "description": "Acknowledge too late"},
        ],
        "shortcuts": [
            {"type": "global", "name": "Put a book", "callback_id": "put", "description": "On the shelf"},
            {"type": "message", "name": "Who wrote this?", "callback_id": "who", "description": "Tells you"},
        ],
        "unfurl_domains": ["books.example"],
    },
    "oauth_config": {
        "scopes": {
            "bot": ["commands", "chat:write", "chat:write.public", "links:read", "links:write", "files:write"]
        }
    },
    "settings": {
        "socket_mode_enabled": True,
        "interactivity": {"is_enabled": True},
        "event_subscriptions": {"bot_events": ["link_shared", "app_home_opened", "app_mention"]},
    },
}

# One red pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

BOOKS = [f"Book {number}" for number in range(2000)]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def option(text: str) -> Json:
    return {"text": plain(text), "value": text.lower()}


def field(block_id: str, label: str, element: Json, **more: Any) -> Json:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain(label),
        "element": element | {"action_id": block_id},
        **more,
    }


BOOK_FIELD = field(
    "book",
    "Book",
    {"type": "external_select", "min_query_length": 2, "placeholder": plain("Search books")},
)
PUT: Json = {
    "type": "modal",
    "callback_id": "put",
    "title": plain("Put a book"),
    "submit": plain("Put"),
    "blocks": [
        BOOK_FIELD,
        field("place", "Place", {"type": "plain_text_input"}, hint=plain("taken, more, again, or your own")),
    ],
}


def second(title: str) -> Json:
    return {
        "type": "modal",
        "callback_id": "second",
        "title": plain(title),
        "submit": plain("Done"),
        "blocks": [{"type": "section", "text": mrkdwn("Look at it once more.")}],
    }


ELEMENTS: list[Json] = [
    {"type": "button", "action_id": "primary", "text": plain("Primary"), "style": "primary"},
    {"type": "button", "action_id": "danger", "text": plain("Danger"), "style": "danger"},
    {"type": "overflow", "action_id": "over", "options": [option("First"), option("Second")]},
    {"type": "static_select", "action_id": "one", "placeholder": plain("One"), "options": [option("A")]},
    {
        "type": "external_select",
        "action_id": "book",
        "min_query_length": 2,
        "placeholder": plain("A book"),
    },
    {"type": "users_select", "action_id": "user", "placeholder": plain("Somebody")},
    {"type": "datepicker", "action_id": "day", "initial_date": "2026-11-21"},
    {"type": "timepicker", "action_id": "hour", "initial_time": "13:30"},
    {
        "type": "checkboxes",
        "action_id": "boxes",
        "options": [option("Ticked"), option("Not ticked")],
        "initial_options": [option("Ticked")],
    },
    {"type": "radio_buttons", "action_id": "radio", "options": [option("This"), option("That")]},
]
GALLERY: list[Json] = [
    {"type": "header", "text": plain("Every block :books:")},
    {
        "type": "section",
        "text": mrkdwn(
            "*bold* _italic_ ~struck~ `code` <https://books.example/1|a link> <@U0BEN> &amp; :tada:"
        ),
        "accessory": {
            "type": "multi_static_select",
            "action_id": "several",
            "placeholder": plain("Several"),
            "options": [option("X"), option("Y")],
        },
    },
    {"type": "section", "fields": [mrkdwn("*Left*\nfield"), mrkdwn("*Right*\nfield")]},
    {"type": "section", "text": mrkdwn("> quoted\n```\nblock of code\n```")},
    {"type": "divider"},
    {"type": "actions", "block_id": "row", "elements": ELEMENTS},
    {"type": "context", "elements": [mrkdwn("small words"), plain("and more")]},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "a rich point"}]},
                ],
            }
        ],
    },
    {"type": "markdown", "text": "# Markdown\n\n1. **one** <b>raw</b>\n2. two"},
    {"type": "card", "title": plain("A block that is not drawn")},
    {
        "type": "table",
        "rows": [
            [{"type": "raw_text", "text": "Step"}, {"type": "raw_text", "text": "Time"}],
            [{"type": "raw_text", "text": "clone"}, {"type": "raw_text", "text": "3 s"}],
        ],
    },
]


def home(pressed: int) -> Json:
    confirm = {
        "title": plain("Sure?"),
        "text": plain("Counts one up."),
        "confirm": plain("Yes"),
        "deny": plain("No"),
    }
    press = {"type": "button", "action_id": "count", "text": plain("Count"), "confirm": confirm}
    return {
        "type": "home",
        "blocks": [{"type": "section", "text": mrkdwn(f"Counted {pressed} times"), "accessory": press}],
    }


def shelf(app: AsyncApp, *, let_late_go: asyncio.Event | None = None) -> None:
    """`let_late_go`: what `/late` waits for before it acknowledges."""
    counted: list[str] = []

    @app.command("/gallery")
    async def _(ack: AsyncAck, client: AsyncWebClient, command: Json) -> None:
        await ack()
        await client.chat_postMessage(channel=command["channel_id"], text="Every block", blocks=GALLERY)

    @app.command("/picture")
    async def _(ack: AsyncAck, client: AsyncWebClient, command: Json) -> None:
        await ack()
        await client.files_upload_v2(
            channel=command["channel_id"], content=PICTURE, filename="cover.png", title="A cover"
        )

    @app.command("/late")
    async def _(ack: AsyncAck) -> None:
        if let_late_go is not None:
            await let_late_go.wait()
        await ack("too late")

    @app.action("put")
    @app.shortcut("put")
    async def _(ack: AsyncAck, client: AsyncWebClient, body: Json) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=PUT)

    @app.shortcut("who")
    async def _(ack: AsyncAck, respond: AsyncRespond, body: Json) -> None:
        await ack()
        await respond(f"<@{body['message']['user']}> wrote it")

    @app.options("book")
    async def _(ack: AsyncAck, payload: Json) -> None:
        found = [book for book in BOOKS if payload["value"].lower() in book.lower()]
        await ack(options=[option(book) for book in found[:100]])

    @app.view("put")
    async def _(ack: AsyncAck, client: AsyncWebClient, view: Json) -> None:
        values = view["state"]["values"]
        book, place = (
            values["book"]["book"]["selected_option"]["text"]["text"],
            values["place"]["place"]["value"],
        )
        match place:
            case "taken":
                await ack(response_action="errors", errors={"place": "That place is taken."})
            case "more":
                await ack(response_action="push", view=second("Once more"))
            case "again":
                await ack(response_action="update", view=second("Changed"))
            case _:
                await ack()
                await client.chat_postMessage(channel="C0BUILDS", text=f"{book} stands in {place}")

    @app.view("second")
    async def _(ack: AsyncAck) -> None:
        await ack(response_action="clear")

    @app.event("link_shared")
    async def _(event: Json, client: AsyncWebClient) -> None:
        unfurls = {
            link["url"]: {
                "color": "#5b3fa0",
                "blocks": [{"type": "section", "text": mrkdwn("*A fine book*")}],
            }
            for link in event["links"]
        }
        await client.chat_unfurl(channel=event["channel"], ts=event["message_ts"], unfurls=unfurls)

    @app.event("app_home_opened")
    async def _(event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view=home(len(counted)))

    @app.action("count")
    async def _(ack: AsyncAck, client: AsyncWebClient, body: Json) -> None:
        await ack()
        counted.append(body["user"]["id"])
        await client.views_publish(user_id=body["user"]["id"], view=home(len(counted)))

    for action_id in (
        "primary",
        "danger",
        "over",
        "one",
        "book",
        "user",
        "day",
        "hour",
        "boxes",
        "radio",
        "several",
    ):

        @app.action(action_id)
        async def _(ack: AsyncAck, respond: AsyncRespond, payload: Json) -> None:
            await ack()
            await respond(f"{payload['action_id']}: {_given(payload)}", replace_original=False)


def _given(payload: Json) -> str:
    chosen = payload.get("selected_options") or [payload.get("selected_option")]
    words = [one["value"] for one in chosen if one]
    plain_values = [payload.get(name) for name in ("selected_user", "selected_date", "selected_time")]
    return ", ".join([*words, *(one for one in plain_values if one)]) or "pressed"
