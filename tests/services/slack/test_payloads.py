"""What a payload of Slack says about its workspace and user."""

from __future__ import annotations

from typing import Any

import pytest

from bot.slack.payload_validation import parse_payload

COMMAND = {"command": "/bitrise", "user_id": "U1", "channel_id": "C1"}
SHORTCUT = {"type": "shortcut", "callback_id": "find_build", "trigger_id": "1.2.ab"}
VIEW = {"id": "V1", "state": {"values": {}}}
EVENT = {"type": "event_callback", "event_id": "Ev1"}
GRID = {"enterprise_id": "E1", "team_id": None, "is_enterprise_install": True}


def mention(user_team: str | None = None, **envelope: Any) -> dict[str, Any]:
    event = {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1.1", "team": "T1"}
    return EVENT | {"event": event | ({"user_team": user_team} if user_team else {})} | envelope


def search(home: str | None, team: str | None = None, **view: Any) -> dict[str, Any]:
    return {
        "type": "block_suggestion",
        "action_id": "pick_app",
        "user": {"id": "U1", "team_id": home},
        "team": {"id": team} if team else None,
        "view": VIEW | view if view else None,
    }


@pytest.mark.parametrize(
    ("body", "team"),
    [
        (COMMAND | {"team_id": "T1"}, "T1"),
        (COMMAND, ""),
        (mention(team_id="T2", authorizations=[{"team_id": "T1"}]), "T1"),
        (mention(team_id="T1", authorizations=[GRID]), "T1"),
        (mention(team_id="T2", context_team_id="T1", authorizations=[GRID]), "T1"),
        (mention(team_id="T1", context_team_id="E1", authorizations=[GRID]), "T1"),
        (search("T2", "T1"), "T1"),
        (search("T1", None, team_id="T1", app_installed_team_id="E1"), "T1"),
        (search("T2", "T2", app_installed_team_id="T1"), "T1"),
        (search(None), ""),
        ({"type": "url_verification", "challenge": "abc"}, ""),
    ],
)
def test_the_workspace_of_a_request_is_the_one_with_the_app(body: dict[str, Any], team: str) -> None:
    assert parse_payload(body).workspace_id == team


@pytest.mark.parametrize(
    ("body", "home"),
    [
        (search("T1", "T1"), "T1"),
        (search("T2", "T1"), "T2"),
        # Only the person's own workspace is named: it proves nothing.
        (search("T1"), None),
        (search("T1", team_id="T1"), None),
        # A form opened by a person from elsewhere names their workspace, and the app's in one field only.
        (search("T2", "T2", team_id="T2", app_installed_team_id="T1"), "T2"),
        (search(None, "T1"), None),
        (COMMAND | {"team_id": "T1"}, None),
        (mention(authorizations=[{"team_id": "T1"}]), None),
        (mention("T2", authorizations=[{"team_id": "T1"}]), "T2"),
        (mention("E2", authorizations=[{"team_id": "T1"}]), "E2"),
        (EVENT | {"event": {"type": "user_change", "user": {"id": "U1", "team_id": "T1"}}}, None),
    ],
)
def test_the_home_workspace_of_the_user_is_read_where_it_is_proven(
    body: dict[str, Any], home: str | None
) -> None:
    assert parse_payload(body).home_workspace == home
