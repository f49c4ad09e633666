"""Everything that the bot listens to, as it registers it, and payloads of Slack's for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bot.providers_setup import SPECS
from sandbox.slack import payloads
from tests.support.bot_harness import WorkspaceHarness


class _Registry:
    """Stands in for Bolt's app, and notes what is registered there."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        def listen(constraint: Any = None, *_: Any, **__: Any) -> Callable[[Any], Any]:
            if kind not in ("middleware", "error"):
                self.names.add(f"{kind} {getattr(constraint, 'pattern', constraint)}")
            return lambda listener: listener

        return listen


def registered() -> set[str]:
    """The listeners by kind and name, such as `view abort_modal`; patterns without what they have around."""
    from handlers.listeners import register

    registry = _Registry()
    nobody: Any = None
    register(cast(Any, registry), SPECS, nobody, nobody, nobody)
    return {_plain(name) for name in registry.names}


def _plain(name: str) -> str:
    return name.replace("^", "").replace("(_next)?", "").replace("$", "")


def payload_for(
    listener: str, harness: WorkspaceHarness, person: str, channel: str = "builds"
) -> dict[str, Any]:
    """What Slack sends when somebody uses it: a press on a message, a form with nothing in it, and so on."""
    kind, _, name = listener.partition(" ")
    people, workspace = harness.users, harness.slack.workspace
    who, where = workspace.find_user(person), workspace.find_channel(channel)
    origin = people._source()
    trigger = people.handles.create_trigger(who.id)
    view = {
        "id": "V0",
        "type": "modal",
        "callback_id": name,
        "private_metadata": "",
        "hash": "1.a",
        "state": {"values": {}},
        "app_installed_team_id": origin.team,
    }
    elsewhere = payloads._from(who, origin, in_a_view=True)
    if kind == "options":
        return {
            "type": "block_suggestion",
            **elsewhere,
            "view": view,
            "container": {"type": "view", "view_id": "V0"},
            "action_id": name,
            "block_id": name,
            "value": "",
        }
    if kind == "view":
        return {"type": "view_submission", **elsewhere, "view": view, "trigger_id": trigger}
    if kind == "shortcut":
        made = payloads.shortcut(who, name, trigger_id=trigger, source=origin)
        return made if name != "about_build" else made | {"type": "message_action", "message": {"text": "#1"}}
    assert kind == "action", listener
    response = people.handles.create_response_url(who.id, where.id, None)
    return payloads.block_actions(
        who,
        {"type": "button", "action_id": name.strip("()").split("|")[0], "block_id": "b", "value": "{}"},
        {
            "container": {
                "type": "message",
                "message_ts": "1700000000.000100",
                "channel_id": where.id,
                "is_ephemeral": False,
            },
            "channel": {"id": where.id, "name": where.name},
            "message": {"type": "message", "ts": "1700000000.000100", "blocks": []},
        },
        trigger_id=trigger,
        response_url=f"{people.base_url()}/response/{response}",
        source=origin,
    )
