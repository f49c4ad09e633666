"""What Slack sends to an app, as docs.slack.dev describes each. Pure; no I/O."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from sandbox.slack.workspace import APP, BOT_USER, TEAM, TEAM_NAME, Channel, OpenView, Person, Post

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


def event(inner: Mapping[str, Any]) -> dict[str, Any]:
    """An event in its envelope."""
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
        "is_ext_shared_channel": False,
        "event_context": secrets.token_hex(8),
    }


def block_actions(
    person: Person,
    channel: Channel,
    post: Post,
    action: Mapping[str, Any],
    *,
    trigger_id: str,
    response_url: str,
) -> dict[str, Any]:
    """Something was pressed on a message; an ephemeral message does not come along."""
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": _user(person),
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "container": {
            "type": "message",
            "message_ts": post.ts,
            "channel_id": channel.id,
            "is_ephemeral": post.only_for is not None,
        },
        "trigger_id": trigger_id,
        "team": _team(),
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel.id, "name": channel.name},
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [{**action, "action_ts": f"{time.time():.6f}"}],
    }
    return payload if post.only_for else payload | {"message": post.as_slack_sends_it()}


def view_submission(
    person: Person, opened: OpenView, values: Mapping[str, Any], *, trigger_id: str
) -> dict[str, Any]:
    """A modal was submitted."""
    return {
        "type": "view_submission",
        "team": _team(),
        "user": _user(person),
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "trigger_id": trigger_id,
        "view": {**opened.as_slack_sends_it(), "state": {"values": values}},
        "response_urls": [],
        "is_enterprise_install": False,
        "enterprise": None,
    }


def view_closed(person: Person, opened: OpenView, *, is_cleared: bool) -> dict[str, Any]:
    """A modal that asked to hear of it was closed."""
    return {
        "type": "view_closed",
        "team": _team(),
        "user": _user(person),
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "view": opened.as_slack_sends_it(),
        "is_cleared": is_cleared,
        "is_enterprise_install": False,
        "enterprise": None,
    }


def _user(person: Person) -> dict[str, str]:
    return {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM}


def _team() -> dict[str, str]:
    return {"id": TEAM, "domain": TEAM_NAME.lower()}
