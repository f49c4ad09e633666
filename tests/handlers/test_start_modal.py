"""Starting a build by filling in a form."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.workspace import OpenView
from storage import Database, Storage
from tests.town import Town


async def open_form(town: Town, words: str = "/bitrise trigger") -> OpenView:
    await town.people.command("anna", "builds", words)
    return await town.slack.wait_for_modal("anna", "Workflow or pipeline")


async def pick(town: Town, field: str, typed: str, text: str) -> dict[str, Any]:
    """What the list offers for what was typed, by its text."""
    offered = await town.people.options("anna", field, typed)
    flat = [one for group in offered for one in group.get("options", [group])]
    return next(one for one in flat if one["text"]["text"] == text)


async def pick_app(town: Town, title: str) -> dict[str, Any]:
    option = await pick(town, "pick_app", title[:3], title)
    await town.redraw("pick_app", option)
    return option


def started(town: Town) -> list[dict[str, Any]]:
    asked = [one for one in town.bitrise.requests if one.method == "POST" and one.path.endswith("/builds")]
    return [one.body["build_params"] for one in asked if one.status == 201]


def blocks_of(opened: OpenView) -> list[str]:
    return [block["block_id"] for block in opened.view["blocks"] if block["type"] == "input"]


async def test_a_build_is_started_from_the_apps_real_branches_and_pipelines(town: Town) -> None:
    await open_form(town)
    await pick_app(town, "Sample Android")
    await town.slack.wait_for_modal("anna", "Sample Android")
    for text in ("primary", "deploy", "release-train"):
        assert await pick(town, "pick_buildable", "", text)
    workflow = await pick(town, "pick_buildable", "dep", "deploy")
    typed = (await town.people.options("anna", "pick_branch", "feature/new"))[0]
    await town.people.use("anna", "Add a variable")
    await town.slack.wait_for_modal("anna", "Variable 1")

    await town.people.submit(
        "anna",
        {"branch": typed, "buildable": workflow, "message": "Try it", "variable_1": "DRY_RUN=a=b c"},
    )

    await town.told("anna started Sample Android #1")
    [params] = started(town)
    assert (params["branch"], params["workflow_id"], params["commit_message"]) == (
        "feature/new",
        "deploy",
        "Try it",
    )
    assert {"key": "DRY_RUN", "value": "a=b c", "is_expand": False} in params["environments"]


async def test_what_was_started_last_is_filled_in_but_for_what_may_be_secret(town: Town) -> None:
    words = "trigger android branch:develop workflow:deploy env:MODE=fast env:API_TOKEN=abcdefghijkl"
    await town.ask(f"/bitrise {words}", "started")
    opened = await open_form(town)
    said = town.slack.modal_words(opened)
    for expected in ("Sample Android", "develop", "deploy", "MODE=fast", "API_TOKEN=", "started last time"):
        assert expected in said
    assert "abcdefghijkl" not in said
    await town.people.submit("anna")
    await town.told("anna started Sample Android #2")
    again = started(town)[-1]
    assert (again["branch"], again["workflow_id"]) == ("develop", "deploy")


async def test_variables_come_and_go_and_what_is_typed_stays(town: Town) -> None:
    opened = await open_form(town, "/bitrise trigger android")
    opened.filled |= {"message": "keep me", "tag": "v1"}
    for number in (1, 2, 3):
        await town.people.use("anna", "Add a variable")
        await town.slack.wait_for_modal("anna", f"Variable {number}")
    opened.filled |= {"variable_1": "A=1", "variable_3": "C=3"}
    await town.people.use("anna", "Remove variable 2")
    await town.slack.workspace.wait_for(
        lambda: True if "variable_2" not in blocks_of(opened) else None, 5, "the row to go"
    )
    assert opened.filled["message"] == "keep me"
    await town.people.submit("anna")
    await town.told("anna started Sample Android #1")
    [params] = started(town)
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
    town: Town, filled: dict[str, str], field: str, words: str
) -> None:
    opened = await open_form(town, "/bitrise trigger android")
    await town.people.use("anna", "Add a variable")
    await town.slack.wait_for_modal("anna", "Variable 1")
    await town.people.submit("anna", filled | {"message": "keep me"})
    await town.slack.wait_for_modal("anna", words)
    assert list(opened.errors) == [field]
    assert opened.filled == filled | {"message": "keep me"}
    assert started(town) == []


async def test_a_branch_that_git_does_not_take_is_said_at_its_field(town: Town) -> None:
    opened = await open_form(town, "/bitrise trigger android")
    typed = (await town.people.options("anna", "pick_branch", "main~1"))[0]
    await town.people.submit("anna", {"branch": typed})
    await town.slack.wait_for_modal("anna", "not the name of a branch")
    assert list(opened.errors) == ["branch"]
    assert started(town) == []


async def test_bitrises_own_refusal_is_said_at_the_field_that_it_names(town: Town) -> None:
    opened = await open_form(town, "/bitrise trigger android")
    typed = (await town.people.options("anna", "pick_buildable", "nightly"))[-1]["options"][0]
    await town.people.submit("anna", {"buildable": typed, "message": "keep me"})
    await town.slack.wait_for_modal("anna", "Workflow (nightly) did not found")
    assert list(opened.errors) == ["buildable"]


async def test_words_at_a_field_are_text_and_no_markup(town: Town) -> None:
    opened = await open_form(town, "/bitrise trigger android")
    town.bitrise.fault("POST */builds", "error", status=400, words="no workflow <x> & no `y`")
    await town.people.submit("anna", {"tag": "v1"})
    await town.slack.wait_for_modal("anna", "no workflow")
    assert opened.errors == {"buildable": "Bitrise refuses: no workflow <x> & no y"}


async def test_a_slow_bitrise_is_shown_and_what_was_typed_survives_its_failure(town: Town) -> None:
    await open_form(town, "/bitrise trigger android")
    town.bitrise.fault("POST */builds", "dropped")
    town.bitrise.fault("GET */builds", "slow", seconds=2)
    await town.people.submit("anna", {"tag": "v9", "message": "keep me"})
    await town.slack.wait_for_modal("anna", "Starting a build of Sample Android")
    opened = await town.slack.wait_for_modal("anna", "⚠️")
    assert "keep me" in town.slack.modal_words(opened)
    assert "v9" in town.slack.modal_words(opened)


async def test_picking_another_app_brings_what_was_started_last_of_it_and_its_own_lists(town: Town) -> None:
    await town.ask("/bitrise trigger web branch:main workflow:ship", "started")
    await town.ask("/bitrise trigger android branch:main", "started")
    await open_form(town)
    await town.people.use("anna", "pick_branch", "")
    opened = town.people.modal("anna")
    assert opened is not None
    opened.filled |= {"branch": ""}
    option = await pick(town, "pick_app", "web", "Web Shop")
    await town.people.use("anna", "pick_app", option)
    await town.slack.wait_for_modal("anna", "ship")
    groups = await town.people.options("anna", "pick_buildable", "")
    assert [one["text"]["text"] for group in groups for one in group["options"]] == ["test", "ship"]


async def test_a_mention_gets_a_button_for_the_form_since_it_can_not_open_one(town: Town) -> None:
    town.people.invite("builds")
    town.people.say("anna", "builds", "@buildbell trigger android")
    asked = await town.told("Which branch, which workflow?")
    await town.people.click("anna", asked, "Start a build…")
    await town.slack.wait_for_modal("anna", "Sample Android")


async def test_an_app_is_chosen_for_the_channel_from_a_list(town: Town) -> None:
    await town.people.command("anna", "builds", "/bitrise use")
    await town.slack.wait_for_modal("anna", "will mean this one")
    option = await pick(town, "pick_app", "ios", "Sample iOS")
    await town.people.submit("anna", {"app": option})
    await town.told("Sample iOS is this channel's app now")


async def test_the_last_order_is_each_persons_own(tmp_path: Any) -> None:
    from bot.commands import TriggerBuild
    from tests.builds import NOON

    database = await Database.open(tmp_path / "x.db")
    starts, others = Storage(database).of("T1").starts, Storage(database).of("T2").starts
    await starts.remember("U1", "app1", TriggerBuild(branch="main"), at=NOON)
    assert await starts.last("U1", "app1") == TriggerBuild(branch="main")
    assert await starts.last("U2", "app1") is None
    assert await others.last("U1", "app1") is None
    assert await starts.last_app("U1") == "app1"
    await database.close()


async def test_the_form_knows_the_channels_app_and_its_main_branch_wherever_it_is_opened(town: Town) -> None:
    await town.ask("/bitrise use android", "is this channel's app now")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios, params={"branch": "trunk"}))
    status = await town.ask("/bitrise status", "Sample Android")

    async def filled() -> dict[str, object]:
        opened = await town.slack.wait_for_modal("anna", "Workflow or pipeline")
        words = town.slack.modal_words(opened)
        assert "Sample Android" in words
        assert "main" in words
        return dict(opened.filled)

    await town.people.click("anna", status, "Start a build…")
    await filled()
    await town.people.close_modal("anna")
    await town.people.command("anna", "builds", "/bitrise trigger")
    await filled()
    await town.people.submit("anna")
    await town.told("anna started Sample Android #2", person=None)
    assert town.bitrise.farm.builds[-1].branch == "main"
    # Elsewhere it is the app that they started last, and one that is picked brings its own branch.
    await town.people.shortcut("anna", "start_build")
    await filled()
    await town.people.use("anna", "pick_app", (await town.people.options("anna", "pick_app", "ios"))[0])
    await town.slack.wait_for_modal("anna", "Sample iOS")
    await town.people.shortcut("ben", "start_build")
    await town.slack.wait_for_modal("ben", "Workflow or pipeline")
    await town.people.use("ben", "pick_app", (await town.people.options("ben", "pick_app", "ios"))[0])
    await town.slack.wait_for_modal("ben", "trunk")


async def test_forms_open_within_slacks_three_seconds_while_bitrise_is_slow(town: Town) -> None:
    town.slack.handles.trigger_seconds = 3.0
    slow = town.bitrise.fault("GET */apps", "held", times=1000)
    opened = await open_form(town)
    assert "Sample Android" not in town.slack.modal_words(opened)
    await town.people.close_modal("anna")
    for words, said in (("subscribe", "Subscribe"), ("use", "app"), ("trigger android", "One moment")):
        await town.people.command("anna", "builds", f"/bitrise {words}")
        await town.slack.wait_for_modal("anna", said)
        if words != "trigger android":
            await town.people.close_modal("anna")
    # The form that was announced is filled in once Bitrise has answered.
    slow.let_go.set()
    await town.slack.wait_for_modal("anna", "Sample Android")
    assert town.slack.violations == []
