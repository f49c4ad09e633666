"""What Slack sends to an app, as docs.slack.dev describes each. Pure; no I/O."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from sandbox.slack.workspace import APP, BOT_USER, TEAM, TEAM_NAME, Channel, OpenView, Person, Post, StepRun

VERIFICATION_TOKEN = "sandbox-verification"  # noqa: S105 - the field that Slack has long told apps not to use


def slash_command(
    command: str, text: str, person: Person, channel: Channel, *, trigger_id: str, response_url: str
) -> dict[str, str]:
    """A slash command; a form in HTTP mode."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM,
        "team_domain": TEAM_NAME.lower(),
        "channel_id": channel.id,
        "channel_name": {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name),
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def event(inner: Mapping[str, Any], *, shared_outside: bool = False) -> dict[str, Any]:
    """An event in its envelope; `shared_outside`: in a channel with people of another company."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM,
        "api_app_id": APP,
        "event": dict(inner),
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": shared_outside,
        "event_context": secrets.token_hex(8),
    }


def function_executed(run: StepRun, function: Mapping[str, Any], ts: str) -> dict[str, Any]:
    """A workflow has come to a step of the app's."""

    def listed(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": name, "is_required": name in parameters["required"], **one}
            for name, one in parameters["properties"].items()
        ]

    return {
        "type": "function_executed",
        "function": {
            "id": f"Fn{run.function[:8].upper()}",
            "callback_id": run.function,
            "title": function["title"],
            "description": function["description"],
            "type": "app",
            "app_id": APP,
            "input_parameters": listed(function["input_parameters"]),
            "output_parameters": listed(function["output_parameters"]),
        },
        "inputs": run.inputs,
        "function_execution_id": run.id,
        "workflow_execution_id": f"Wx{run.id[2:]}",
        "event_ts": ts,
        "bot_access_token": "xwfp-sandbox-0000000000",
    }


def on_message(
    channel: Channel, post: Post, *, state: Mapping[str, Any] | None = None, unfurled: str | None = None
) -> dict[str, Any]:
    """Where an element is: on a message; an ephemeral one does not come along.

    `state` is what is chosen in the message, `unfurled` the address in whose preview the element is.
    """
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": post.ts,
        "channel_id": channel.id,
        "is_ephemeral": post.only_for is not None,
    }
    if unfurled is not None:
        container |= {
            "type": "message_attachment",
            "attachment_id": 1,
            "is_app_unfurl": True,
            "app_unfurl_url": unfurled,
        }
    place: dict[str, Any] = {
        "container": container,
        "channel": {"id": channel.id, "name": channel.name},
        "state": {"values": dict(state or {})},
    }
    return place if post.only_for else place | {"message": post.as_slack_sends_it()}


def on_view(view: Mapping[str, Any]) -> dict[str, Any]:
    """Where an element is: in a modal or the Home."""
    return {"container": {"type": "view", "view_id": view["id"]}, "view": dict(view)}


def block_actions(
    person: Person,
    action: Mapping[str, Any],
    place: Mapping[str, Any],
    *,
    trigger_id: str,
    response_url: str | None = None,
) -> dict[str, Any]:
    """Something was pressed or chosen."""
    payload = {
        "type": "block_actions",
        **_from(person),
        "trigger_id": trigger_id,
        **place,
        "actions": [{**action, "action_ts": f"{time.time():.6f}"}],
    }
    return payload | ({"response_url": response_url} if response_url else {})


def block_suggestion(
    person: Person, block_id: str, element: Mapping[str, Any], typed: str, place: Mapping[str, Any]
) -> dict[str, Any]:
    """Somebody types into a select whose options the app gives."""
    return {
        "type": "block_suggestion",
        **_from(person),
        **place,
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
        "value": typed,
    }


def shortcut(person: Person, callback_id: str, *, trigger_id: str) -> dict[str, Any]:
    """A global shortcut."""
    return {
        "type": "shortcut",
        **_from(person),
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "action_ts": f"{time.time():.6f}",
    }


def message_shortcut(
    person: Person, callback_id: str, channel: Channel, post: Post, *, trigger_id: str, response_url: str
) -> dict[str, Any]:
    """A message's shortcut."""
    return {
        **shortcut(person, callback_id, trigger_id=trigger_id),
        "type": "message_action",
        "channel": {"id": channel.id, "name": channel.name},
        "message_ts": post.ts,
        "message": post.as_slack_sends_it(),
        "response_url": response_url,
    }


def view_submission(
    person: Person, opened: OpenView, values: Mapping[str, Any], *, trigger_id: str
) -> dict[str, Any]:
    """A modal was submitted."""
    return {
        "type": "view_submission",
        **_from(person),
        "trigger_id": trigger_id,
        "view": {**opened.as_slack_sends_it(), "state": {"values": values}},
        "response_urls": [],
    }


def view_closed(person: Person, opened: OpenView, *, is_cleared: bool) -> dict[str, Any]:
    """A modal that asked to hear of it was closed."""
    return {
        "type": "view_closed",
        **_from(person),
        "view": opened.as_slack_sends_it(),
        "is_cleared": is_cleared,
    }


def _from(person: Person) -> dict[str, Any]:
    """Who and where from: what every interaction carries."""
    return {
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM},
        "team": {"id": TEAM, "domain": TEAM_NAME.lower()},
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }
