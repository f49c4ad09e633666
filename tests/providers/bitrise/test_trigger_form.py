"""Starting a build by filling in a form."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.models import OpenView
from storage.database import Database
from tests.support.bot_harness import BotHarness
from tests.support.repositories import make_repositories


async def open_form(harness: BotHarness, words: str = "/bitrise trigger") -> OpenView:
    await harness.users.command("anna", "builds", words)
    return await harness.slack.wait_for_modal("anna", "Workflow or pipeline")


async def pick(harness: BotHarness, field: str, typed: str, text: str) -> dict[str, Any]:
    """What the list offers for what was typed, by its text."""
    offered = await harness.users.options("anna", field, typed)
    flat = [one for group in offered for one in group.get("options", [group])]
    return next(one for one in flat if one["text"]["text"] == text)


async def pick_app(harness: BotHarness, title: str) -> dict[str, Any]:
    option = await pick(harness, "pick_app", title[:3], title)
    await harness.redraw("pick_app", option)
    return option


def started(harness: BotHarness) -> list[dict[str, Any]]:
    asked = [one for one in harness.bitrise.requests if one.method == "POST" and one.path.endswith("/builds")]
    return [one.body["build_params"] for one in asked if one.status == 201]


def blocks_of(opened: OpenView) -> list[str]:
    return [block["block_id"] for block in opened.view["blocks"] if block["type"] == "input"]


async def test_a_build_is_started_from_the_apps_real_branches_and_pipelines(harness: BotHarness) -> None:
    await open_form(harness)
    await pick_app(harness, "Sample Android")
    await harness.slack.wait_for_modal("anna", "Sample Android")
    for text in ("primary", "deploy", "release-train"):
        assert await pick(harness, "pick_buildable", "", text)
    workflow = await pick(harness, "pick_buildable", "dep", "deploy")
    typed = (await harness.users.options("anna", "pick_branch", "feature/new"))[0]
    await harness.users.set_value("anna", "Add a variable")
    await harness.slack.wait_for_modal("anna", "Variable 1")

    await harness.users.submit(
        "anna",
        {"branch": typed, "buildable": workflow, "message": "Try it", "variable_1": "DRY_RUN=a=b c"},
    )

    await harness.wait_for_message("anna started Sample Android #1")
    [params] = started(harness)
    assert (params["branch"], params["workflow_id"], params["commit_message"]) == (
        "feature/new",
        "deploy",
        "Try it",
    )
    assert {"key": "DRY_RUN", "value": "a=b c", "is_expand": False} in params["environments"]


async def test_what_was_started_last_is_filled_in_but_for_what_may_be_secret(harness: BotHarness) -> None:
    words = "trigger android branch:develop workflow:deploy env:MODE=fast env:API_TOKEN=abcdefghijkl"
    await harness.ask(f"/bitrise {words}", "started")
    opened = await open_form(harness)
    said = harness.slack.modal_text(opened)
    for expected in ("Sample Android", "develop", "deploy", "MODE=fast", "API_TOKEN=", "started last time"):
        assert expected in said
    assert "abcdefghijkl" not in said
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #2")
    again = started(harness)[-1]
    assert (again["branch"], again["workflow_id"]) == ("develop", "deploy")


async def test_variables_come_and_go_and_what_is_typed_stays(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    opened.entered |= {"message": "keep me", "tag": "v1"}
    for number in (1, 2, 3):
        await harness.users.set_value("anna", "Add a variable")
        await harness.slack.wait_for_modal("anna", f"Variable {number}")
    opened.entered |= {"variable_1": "A=1", "variable_3": "C=3"}
    await harness.users.set_value("anna", "Remove variable 2")
    await harness.slack.workspace.wait_for(
        lambda: True if "variable_2" not in blocks_of(opened) else None, 5, "the row to go"
    )
    assert opened.entered["message"] == "keep me"
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #1")
    [params] = started(harness)
    keys = [(one["key"], one["value"]) for one in params["environments"]]
    assert keys[:2] == [("A", "1"), ("C", "3")]
    assert params["tag"] == "v1"


@pytest.mark.parametrize(
    ("filled", "field", "words"),
    [
        ({}, "branch", "Say what to build"),
        ({"tag": "v1", "variable_1": "no equals sign"}, "variable_1", "NAME=value"),
        ({"tag": "v1", "variable_1": "two words=1"}, "variable_1", "NAME=value"),
    ],
)
async def test_what_is_wrong_is_said_at_the_field_and_nothing_typed_is_lost(
    harness: BotHarness, filled: dict[str, str], field: str, words: str
) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    await harness.users.set_value("anna", "Add a variable")
    await harness.slack.wait_for_modal("anna", "Variable 1")
    await harness.users.submit("anna", filled | {"message": "keep me"})
    await harness.slack.wait_for_modal("anna", words)
    assert list(opened.errors) == [field]
    assert opened.entered == filled | {"message": "keep me"}
    assert started(harness) == []


async def test_a_branch_that_git_does_not_take_is_said_at_its_field(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    typed = (await harness.users.options("anna", "pick_branch", "main~1"))[0]
    await harness.users.submit("anna", {"branch": typed})
    await harness.slack.wait_for_modal("anna", "not the name of a branch")
    assert list(opened.errors) == ["branch"]
    assert started(harness) == []


async def test_bitrises_own_refusal_is_said_at_the_field_that_it_names(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    typed = (await harness.users.options("anna", "pick_buildable", "nightly"))[-1]["options"][0]
    await harness.users.submit("anna", {"buildable": typed, "message": "keep me"})
    await harness.slack.wait_for_modal("anna", "Workflow (nightly) did not found")
    assert list(opened.errors) == ["buildable"]


async def test_words_at_a_field_are_text_and_no_markup(harness: BotHarness) -> None:
    opened = await open_form(harness, "/bitrise trigger android")
    harness.bitrise.fault("POST */builds", "error", status=400, words="no workflow <x> & no `y`")
    await harness.users.submit("anna", {"tag": "v1"})
    await harness.slack.wait_for_modal("anna", "no workflow")
    assert opened.errors == {"buildable": "Bitrise refuses: no workflow <x> & no y"}


async def test_a_slow_bitrise_is_shown_and_what_was_typed_survives_its_failure(harness: BotHarness) -> None:
    await open_form(harness, "/bitrise trigger android")
    harness.bitrise.fault("POST */builds", "dropped")
    harness.bitrise.fault("GET */builds", "slow", seconds=2)
    await harness.users.submit("anna", {"tag": "v9", "message": "keep me"})
    await harness.slack.wait_for_modal("anna", "Starting a build of Sample Android")
    opened = await harness.slack.wait_for_modal("anna", "⚠️")
    assert "keep me" in harness.slack.modal_text(opened)
    assert "v9" in harness.slack.modal_text(opened)


async def test_picking_another_app_brings_what_was_started_last_of_it_and_its_own_lists(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise trigger web branch:main workflow:ship", "started")
    await harness.ask("/bitrise trigger android branch:main", "started")
    await open_form(harness)
    await harness.users.set_value("anna", "pick_branch", "")
    opened = harness.users.modal("anna")
    assert opened is not None
    opened.entered |= {"branch": ""}
    option = await pick(harness, "pick_app", "web", "Web Shop")
    await harness.users.set_value("anna", "pick_app", option)
    await harness.slack.wait_for_modal("anna", "ship")
    groups = await harness.users.options("anna", "pick_buildable", "")
    assert [one["text"]["text"] for group in groups for one in group["options"]] == ["test", "ship"]


async def test_a_mention_gets_a_button_for_the_form_since_it_can_not_open_one(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell trigger android")
    asked = await harness.wait_for_message("Which branch, which workflow?")
    await harness.users.click("anna", asked, "Start a build…")
    await harness.slack.wait_for_modal("anna", "Sample Android")


async def test_an_app_is_chosen_for_the_channel_from_a_list(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/bitrise use")
    await harness.slack.wait_for_modal("anna", "will mean this one")
    option = await pick(harness, "pick_app", "ios", "Sample iOS")
    await harness.users.submit("anna", {"app": option})
    await harness.wait_for_message("Sample iOS is this channel's app now")


async def test_the_last_order_is_each_persons_own(tmp_path: Any) -> None:
    from domain.commands.trigger_build import TriggerBuild
    from tests.support.factories import NOON

    database = await Database.open(tmp_path / "x.db")
    starts, others = (
        make_repositories(database).of("T1").last_triggers,
        make_repositories(database).of("T2").last_triggers,
    )
    await starts.store("U1", "app1", TriggerBuild(branch="main"), at=NOON)
    assert await starts.last("U1", "app1") == TriggerBuild(branch="main")
    assert await starts.last("U2", "app1") is None
    assert await others.last("U1", "app1") is None
    assert await starts.last_app("U1") == "app1"
    await database.close()


async def test_the_form_knows_the_channels_app_and_its_main_branch_wherever_it_is_opened(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise use android", "is this channel's app now")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    status = await harness.ask("/bitrise status", "Sample Android")

    async def filled() -> dict[str, object]:
        opened = await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
        words = harness.slack.modal_text(opened)
        assert "Sample Android" in words
        assert "main" in words
        return dict(opened.entered)

    await harness.users.click("anna", status, "Start a build…")
    await filled()
    await harness.users.close_modal("anna")
    await harness.users.command("anna", "builds", "/bitrise trigger")
    await filled()
    await harness.users.submit("anna")
    await harness.wait_for_message("anna started Sample Android #2", person=None)
    assert harness.bitrise.state.builds[-1].branch == "main"
    # Elsewhere it is the app that they started last, and one that is picked brings its own branch.
    await harness.users.shortcut("anna", "start_build")
    await filled()
    await harness.users.set_value(
        "anna", "pick_app", (await harness.users.options("anna", "pick_app", "ios"))[0]
    )
    await harness.slack.wait_for_modal("anna", "Sample iOS")


async def test_forms_open_within_slacks_three_seconds_while_bitrise_is_slow(harness: BotHarness) -> None:
    harness.slack.handles.trigger_seconds = 3.0
    slow = harness.bitrise.fault("GET */apps", "held", times=1000)
    opened = await open_form(harness)
    assert "Sample Android" not in harness.slack.modal_text(opened)
    await harness.users.close_modal("anna")
    for words, said in (("subscribe", "Subscribe"), ("use", "app"), ("trigger android", "One moment")):
        await harness.users.command("anna", "builds", f"/bitrise {words}")
        await harness.slack.wait_for_modal("anna", said)
        if words != "trigger android":
            await harness.users.close_modal("anna")
    # The form that was announced is filled in once Bitrise has answered.
    slow.released.set()
    await harness.slack.wait_for_modal("anna", "Sample Android")
    assert harness.slack.violations == []
