"""manifest.yml and the code agree, in both directions."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.app import utc_now
from bot.manifest import bot_scopes, http_manifest, manifest
from bot.providers_setup import SPECS
from handlers import listeners
from providers.bitrise.links import HOSTS
from services.metrics import Metrics
from services.request.request_tracker import RequestTracker
from services.slack.event_payloads import Inputs
from tests.support.action_ids import ALL_ACTION_IDS
from tests.support.commands import PARSERS

ROOT = Path(__file__).parent.parent.parent

# The use of each scope: a Web API method, an event or a kind of request (docs.slack.dev, "Scopes").
NEEDED_FOR = {
    "commands": {"command"},
    "app_mentions:read": {"event app_mention"},
    "im:history": {"event message.im"},
    "chat:write": {"chat_postMessage", "chat_postEphemeral", "chat_update"},
    # posting in channels without the bot; `subscribe` does it in any public channel
    "chat:write.public": {"chat_postMessage"},
    "channels:join": {"conversations_join"},
    "channels:history": {"conversations_history", "conversations_replies"},
    "groups:history": {"conversations_history", "conversations_replies"},
    "users:read": {"users_info", "event user_change"},
    "usergroups:read": {"usergroups_list", "usergroups_users_list"},
    "users:read.email": {"users_info"},  # the response contains the email address only with this scope
    "files:write": {"files_getUploadURLExternal", "files_completeUploadExternal", "files_delete"},
    "im:write": {"conversations_open"},
    "links:read": {"event link_shared"},
    "links:write": {"chat_unfurl"},
    "reactions:write": {"reactions_add"},
    "channels:read": {"users_conversations", "conversations_info"},
    "groups:read": {"users_conversations", "conversations_info"},
}


class RegisteredListeners:
    """A stand-in for Bolt's app that records the registered listeners."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def middleware(self, listener: Any) -> Any:
        return listener

    def __getattr__(self, kind: str) -> Any:
        def register(what: Any, *_: Any, **__: Any) -> Any:
            name = what.pattern if isinstance(what, re.Pattern) else str(what)
            self.found.setdefault(kind, []).append(name)
            return lambda listener: listener

        return register


@pytest.fixture
def registered() -> dict[str, list[str]]:
    app = RegisteredListeners()
    services = SimpleNamespace(registry=SPECS)
    listeners.register(app, SPECS, services, RequestTracker(Metrics(), None, utc_now), None, None)  # type: ignore[arg-type]
    return app.found


def used_methods() -> set[str]:
    """Return the Web API methods that the code calls."""
    sources = [
        path.read_text()
        for folder in ("bot", "handlers", "providers", "services")
        for path in (ROOT / folder).rglob("*.py")
    ]
    found = re.findall(
        r"\.((?:chat|conversations|users|views|files|reactions|usergroups|functions)_\w+)\(",
        "\n".join(sources),
    )
    return set(found)


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("display_information name", 1, 35),
        ("display_information description", 1, 140),
        ("display_information long_description", 175, 4000),
        ("features bot_user display_name", 1, 80),
        ("features slash_commands 0 command", 2, 32),
        ("features slash_commands 0 description", 1, 2000),
        ("features slash_commands 0 usage_hint", 1, 1000),
        ("features slash_commands 1 command", 2, 32),
        ("features slash_commands 1 description", 1, 2000),
        ("features slash_commands 1 usage_hint", 1, 1000),
        ("settings event_subscriptions bot_events", 1, 100),
        ("oauth_config scopes bot", 1, 255),
    ],
)
def test_the_manifest_is_within_slacks_length_limits(path: str, least: int, most: int) -> None:
    value: Any = manifest()
    for part in path.split():
        value = value[int(part)] if part.isdigit() else value[part]
    assert least <= len(value) <= most


def test_the_manifest_has_exactly_the_commands_with_a_listener(
    registered: dict[str, list[str]],
) -> None:
    commands = [command["command"] for command in manifest()["features"].get("slash_commands", [])]
    assert sorted(commands) == sorted(registered["command"])


def test_each_parser_has_its_command_in_the_manifest() -> None:
    commands = [command["command"] for command in manifest()["features"]["slash_commands"]]
    assert commands == [parser.provider.command for parser in PARSERS]


def test_the_manifest_has_exactly_the_shortcuts_with_a_listener(
    registered: dict[str, list[str]],
) -> None:
    shortcuts = [shortcut["callback_id"] for shortcut in manifest()["features"].get("shortcuts", [])]
    listened = [
        name
        for kind in ("shortcut", "global_shortcut", "message_shortcut")
        for name in registered.get(kind, [])
    ]
    assert sorted(shortcuts) == sorted(listened)


def test_the_manifest_has_exactly_the_events_with_a_listener(
    registered: dict[str, list[str]],
) -> None:
    events = manifest()["settings"]["event_subscriptions"]["bot_events"]
    # `message.im` and similar events all arrive as `message`
    listened = registered["event"] + ["function_executed"] * bool(registered.get("function"))
    assert sorted({event.partition(".")[0] for event in events}) == sorted(listened)


def test_the_manifest_has_exactly_the_workflow_steps_with_a_listener(
    registered: dict[str, list[str]],
) -> None:
    functions = manifest()["functions"]
    assert sorted(functions) == sorted(registered["function"])
    for function in functions.values():
        for parameters in (function["input_parameters"], function["output_parameters"]):
            assert set(parameters["required"]) <= set(parameters["properties"])


def test_each_input_of_a_workflow_step_is_read_and_each_output_is_set() -> None:
    source = (ROOT / "providers" / "bitrise" / "workflow_functions.py").read_text()
    output_source = source + (ROOT / "services" / "jobs" / "workflow_steps.py").read_text()
    for function in manifest()["functions"].values():
        others = function["input_parameters"]["properties"].keys() - Inputs.model_fields.keys()
        assert not [name for name in others if f'"{name}"' not in source]
        assert not [
            name for name in function["output_parameters"]["properties"] if f'"{name}"' not in output_source
        ]


def test_buttons_and_forms_need_interactivity(registered: dict[str, list[str]]) -> None:
    assert manifest()["settings"]["interactivity"]["is_enabled"] is bool(
        registered["action"] or registered["view"]
    )


def test_every_button_has_a_listener(registered: dict[str, list[str]]) -> None:
    for name in ALL_ACTION_IDS:
        listeners = registered["view"] + registered["action"] + registered["options"]
        assert any(re.fullmatch(pattern, name) or re.match(pattern, name) for pattern in listeners), name


def test_the_manifest_has_exactly_the_scopes_that_are_needed(registered: dict[str, list[str]]) -> None:
    events = {f"event {name}" for name in manifest()["settings"]["event_subscriptions"]["bot_events"]}
    used = used_methods() | events | ({"command"} if registered["command"] else set())
    assert {scope for scope, uses in NEEDED_FOR.items() if uses & used} == bot_scopes()


def test_every_called_method_is_allowed_by_a_scope() -> None:
    without_scope = {method for method in used_methods() if method.startswith(("views_", "functions_"))}
    known = {use for uses in NEEDED_FOR.values() for use in uses} | without_scope
    assert used_methods() <= known


def test_the_unfurl_domains_are_those_of_links_that_the_bot_reads() -> None:
    assert tuple(manifest()["features"]["unfurl_domains"]) == HOSTS


def test_the_http_manifest_has_one_request_url() -> None:
    content = http_manifest("https://bot.example.com/")
    address = "https://bot.example.com/slack/events"
    assert {command["url"] for command in content["features"]["slash_commands"]} == {address}
    assert content["settings"]["event_subscriptions"]["request_url"] == address
    assert content["settings"]["interactivity"]["request_url"] == address
    assert content["settings"]["socket_mode_enabled"] is False
