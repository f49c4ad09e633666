"""Every listener takes the typed payload of its request, and none the dictionaries that Bolt offers."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from services.slack.event_payloads import EVENTS
from services.slack.interaction_payloads import (
    ActionPayload,
    OptionsPayload,
    ShortcutPayload,
    SubmissionPayload,
)
from services.slack.payloads import CommandPayload
from tests.security.listeners import registered_listeners

PAYLOADS: dict[str, Any] = {
    "action": ActionPayload,
    "command": CommandPayload,
    "function": EVENTS["function_executed"],
    "options": OptionsPayload,
    "shortcut": ShortcutPayload,
    "view": SubmissionPayload,
}


def test_every_listener_takes_the_typed_payload_of_its_request() -> None:
    listeners = registered_listeners()
    assert {name.partition(" ")[0] for name in listeners} == {*PAYLOADS, "event"}
    for name, listener in listeners.items():
        kind, _, constraint = name.partition(" ")
        arguments = inspect.signature(listener).parameters.keys()
        assert arguments <= {"ack", "slack_payload"}, name
        if "slack_payload" in arguments:
            expected = EVENTS[constraint] if kind == "event" else PAYLOADS[kind]
            assert get_type_hints(listener)["slack_payload"] is expected, name
