"""An app with a step for Workflow Builder, as Slack's templates have it: a person presses a button to go on."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncSay
from slack_bolt.context.complete.async_complete import AsyncComplete
from slack_bolt.context.fail.async_fail import AsyncFail
from slack_sdk.web.async_client import AsyncWebClient

from tests.foreign.shelf import field, plain

Json = dict[str, Any]

_USER = {"type": "slack#/types/user_id", "title": "Person", "description": "Who is asked"}
_WORDS = {"type": "string", "title": "Words", "description": "What they are asked"}
# The parameters as the manifests of Slack's templates have them, and as the manifest's published schema has them.
FLAT = {"person": _USER | {"is_required": True}, "words": _WORDS | {"is_required": False}}
NESTED = {"properties": {"person": _USER, "words": _WORDS}, "required": ["person"]}


def manifest(parameters: Json) -> Json:
    return {
        "display_information": {"name": "Stepping"},
        "features": {
            "app_home": {"messages_tab_enabled": True},
            "bot_user": {"display_name": "stepping"},
        },
        "oauth_config": {"scopes": {"bot": ["chat:write"]}},
        "settings": {
            "event_subscriptions": {"bot_events": ["function_executed"]},
            "function_runtime": "remote",
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": True,
            "socket_mode_enabled": True,
        },
        "functions": {
            "ask": {
                "title": "Ask somebody",
                "description": "Waits until they agree",
                "input_parameters": parameters,
                "output_parameters": parameters,
            }
        },
    }


MODAL: Json = {
    "type": "modal",
    "callback_id": "no",
    "title": plain("Why not?"),
    "submit": plain("Say no"),
    "blocks": [field("why", "Why", {"type": "plain_text_input"})],
}


def _button(action_id: str, text: str) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain(text)}


def stepping(app: AsyncApp, tokens: list[str]) -> None:
    """`tokens` has those with which Slack lets the app act for a step."""

    @app.function("ask")
    async def _(inputs: Json, say: AsyncSay, fail: AsyncFail, context: AsyncBoltContext) -> None:
        tokens.append(str(context.function_bot_access_token))
        if inputs.get("words") == "break":
            await fail("There is nothing to ask")
            return
        blocks: list[Json] = [
            {"type": "section", "text": {"type": "mrkdwn", "text": "Is it well?"}},
            {"type": "actions", "elements": [_button("yes", "Yes"), _button("no", "No")]},
        ]
        # A person's id: it becomes their direct message.
        await say(channel=inputs["person"], text="Is it well?", blocks=blocks)

    @app.action("yes")
    async def _(
        ack: AsyncAck, body: Json, client: AsyncWebClient, complete: AsyncComplete, context: AsyncBoltContext
    ) -> None:
        await ack()
        tokens.append(str(context.function_bot_access_token))
        await complete({"person": context.actor_user_id})
        await client.chat_update(
            channel=str(context.channel_id), ts=body["message"]["ts"], text="It is well", blocks=[]
        )

    @app.action("no")
    async def _(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("no")
    async def _(ack: AsyncAck, view: Json, fail: AsyncFail) -> None:
        await ack()
        await fail(view["state"]["values"]["why"]["why"]["value"])
