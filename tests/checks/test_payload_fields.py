"""Only one module reads the fields of Slack's requests: everything after it has typed payloads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.slack.payload_validation import KNOWN_FIELDS

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("bot", "handlers", "providers", "services", "storage", "messages", "domain")
# Fields that nothing else has: responses of the Web API, blocks and providers.
FIELDS = frozenset(
    [
        "action_id",
        "actions",
        "app_installed_team_id",
        "app_unfurl_url",
        "authorizations",
        "callback_id",
        "channel_type",
        "container",
        "context_team_id",
        "event_id",
        "event_time",
        "function_execution_id",
        "inputs",
        "is_ephemeral",
        "is_ext_shared_channel",
        "message_ts",
        "previous_view_id",
        "private_metadata",
        "response_url",
        "root_view_id",
        "selected_conversation",
        "selected_option",
        "selected_options",
        "selected_users",
        "subtype",
        "trigger_id",
        "user_team",
    ]
)
# Signs views before they are sent.
SIGNS_VIEWS = Path("services/request/context.py")


def find_fields(source: str) -> Iterator[str]:
    """Yield the line and the name of each of the fields that a module reads from a dictionary."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Subscript(slice=ast.Constant(value=str() as name))
                | ast.Call(
                    func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str() as name), *_]
                )
                | ast.Compare(
                    left=ast.Constant(value=str() as name),
                    ops=[ast.In() | ast.NotIn()],
                    comparators=[ast.Name()],
                )
            ) if name in FIELDS:
                yield f"{node.lineno}: {name}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('body["trigger_id"]', ["1: trigger_id"]),
        ('view = (body.get("view") or {})\nview.get("private_metadata", "")', ["2: private_metadata"]),
        ('"event_id" in body', ["1: event_id"]),
        ('{"private_metadata": origin.encode()}["type"]', []),
        ("slack_payload.trigger_id", []),
    ],
)
def test_a_field_that_is_read_is_found(source: str, found: list[str]) -> None:
    assert [*find_fields(source)] == found


def test_no_module_reads_the_fields_of_a_request_from_a_dictionary() -> None:
    assert FIELDS <= KNOWN_FIELDS
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT): [*find_fields(path.read_text())] for path in paths}
    assert [path for path, fields in found.items() if fields] == [SIGNS_VIEWS]
