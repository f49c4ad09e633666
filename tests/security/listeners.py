"""All listeners that the bot registers, and a payload of Slack for each."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from bot.providers_setup import SPECS
from sandbox.slack import payloads
from tests.support.bot_harness import WorkspaceHarness


class _Registry:
    """A stand-in for Bolt's app that records the listeners by kind and name."""

    def __init__(self) -> None:
        self.listeners: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        if kind in ("middleware", "error"):
            return lambda listener: listener

        def listen(constraint: Any = None, *_: Any, **__: Any) -> Callable[[Any], Any]:
            name = _plain(f"{kind} {getattr(constraint, 'pattern', constraint)}")
            return lambda listener: self.listeners.setdefault(name, listener)

        return listen


def registered_listeners() -> dict[str, Callable[..., Any]]:
    """Return the listeners by kind and name, such as `view abort_modal`; patterns without their anchors."""
    from handlers.listeners import register

    registry = _Registry()
    missing: Any = None
    services = SimpleNamespace(registry=SPECS)
    register(cast(Any, registry), SPECS, cast(Any, services), missing, missing, missing)
    return registry.listeners


def _plain(name: str) -> str:
    return name.replace("^", "").replace("(_next)?", "").replace("$", "")


def payload_for(
    listener: str, harness: WorkspaceHarness, person: str, channel: str = "builds"
) -> dict[str, Any]:
    """Return what Slack sends when a person uses the listener: a press on a message, an empty form, and so on."""
    kind, _, name = listener.partition(" ")
    users, workspace = harness.users, harness.slack.workspace
    user, channel_ = workspace.find_user(person), workspace.find_channel(channel)
    source = users._source()
    trigger = users.handles.create_trigger(user.id)
    view = {
        "id": "V0",
        "type": "modal",
        "callback_id": name,
        "private_metadata": "",
        "hash": "1.a",
        "state": {"values": {}},
        "app_installed_team_id": source.team,
    }
    origin_fields = payloads._from(user, source, in_a_view=True)
    if kind == "options":
        return {
            "type": "block_suggestion",
            **origin_fields,
            "view": view,
            "container": {"type": "view", "view_id": "V0"},
            "action_id": name,
            "block_id": name,
            "value": "",
        }
    if kind == "view":
        return {"type": "view_submission", **origin_fields, "view": view, "trigger_id": trigger}
    if kind == "shortcut":
        payload = payloads.shortcut(user, name, trigger_id=trigger, source=source)
        return (
            payload
            if name != "about_build"
            else payload | {"type": "message_action", "message": {"text": "#1"}}
        )
    assert kind == "action", listener
    response = users.handles.create_response_url(user.id, channel_.id, None)
    return payloads.block_actions(
        user,
        {"type": "button", "action_id": name.strip("()").split("|")[0], "block_id": "b", "value": "{}"},
        {
            "container": {
                "type": "message",
                "message_ts": "1700000000.000100",
                "channel_id": channel_.id,
                "is_ephemeral": False,
            },
            "channel": {"id": channel_.id, "name": channel_.name},
            "message": {"type": "message", "ts": "1700000000.000100", "blocks": []},
        },
        trigger_id=trigger,
        response_url=f"{users.base_url()}/response/{response}",
        source=source,
    )
