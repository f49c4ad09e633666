"""Users of other companies and other workspaces in Slack's responses and payloads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.manifest import manifest
from sandbox.slack import payloads
from sandbox.slack.models import TEAM, OpenView
from sandbox.slack.server import SlackSimulator
from sandbox.slack.users import Enterprise
from tests.sandbox.slack.web_api_call import call_web_api

GRID = Enterprise("E0HOST", "Host Corp")


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    opened = await SlackSimulator(manifest()).start()
    yield opened
    await opened.close()


async def user(slack: SlackSimulator, **changes: Any) -> dict[str, Any]:
    people = slack.workspace.users
    people["U0BEN"] = replace(people["U0BEN"], **changes)
    found: dict[str, Any] = (await call_web_api(slack, "users.info", user="U0BEN"))["user"]
    return found


async def test_an_external_user_in_a_shared_channel_is_no_stranger(
    slack: SlackSimulator,
) -> None:
    shown = await user(slack, home="T0ELSEWHERE")
    assert (shown["team_id"], shown["is_stranger"]) == ("T0ELSEWHERE", False)
    assert "enterprise_user" not in shown
    shown = await user(slack, home="T0ELSEWHERE", organisation="E0ELSEWHERE")
    assert shown["enterprise_user"]["enterprise_id"] == "E0ELSEWHERE"
    shown = await user(slack, home="", organisation="", stranger=True)
    assert (shown["team_id"] != TEAM, shown["is_stranger"]) == (True, True)


async def test_users_of_an_organisation_name_it_and_guests_are_restricted(slack: SlackSimulator) -> None:
    slack.workspace.enterprise = GRID
    shown = await user(slack, single_channel=True)
    assert shown["enterprise_user"]["enterprise_id"] == "E0HOST"
    assert (shown["is_restricted"], shown["is_ultra_restricted"]) == (True, True)


def test_interactions_of_an_external_user_name_their_own_workspace() -> None:
    person = replace(SlackSimulator(manifest()).workspace.users["U0BEN"], home="T0ELSEWHERE")
    pressed = payloads.block_actions(person, {}, {}, trigger_id="t")
    assert (pressed["team"]["id"], pressed["user"]["team_id"]) == (TEAM, "T0ELSEWHERE")
    opened = OpenView("V1", {"type": "modal"}, "V1")
    sent = payloads.view_submission(person, opened, {}, trigger_id="t")
    assert (sent["team"]["id"], sent["user"]["team_id"]) == ("T0ELSEWHERE", "T0ELSEWHERE")
    assert sent["view"]["app_installed_team_id"] == TEAM
    assert payloads.external_user_fields(person)["user_team"] == "T0ELSEWHERE"
    assert (
        payloads.external_user_fields(replace(person, organisation="E0ELSEWHERE"))["user_team"]
        == "E0ELSEWHERE"
    )
    assert payloads.external_user_fields(replace(person, home="")) == {}
