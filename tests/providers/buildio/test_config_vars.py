"""An app's config vars: listed without their values, set by a form, removed; the channel hears which keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.provider import Provider
from sandbox.middleware import RecordedRequest
from tests.providers.buildio.config_var_harness import (
    SECRET,
    URL,
    audited,
    changes,
    config_var_harness,
    errors,
    leaks,
    listed,
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
stages = ["production"]
who = ["U0ANNA", "U0BEN"]
"""
LONG = "".join(f"{number:04d} of many lines\n" for number in range(260))
ODD = ' two  lines\r\n\t"quoted" =✓= \u2028 \\n <@U0BEN> & `code`\n'


async def set_by_form(harness: BotHarness, fields: dict[str, str], *, person: str = "anna") -> None:
    await open_form(harness, "/buildio config set shop", "Set config vars", person=person)
    await harness.users.submit(person, fields)


async def test_the_list_says_how_long_each_is_and_no_more(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        post = await listed(town)
        assert f"`DATABASE_URL` = postgres://… · {len(URL)} characters" in town.message_text(post)
        assert "`RAILS_ENV` = … · 10 characters" in town.message_text(post)
        assert post.only_for == "U0ANNA"
        assert visible_in(town) == []
        assert {one.member for one in _reads(town)} == {"anna-berg"}


async def test_a_value_reaches_build_io_as_it_was_typed_and_the_channel_hears_its_key(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await open_form(town, "/buildio config set shop ODD", "Set config vars")
        await town.users.submit("anna", {"value": ODD})
        said = await town.wait_for_message("anna changed config vars of shop", person=None)
        assert "+ `ODD`" in town.message_text(said)
        assert "quoted" not in town.message_text(said)
        assert town.buildio.shop.config["ODD"] == ODD
        assert town.users.modal("anna") is None


async def test_a_long_value_is_joined_from_two_fields_as_they_stand(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await set_by_form(town, {"key": "LONG", "value": LONG[:3000], "rest": LONG[3000:]})
        await town.wait_for_message("+ `LONG`", person=None)
        assert town.buildio.shop.config["LONG"] == LONG


async def test_several_lines_are_set_at_once_and_told_as_what_they_change(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        lines = "# from the old host\nRAILS_ENV=staging\n\nMAIL_FROM= shop@example.com \nLOG_LEVEL=info"
        await set_by_form(town, {"key": "SEEN", "value": "1", "more": lines})
        said = town.message_text(await town.wait_for_message("anna changed config vars of shop", person=None))
        assert [line for line in said.splitlines() if line[:3] in ("+ `", "~ `", "− `")] == [
            "+ `MAIL_FROM`",
            "+ `SEEN`",
            "~ `RAILS_ENV`",
        ]
        assert town.buildio.shop.config["MAIL_FROM"] == " shop@example.com "
        assert len(changes(town)) == 1


async def test_what_is_wrong_stands_at_its_field_and_says_no_value_again(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await set_by_form(town, {"key": "NO KEY", "value": SECRET, "more": f"A=1\n{SECRET}"})
        said = errors(town)
        assert set(said) == {"key", "more"}
        assert SECRET not in json.dumps(said)
        assert changes(town) == []
        await town.users.submit("anna", {"key": "KEY", "more": ""})
        await town.wait_for_message("+ `KEY`", person=None)
        assert town.buildio.shop.config["KEY"] == SECRET


async def test_nothing_typed_as_a_command_can_be_a_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        said = await town.ask(f"/buildio config set shop PASSWORD={SECRET}", "Type no value here")
        assert SECRET not in town.message_text(said)
        assert changes(town) == []


async def test_when_each_was_changed_last_is_known_from_the_audit_log(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await set_by_form(town, {"key": "RAILS_ENV", "value": "staging"})
        await town.wait_for_message("~ `RAILS_ENV`", person=None)
        lines = town.message_text(await listed(town)).splitlines()
        assert [line.split("`")[1] for line in lines if "· changed" in line] == ["RAILS_ENV"]


async def test_those_that_are_named_are_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        said = await town.confirm(
            "/buildio config unset shop RAILS_ENV LOG_LEVEL", "Remove", "anna changed config vars"
        )
        assert "Build.io restarts the processes of shop" in town.message_text(said)
        assert {"− `LOG_LEVEL`", "− `RAILS_ENV`"} <= set(town.message_text(said).splitlines())
        assert set(town.buildio.shop.config) == {"DATABASE_URL"}
        assert said.only_for is None
        await town.ask("/buildio config unset shop DATABASE_URLS", "Did you mean DATABASE_URL?")
        many = [f"{'K' * 50}_{number}" for number in range(40)]
        town.buildio.shop.config.update(dict.fromkeys(many, "x"))
        asked = await town.ask(f"/buildio config unset shop {' '.join(many)}", "These are 40 config vars")
        assert "has room for the first 3" in town.message_text(asked)
        assert len(changes(town)) == 2


async def test_those_that_are_picked_in_the_form_are_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await town.users.click("anna", await listed(town), "Remove…")
        await town.slack.wait_for_modal("anna", "Remove config vars")
        await town.users.submit("anna", {"keys": ["RAILS_ENV"]})
        await town.wait_for_message("− `RAILS_ENV`", person=None)
        assert "RAILS_ENV" not in town.buildio.shop.config


async def test_one_that_went_meanwhile_is_not_said_to_be_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await town.users.click("anna", await listed(town), "Remove…")
        await town.slack.wait_for_modal("anna", "Remove config vars")
        del town.buildio.shop.config["RAILS_ENV"]
        await town.users.submit("anna", {"keys": ["RAILS_ENV"]})
        assert "I don't know a config var called RAILS_ENV" in errors(town)["keys"]


async def test_whoever_may_not_is_not_even_shown_a_form(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as town:
        for words in ("config set shop KEY", "config unset shop RAILS_ENV"):
            await town.ask(f"/buildio {words}", "Nobody may see and change config vars of shop")
        assert changes(town) == []
        assert town.users.modal("anna") is None


async def test_a_form_from_before_a_rule_was_made_sets_nothing_any_more(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await open_form(town, "/buildio config set shop KEY", "Set config vars")
        await town.stop_bot()
        (tmp_path / "policy.toml").write_text(NOBODY)
        await town.start_bot()
        await town.users.submit("anna", {"value": SECRET})
        assert "Nobody may see and change config vars of shop" in errors(town)["key"]
        assert changes(town) == []
        assert await audited(town, "set_config") == [("refused", "KEY")]


async def test_what_build_io_does_not_let_them_do_is_said_in_the_form(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await town.connect("carla", provider=Provider.BUILDIO)
        await set_by_form(town, {"key": "KEY", "value": SECRET}, person="carla")
        assert "Build.io" in errors(town, "carla")["key"]
        assert SECRET not in json.dumps(errors(town, "carla"))
        assert "KEY" not in town.buildio.shop.config
        assert leaks(town) == []


async def test_what_fails_late_asks_once_more_without_what_was_typed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        town.buildio.fault("GET */config-vars", "slow", seconds=2.0)
        town.buildio.fault("PATCH */config-vars", "error", status=422, words=f"{SECRET} is too weak")
        await set_by_form(town, {"key": "KEY", "value": SECRET})
        opened = await town.slack.wait_for_modal("anna", "type it once more")
        assert "[redacted] is too weak" in town.slack.modal_text(opened)
        assert opened.view["blocks"][2]["element"]["initial_value"] == "KEY"
        assert visible_in(town) == []
        assert leaks(town) == []


async def test_a_second_person_agrees_to_keys_and_never_sees_the_value(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as town:
        await set_by_form(town, {"key": "PASSWORD", "value": SECRET}, person="ben")
        asked = await town.wait_for_message("ben wants to set the config var PASSWORD of shop", person=None)
        assert changes(town) == []
        assert leaks(town, logged(capfd, caplog)) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben changed config vars of shop", person=None)
        assert town.buildio.shop.config["PASSWORD"] == SECRET
        assert leaks(town, logged(capfd, caplog)) == []


async def test_no_value_gets_out_on_its_whole_way(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as town:
        await set_by_form(town, {"key": "PASSWORD", "value": SECRET, "more": f"OTHER={SECRET}"})
        await town.wait_for_message("+ `PASSWORD`", person=None)
        post = await listed(town)
        await reveal(town, post, key="PASSWORD")
        await town.wait_until(lambda: "was shown here for a minute" in town.message_text(post))
        await town.users.command("anna", "builds", "/buildio config get shop OTHER")
        await town.slack.wait_for_modal("anna", "was shown here for a minute")
        await town.users.close_modal("anna")
        town.buildio.fault("PATCH */config-vars", "error", status=422, words=f"{SECRET} is too weak")
        await set_by_form(town, {"key": "PASSWORD", "value": SECRET})
        assert "[redacted] is too weak" in errors(town)["key"]
        await town.users.close_modal("anna")
        await town.confirm("/buildio config unset shop PASSWORD", "Remove", "− `PASSWORD`")
        await town.ask("/buildio audit", "remove config vars")
        assert set(visible_in(town)) <= {"views.open", "views.update", "response_url"}
        assert leaks(town, logged(capfd, caplog)) == []


def _reads(harness: BotHarness) -> list[RecordedRequest]:
    return [one for one in harness.buildio.requests if one.path.endswith("/config-vars")]
