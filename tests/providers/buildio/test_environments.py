"""Environments of pipelines: their config vars work like an app's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from providers.buildio.provider import BUILDIO
from sandbox.buildio.state import Environment
from tests.providers.buildio.config_var_harness import (
    SECRET,
    audited,
    changes,
    config_var_harness,
    form_errors,
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


def review_environment(harness: BotHarness) -> Environment:
    environment = harness.buildio.pipeline.environments[0]
    environment.config["PAYMENTS_KEY"] = SECRET
    return environment


async def test_environments_are_listed_with_their_pipelines_and_buttons_for_config_vars(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        post = await harness.ask("/buildio envs", "2 environments")
        assert f"shop · review · `{environment.id}`" in harness.message_text(post)
        await harness.users.click("anna", post, "View config", block_id=post.blocks[1]["block_id"])
        config_post = await harness.wait_for_message("the environment review: 2 config vars")
        assert config_post.only_for == "U0ANNA"
        assert f"`PAYMENTS_KEY` = … · {len(SECRET)} characters" in harness.message_text(config_post)
        assert visible_in(harness) == []


async def test_an_environment_is_found_by_id_or_unique_name(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        for words in (environment.id, "Review"):
            await harness.ask(f"/buildio envs {words}", "the environment review of shop: 2 config vars")
        await harness.ask("/buildio envs revew", "Did you mean `review`?")
        harness.buildio.pipeline.environments[1].name = "review"
        await harness.ask("/buildio envs review", "2 environments are named `review`. Use an ID")


async def test_an_environment_that_no_pipeline_lists_is_found_by_id(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        harness.buildio.response_options.sparse = True
        harness.buildio.response_rewriter = lambda asked, body: (
            body if "/pipelines" not in asked else body.replace(b"environments", b"surroundings")
        )
        await harness.ask(f"/buildio envs {environment.id}", "2 config vars")


async def test_a_value_is_revealed_to_one_person_for_a_minute(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as harness:
        environment = review_environment(harness)
        post = await harness.ask(f"/buildio envs {environment.id}", "Views are logged")
        await reveal(harness, post, key="PAYMENTS_KEY")
        await harness.wait_until(lambda: "was shown here for 1 minute" in harness.message_text(post))
        assert visible_in(harness) == ["response_url"]
        assert await audited(harness, "reveal_environment") == [
            ("begun", "PAYMENTS_KEY"),
            ("done", "PAYMENTS_KEY"),
        ]


async def test_a_change_is_reported_by_its_keys(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        await open_form(
            harness,
            f"/buildio envs set {environment.id} NEW",
            "Sets config vars of the environment review of shop",
        )
        await harness.users.submit("anna", {"value": "1\n2\n", "more": "LOG_LEVEL=info"})
        post = await harness.wait_for_message(
            "anna changed config vars of the environment review of shop", person=None
        )
        assert {"+ `NEW`", "~ `LOG_LEVEL`"} <= set(harness.message_text(post).splitlines())
        assert environment.config == {"NEW": "1\n2\n", "LOG_LEVEL": "info", "PAYMENTS_KEY": SECRET}
        text = harness.message_text(await harness.ask(f"/buildio envs {environment.id}", "Views are logged"))
        assert len([line for line in text.splitlines() if "· changed" in line]) == 2


async def test_one_key_is_deleted_and_several_are_set_to_null_at_once(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        environment.config["OLD"] = "1"
        await harness.confirm(f"/buildio envs unset {environment.id} OLD", "Remove", "− `OLD`")
        await harness.confirm(
            f"/buildio envs unset {environment.id} LOG_LEVEL PAYMENTS_KEY", "Remove", "− `LOG_LEVEL`"
        )
        assert changes(harness) == [
            ("DELETE", f"/environments/{environment.id}/OLD", None),
            ("PATCH", f"/environments/{environment.id}", {"LOG_LEVEL": None, "PAYMENTS_KEY": None}),
        ]
        assert environment.config == {}
        await harness.ask(f"/buildio envs unset {environment.id} OLD", "No config var named `OLD`")


async def test_the_form_for_removal_lists_the_existing_keys(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        environment = review_environment(harness)
        post = await harness.ask(f"/buildio envs {environment.id}", "Views are logged")
        await harness.users.click("anna", post, "Remove…")
        await harness.slack.wait_for_modal("anna", "the environment review of shop")
        await harness.users.submit("anna", {"keys": ["LOG_LEVEL"]})
        await harness.wait_for_message("− `LOG_LEVEL`", person=None)
        assert set(environment.config) == {"PAYMENTS_KEY"}


async def test_without_permission_config_vars_are_neither_visible_nor_changeable(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as harness:
        environment = review_environment(harness)
        for words in (environment.id, f"unset {environment.id} LOG_LEVEL", f"set {environment.id} KEY"):
            await harness.ask(f"/buildio envs {words}", "No one can view and change config vars here")
        assert changes(harness) == []
        assert harness.users.modal("anna") is None


async def test_a_viewer_changes_nothing_and_a_person_without_account_sees_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as harness:
        environment = review_environment(harness)
        await harness.ask(f"/buildio envs {environment.id}", "`/buildio connect`", person="carla")
        await harness.connect("carla", provider=BUILDIO)
        await open_form(harness, f"/buildio envs set {environment.id} KEY", "Set config vars", person="carla")
        await harness.users.submit("carla", {"value": SECRET})
        assert "Build.io" in form_errors(harness, "carla")["key"]
        assert SECRET not in json.dumps(form_errors(harness, "carla"))
        assert "KEY" not in environment.config


async def test_an_approver_sees_no_value(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as harness:
        environment = review_environment(harness)
        await open_form(harness, f"/buildio envs set {environment.id} KEY", "Set config vars", person="ben")
        await harness.users.submit("ben", {"value": f"{SECRET}!"})
        post = await harness.wait_for_message(
            "ben requests approval to set the config var KEY of the environment review of shop", person=None
        )
        assert changes(harness) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message(
            "ben changed config vars of the environment review of shop", person=None
        )
        assert environment.config["KEY"] == f"{SECRET}!"
        assert leaks(harness, logged(capfd, caplog)) == []
