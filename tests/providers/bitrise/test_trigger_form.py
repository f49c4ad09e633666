"""The form that starts a build."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.slack.models import OpenView
from storage.sqlite_database import SqliteDatabase
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.canary_secrets import CANARIES
from tests.support.repositories import make_repositories


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []


async def open_form(harness: BotHarness, command: str = "/bitrise trigger") -> OpenView:
    await harness.users.command("anna", "builds", command)
    return await harness.slack.wait_for_modal("anna", "Workflow or pipeline")


async def find_option(harness: BotHarness, field: str, typed: str, text: str) -> dict[str, Any]:
    """Return the option with this text from the list for the typed text."""
    groups = await harness.users.options("anna", field, typed)
    options = [option for group in groups for option in group.get("options", [group])]
    return next(option for option in options if option["text"]["text"] == text)


async def pick_app(harness: BotHarness, title: str) -> dict[str, Any]:
    option = await find_option(harness, "pick_app", title[:3], title)
    await harness.redraw("pick_app", option)
    return option


def started_builds(harness: BotHarness) -> list[dict[str, Any]]:
    """Return the parameters of the builds that were started."""
    return [
        request.body["build_params"]
        for request in harness.bitrise.requests
        if request.method == "POST" and request.path.endswith("/builds") and request.status == 201
    ]


def input_block_ids(opened: OpenView) -> list[str]:
    return [block["block_id"] for block in opened.view["blocks"] if block["type"] == "input"]


async def test_a_build_is_started_from_the_apps_real_branches_and_pipelines(harness: BotHarness) -> None:
    await open_form(harness)
    await pick_app(harness, "Sample Android")
    await harness.slack.wait_for_modal("anna", "Sample Android")
    for text in ("primary", "deploy", "release-train"):
        assert await find_option(harness, "pick_buildable", "", text)
    workflow = await find_option(harness, "pick_buildable", "dep", "deploy")
    typed = (await harness.users.options("anna", "pick_branch", "feature/new"))[0]
    await harness.users.set_value("anna", "Add a variable")
    await harness.slack.wait_for_modal("anna", "Variable 1")

    await harness.users.submit(
        "anna",
        {"branch": typed, "buildable": workflow, "message": "Try it", "variable_1": "DRY_RUN=a=b c"},
    )

    await harness.wait_for_message("anna started Sample Android #1")
    [params] = started_builds(harness)
    assert (params["branch"], params["workflow_id"], params["commit_message"]) == (
        "feature/new",
        "deploy",
        "Try it",
    )
    assert {"key": "DRY_RUN", "value": "a=b c", "is_expand": False} in params["environments"]


async def test_the_last_started_build_is_filled_in_without_possible_secrets(harness: BotHarness) -> None:
    command = "trigger android branch:develop workflow:deploy env:MODE=fast env:API_TOKEN=abcdefghijkl"
    await harness.ask(f"/bitrise {command}", "started")
    opened = await open_form(harness)
    text = harness.slack.modal_text(opened)
    for expected in (
        "Sample Android",
        "develop",
        "deploy",
        "MODE=fast",
        "API_TOKEN=",
        "last build that you started",
    ):
        assert expected in text
    assert "abcdefghijkl" not in text
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #2")
    params = started_builds(harness)[-1]
    assert (params["branch"], params["workflow_id"]) == ("develop", "deploy")


async def test_variable_rows_are_added_and_removed_without_losing_input(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    opened.entered |= {"message": "keep me", "tag": "v1"}
    for number in (1, 2, 3):
        await harness.users.set_value("anna", "Add a variable")
        await harness.slack.wait_for_modal("anna", f"Variable {number}")
    opened.entered |= {"variable_1": "A=1", "variable_3": "C=3"}
    await harness.users.set_value("anna", "Remove variable 2")
    await harness.slack.workspace.wait_for(
        lambda: True if "variable_2" not in input_block_ids(opened) else None, 5, "the row to go"
    )
    assert opened.entered["message"] == "keep me"
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #1")
    [params] = started_builds(harness)
    variables = [(variable["key"], variable["value"]) for variable in params["environments"]]
    assert variables[:2] == [("A", "1"), ("C", "3")]
    assert params["tag"] == "v1"


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({}, "branch", "Choose what to build"),
        ({"tag": "v1", "variable_1": "no equals sign"}, "variable_1", "NAME=value"),
        ({"tag": "v1", "variable_1": "two words=1"}, "variable_1", "NAME=value"),
    ],
)
async def test_an_invalid_value_is_reported_at_its_field_and_no_input_is_lost(
    harness: BotHarness, values: dict[str, str], field: str, expected: str
) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    await harness.users.set_value("anna", "Add a variable")
    await harness.slack.wait_for_modal("anna", "Variable 1")
    await harness.users.submit("anna", values | {"message": "keep me"})
    await harness.slack.wait_for_modal("anna", expected)
    assert list(opened.errors) == [field]
    assert opened.entered == values | {"message": "keep me"}
    assert started_builds(harness) == []


async def test_an_invalid_branch_name_is_reported_at_its_field(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    typed = (await harness.users.options("anna", "pick_branch", "main~1"))[0]
    await harness.users.submit("anna", {"branch": typed})
    await harness.slack.wait_for_modal("anna", "isn't a valid branch name")
    assert list(opened.errors) == ["branch"]
    assert started_builds(harness) == []


async def test_bitrises_error_is_shown_at_the_field_that_it_names(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    typed = (await harness.users.options("anna", "pick_buildable", "nightly"))[-1]["options"][0]
    await harness.users.submit("anna", {"buildable": typed, "message": "keep me"})
    await harness.slack.wait_for_modal("anna", "Workflow (nightly) did not found")
    assert list(opened.errors) == ["buildable"]


async def test_an_error_at_a_field_is_plain_text_without_markup(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    harness.bitrise.fault("POST */builds", "error", status=400, words="no workflow <x> & no `y`")
    await harness.users.submit("anna", {"tag": "v1"})
    await harness.slack.wait_for_modal("anna", "no workflow")
    assert opened.errors == {"buildable": "Bitrise rejected this: no workflow <x> & no y"}


async def test_a_slow_start_shows_progress_and_keeps_the_input_when_it_fails(harness: BotHarness) -> None:
    await open_form(harness, "/bitrise trigger android")
    harness.bitrise.fault("POST */builds", "dropped")
    harness.bitrise.fault("GET */builds", "slow", seconds=2)
    await harness.users.submit("anna", {"tag": "v9", "message": "keep me"})
    await harness.slack.wait_for_modal("anna", "Starting a build of Sample Android")
    opened = await harness.slack.wait_for_modal("anna", "⚠️")
    assert "keep me" in harness.slack.modal_text(opened)
    assert "v9" in harness.slack.modal_text(opened)


async def test_picking_another_app_fills_in_its_last_started_build_and_its_own_lists(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise trigger web branch:main workflow:ship", "started")
    await harness.ask("/bitrise trigger android branch:main", "started")
    await open_form(harness)
    await harness.users.set_value("anna", "pick_branch", "")
    opened = harness.users.modal("anna")
    assert opened is not None
    opened.entered |= {"branch": ""}
    option = await find_option(harness, "pick_app", "web", "Web Shop")
    await harness.users.set_value("anna", "pick_app", option)
    await harness.slack.wait_for_modal("anna", "ship")
    groups = await harness.users.options("anna", "pick_buildable", "")
    texts = [option["text"]["text"] for group in groups for option in group["options"]]
    assert texts == ["test", "ship"]


async def test_a_mention_gets_a_button_that_opens_the_form(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell trigger android")
    prompt = await harness.wait_for_message("Which branch or workflow?")
    await harness.users.click("anna", prompt, "Start a build…")
    await harness.slack.wait_for_modal("anna", "Sample Android")


async def test_the_channels_app_is_chosen_from_a_list(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/bitrise use")
    await harness.slack.wait_for_modal("anna", "will use this one")
    option = await find_option(harness, "pick_app", "ios", "Sample iOS")
    await harness.users.submit("anna", {"app": option})
    await harness.wait_for_message("set this channel's app to Sample iOS")


async def test_the_last_trigger_is_stored_per_person_and_workspace_without_secrets(tmp_path: Any) -> None:
    from domain.commands.shared_commands import TriggerBuild
    from tests.support.factories import NOON

    database = await SqliteDatabase.open(tmp_path / "x.db")
    last_triggers, other_workspace = (
        make_repositories(database).of("T1").last_triggers,
        make_repositories(database).of("T2").last_triggers,
    )
    secret = CANARIES["Slack bot token"]
    typed = TriggerBuild(branch="main", tag=f"v1 {secret}", workflow="primary", message=f"Try {secret}")
    await last_triggers.store("U1", "app1", typed, at=NOON)
    stored = await last_triggers.last("U1", "app1")
    assert stored is not None
    assert (stored.branch, stored.tag, stored.workflow) == ("main", None, "primary")
    assert secret not in stored.model_dump_json()
    assert await last_triggers.last("U2", "app1") is None
    assert await other_workspace.last("U1", "app1") is None
    assert await last_triggers.last_app("U1") == "app1"
    await database.close()


async def test_the_form_is_prefilled_with_the_channels_app_and_its_main_branch(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise use android", "set this channel's app to")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios, params={"branch": "trunk"}))
    status = await harness.ask("/bitrise status", "Sample Android")

    async def check_prefilled() -> dict[str, object]:
        opened = await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
        form_text = harness.slack.modal_text(opened)
        assert "Sample Android" in form_text
        assert "main" in form_text
        return dict(opened.entered)

    await harness.users.click("anna", status, "Start a build…")
    await check_prefilled()
    await harness.users.close_modal("anna")
    await harness.users.command("anna", "builds", "/bitrise trigger")
    await check_prefilled()
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #2", person=None)
    assert harness.bitrise.state.builds[-1].branch == "main"
    # Without a channel, the app last started is filled in; a picked app fills in its own branch.
    await harness.users.shortcut("anna", "start_build")
    await check_prefilled()
    await harness.users.set_value(
        "anna", "pick_app", (await harness.users.options("anna", "pick_app", "ios"))[0]
    )
    await harness.slack.wait_for_modal("anna", "Sample iOS")
    await harness.users.shortcut("ben", "start_build")
    await harness.slack.wait_for_modal("ben", "Workflow or pipeline")
    await harness.users.set_value(
        "ben", "pick_app", (await harness.users.options("ben", "pick_app", "ios"))[0]
    )
    await harness.slack.wait_for_modal("ben", "trunk")


async def test_forms_open_within_slacks_three_seconds_while_bitrise_is_slow(harness: BotHarness) -> None:
    harness.slack.handles.trigger_seconds = 3.0
    fault = harness.bitrise.fault("GET */apps", "held", times=1000)
    opened = await open_form(harness)
    assert "Sample Android" not in harness.slack.modal_text(opened)
    await harness.users.close_modal("anna")
    for command, expected in (("subscribe", "Subscribe"), ("use", "app"), ("trigger android", "One moment")):
        await harness.users.command("anna", "builds", f"/bitrise {command}")
        await harness.slack.wait_for_modal("anna", expected)
        if command != "trigger android":
            await harness.users.close_modal("anna")
    # The form that says "One moment" is filled in once Bitrise has answered.
    fault.released.set()
    await harness.slack.wait_for_modal("anna", "Sample Android")
    assert harness.slack.violations == []
