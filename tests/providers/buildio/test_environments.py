"""Environments of pipelines: their config vars are kept as an app's are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.provider import Provider
from sandbox.buildio.state import Environment
from tests.providers.buildio.config_var_harness import (
    SECRET,
    audited,
    changes,
    config_var_harness,
    errors,
    leaks,
    logged,
    open_form,
    reveal,
    visible_in,
)
from tests.support.bot_harness import BotHarness

NOBODY = """
[[rule]]
allow = ["config"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["config"]
who = ["U0ANNA", "U0BEN"]
"""


def review(harness: BotHarness) -> Environment:
    one = harness.buildio.pipeline.environments[0]
    one.config["PAYMENTS_KEY"] = SECRET
    return one


async def test_all_are_listed_with_their_pipelines_and_lead_to_their_config_vars(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        post = await town.ask("/buildio envs", "2 environments of pipelines")
        assert f"shop · review · `{one.id}`" in town.message_text(post)
        await town.users.click("anna", post, "Config", block_id=post.blocks[1]["block_id"])
        shown = await town.wait_for_message("the environment review: 2 config vars")
        assert shown.only_for == "U0ANNA"
        assert f"`PAYMENTS_KEY` = … · {len(SECRET)} characters" in town.message_text(shown)
        assert visible_in(town) == []


async def test_one_is_named_by_its_id_or_by_a_name_that_no_other_has(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        for words in (one.id, "Review"):
            await town.ask(f"/buildio envs {words}", "the environment review of shop: 2 config vars")
        await town.ask("/buildio envs revew", "Did you mean review?")
        town.buildio.pipeline.environments[1].name = "review"
        await town.ask("/buildio envs review", "2 environments are called review. Give the id of one")


async def test_one_that_no_pipeline_names_is_found_by_its_id(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        town.buildio.response_options.sparse = True
        town.buildio.response_rewriter = lambda asked, body: (
            body if "/pipelines" not in asked else body.replace(b"environments", b"surroundings")
        )
        await town.ask(f"/buildio envs {one.id}", "2 config vars")


async def test_a_value_is_shown_for_a_minute_to_one_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as town:
        one = review(town)
        post = await town.ask(f"/buildio envs {one.id}", "Who looked is noted")
        await reveal(town, post, key="PAYMENTS_KEY")
        await town.wait_until(lambda: "was shown here for a minute" in town.message_text(post))
        assert visible_in(town) == ["response_url"]
        assert await audited(town, "reveal_environment") == [
            ("begun", "PAYMENTS_KEY"),
            ("done", "PAYMENTS_KEY"),
        ]


async def test_what_is_set_is_told_by_its_keys(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        await open_form(town, f"/buildio envs set {one.id} NEW", "Of the environment review of shop")
        await town.users.submit("anna", {"value": "1\n2\n", "more": "LOG_LEVEL=info"})
        said = await town.wait_for_message(
            "anna changed config vars of the environment review of shop", person=None
        )
        assert {"+ `NEW`", "~ `LOG_LEVEL`"} <= set(town.message_text(said).splitlines())
        assert one.config == {"NEW": "1\n2\n", "LOG_LEVEL": "info", "PAYMENTS_KEY": SECRET}
        listed = town.message_text(await town.ask(f"/buildio envs {one.id}", "Who looked is noted"))
        assert len([line for line in listed.splitlines() if "· changed" in line]) == 2


async def test_one_key_is_deleted_and_several_are_set_to_null_at_once(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        one.config["OLD"] = "1"
        await town.confirm(f"/buildio envs unset {one.id} OLD", "Remove", "− `OLD`")
        await town.confirm(f"/buildio envs unset {one.id} LOG_LEVEL PAYMENTS_KEY", "Remove", "− `LOG_LEVEL`")
        assert changes(town) == [
            ("DELETE", f"/environments/{one.id}/OLD", None),
            ("PATCH", f"/environments/{one.id}", {"LOG_LEVEL": None, "PAYMENTS_KEY": None}),
        ]
        assert one.config == {}
        await town.ask(f"/buildio envs unset {one.id} OLD", "I don't know a config var called OLD")


async def test_the_form_for_removing_knows_which_are_there(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        one = review(town)
        post = await town.ask(f"/buildio envs {one.id}", "Who looked is noted")
        await town.users.click("anna", post, "Remove…")
        await town.slack.wait_for_modal("anna", "the environment review of shop")
        await town.users.submit("anna", {"keys": ["LOG_LEVEL"]})
        await town.wait_for_message("− `LOG_LEVEL`", person=None)
        assert set(one.config) == {"PAYMENTS_KEY"}


async def test_whoever_may_not_neither_sees_nor_changes_any(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as town:
        one = review(town)
        for words in (one.id, f"unset {one.id} LOG_LEVEL", f"set {one.id} KEY"):
            await town.ask(f"/buildio envs {words}", "Nobody may see and change config vars here")
        assert changes(town) == []
        assert town.users.modal("anna") is None


async def test_a_viewer_at_build_io_changes_nothing_and_a_stranger_there_sees_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as town:
        one = review(town)
        await town.ask(f"/buildio envs {one.id}", "`/buildio connect`", person="carla")
        await town.connect("carla", provider=Provider.BUILDIO)
        await open_form(town, f"/buildio envs set {one.id} KEY", "Set config vars", person="carla")
        await town.users.submit("carla", {"value": SECRET})
        assert "Build.io" in errors(town, "carla")["key"]
        assert SECRET not in json.dumps(errors(town, "carla"))
        assert "KEY" not in one.config


async def test_a_second_person_agrees_without_seeing_a_value(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as town:
        one = review(town)
        await open_form(town, f"/buildio envs set {one.id} KEY", "Set config vars", person="ben")
        await town.users.submit("ben", {"value": f"{SECRET}!"})
        asked = await town.wait_for_message(
            "ben wants to set the config var KEY of the environment review of shop", person=None
        )
        assert changes(town) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben changed config vars of the environment review of shop", person=None)
        assert one.config["KEY"] == f"{SECRET}!"
        assert leaks(town, logged(capfd, caplog)) == []
