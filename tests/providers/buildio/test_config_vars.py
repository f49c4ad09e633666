"""An app's config vars: listed without values, set with a form, removed; the channel is notified of the keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from providers.buildio.provider import BUILDIO
from sandbox.middleware import RecordedRequest
from tests.providers.buildio.config_var_harness import (
    SECRET,
    URL,
    audited,
    changes,
    config_var_harness,
    form_errors,
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


async def test_the_list_shows_only_the_length_of_values(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await listed(harness)
        assert f"`DATABASE_URL` = postgres://… · {len(URL)} characters" in harness.message_text(post)
        assert "`RAILS_ENV` = … · 10 characters" in harness.message_text(post)
        assert post.only_for == "U0ANNA"
        assert visible_in(harness) == []
        assert {request.member for request in _config_var_reads(harness)} == {"anna-berg"}


async def test_a_value_reaches_build_io_unchanged_and_the_channel_sees_its_key(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await open_form(harness, "/buildio config set shop ODD", "Set config vars")
        await harness.users.submit("anna", {"value": ODD})
        post = await harness.wait_for_message("anna changed config vars of shop", person=None)
        assert "+ `ODD`" in harness.message_text(post)
        assert "quoted" not in harness.message_text(post)
        assert harness.buildio.shop.config["ODD"] == ODD
        assert harness.users.modal("anna") is None


async def test_a_long_value_is_joined_from_two_fields(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await set_by_form(harness, {"key": "LONG", "value": LONG[:3000], "rest": LONG[3000:]})
        await harness.wait_for_message("+ `LONG`", person=None)
        assert harness.buildio.shop.config["LONG"] == LONG


async def test_several_lines_are_set_at_once_and_reported_as_a_diff(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        lines = "# from the old host\nRAILS_ENV=staging\n\nMAIL_FROM= shop@example.com \nLOG_LEVEL=info"
        await set_by_form(harness, {"key": "SEEN", "value": "1", "more": lines})
        text = harness.message_text(
            await harness.wait_for_message("anna changed config vars of shop", person=None)
        )
        assert [line for line in text.splitlines() if line[:3] in ("+ `", "~ `", "− `")] == [
            "+ `MAIL_FROM`",
            "+ `SEEN`",
            "~ `RAILS_ENV`",
        ]
        assert harness.buildio.shop.config["MAIL_FROM"] == " shop@example.com "
        assert len(changes(harness)) == 1


async def test_an_error_is_shown_at_its_field_without_a_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await set_by_form(harness, {"key": "NO KEY", "value": SECRET, "more": f"A=1\n{SECRET}"})
        shown_errors = form_errors(harness)
        assert set(shown_errors) == {"key", "more"}
        assert SECRET not in json.dumps(shown_errors)
        assert changes(harness) == []
        await harness.users.submit("anna", {"key": "KEY", "more": ""})
        await harness.wait_for_message("+ `KEY`", person=None)
        assert harness.buildio.shop.config["KEY"] == SECRET


async def test_a_command_never_accepts_a_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await harness.ask(f"/buildio config set shop PASSWORD={SECRET}", "Don't type a value here")
        assert SECRET not in harness.message_text(post)
        assert changes(harness) == []


async def test_the_last_change_of_each_key_comes_from_the_audit_log(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await set_by_form(harness, {"key": "RAILS_ENV", "value": "staging"})
        await harness.wait_for_message("~ `RAILS_ENV`", person=None)
        lines = harness.message_text(await listed(harness)).splitlines()
        assert [line.split("`")[1] for line in lines if "· changed" in line] == ["RAILS_ENV"]


async def test_named_config_vars_are_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await harness.confirm(
            "/buildio config unset shop RAILS_ENV LOG_LEVEL", "Remove", "anna changed config vars"
        )
        assert "Build.io restarts the processes of shop" in harness.message_text(post)
        assert {"− `LOG_LEVEL`", "− `RAILS_ENV`"} <= set(harness.message_text(post).splitlines())
        assert set(harness.buildio.shop.config) == {"DATABASE_URL"}
        assert post.only_for is None
        await harness.ask("/buildio config unset shop DATABASE_URLS", "Did you mean `DATABASE_URL`?")
        many = [f"{'K' * 50}_{number}" for number in range(40)]
        harness.buildio.shop.config.update(dict.fromkeys(many, "x"))
        confirmation = await harness.ask(
            f"/buildio config unset shop {' '.join(many)}", "40 config vars are too many"
        )
        assert "Remove the first 3" in harness.message_text(confirmation)
        assert len(changes(harness)) == 2


async def test_config_vars_picked_in_the_form_are_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await harness.users.click("anna", await listed(harness), "Remove…")
        await harness.slack.wait_for_modal("anna", "Remove config vars")
        await harness.users.submit("anna", {"keys": ["RAILS_ENV"]})
        await harness.wait_for_message("− `RAILS_ENV`", person=None)
        assert "RAILS_ENV" not in harness.buildio.shop.config


async def test_a_config_var_that_is_already_gone_is_not_reported_as_removed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await harness.users.click("anna", await listed(harness), "Remove…")
        await harness.slack.wait_for_modal("anna", "Remove config vars")
        del harness.buildio.shop.config["RAILS_ENV"]
        await harness.users.submit("anna", {"keys": ["RAILS_ENV"]})
        assert "No config var named RAILS_ENV" in form_errors(harness)["keys"]


async def test_without_permission_no_form_opens(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as harness:
        for command in ("config set shop KEY", "config unset shop RAILS_ENV"):
            await harness.ask(f"/buildio {command}", "No one can view and change config vars in shop")
        assert changes(harness) == []
        assert harness.users.modal("anna") is None


async def test_a_form_from_before_a_rule_sets_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await open_form(harness, "/buildio config set shop KEY", "Set config vars")
        await harness.stop_bot()
        (tmp_path / "policy.toml").write_text(NOBODY)
        await harness.start_bot()
        await harness.users.submit("anna", {"value": SECRET})
        assert "No one can view and change config vars in shop" in form_errors(harness)["key"]
        assert changes(harness) == []
        assert await audited(harness, "set_config") == [("refused", "KEY")]


async def test_a_refusal_of_build_io_is_shown_in_the_form(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await harness.connect("carla", provider=BUILDIO)
        await set_by_form(harness, {"key": "KEY", "value": SECRET}, person="carla")
        assert "Build.io" in form_errors(harness, "carla")["key"]
        assert SECRET not in json.dumps(form_errors(harness, "carla"))
        assert "KEY" not in harness.buildio.shop.config
        assert leaks(harness) == []


async def test_a_late_error_shows_the_form_again_without_the_typed_values(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        harness.buildio.fault("GET */config-vars", "slow", seconds=2.0)
        harness.buildio.fault("PATCH */config-vars", "error", status=422, words=f"{SECRET} is too weak")
        await set_by_form(harness, {"key": "KEY", "value": SECRET})
        modal = await harness.slack.wait_for_modal("anna", "type them again")
        assert "[redacted] is too weak" in harness.slack.modal_text(modal)
        assert modal.view["blocks"][2]["element"]["initial_value"] == "KEY"
        assert visible_in(harness) == []
        assert leaks(harness) == []


async def test_an_approver_sees_the_keys_and_never_the_value(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as harness:
        await set_by_form(harness, {"key": "PASSWORD", "value": SECRET}, person="ben")
        post = await harness.wait_for_message(
            "ben requests approval to set the config var PASSWORD of shop", person=None
        )
        assert changes(harness) == []
        assert leaks(harness, logged(capfd, caplog)) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben changed config vars of shop", person=None)
        assert harness.buildio.shop.config["PASSWORD"] == SECRET
        assert leaks(harness, logged(capfd, caplog)) == []


async def test_a_value_never_leaks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as harness:
        await set_by_form(harness, {"key": "PASSWORD", "value": SECRET, "more": f"OTHER={SECRET}"})
        await harness.wait_for_message("+ `PASSWORD`", person=None)
        post = await listed(harness)
        await reveal(harness, post, key="PASSWORD")
        await harness.wait_until(lambda: "was shown here for 1 minute" in harness.message_text(post))
        await harness.users.command("anna", "builds", "/buildio config get shop OTHER")
        await harness.slack.wait_for_modal("anna", "was shown here for 1 minute")
        await harness.users.close_modal("anna")
        harness.buildio.fault("PATCH */config-vars", "error", status=422, words=f"{SECRET} is too weak")
        await set_by_form(harness, {"key": "PASSWORD", "value": SECRET})
        assert "[redacted] is too weak" in form_errors(harness)["key"]
        await harness.users.close_modal("anna")
        await harness.confirm("/buildio config unset shop PASSWORD", "Remove", "− `PASSWORD`")
        await harness.ask("/buildio audit", "removed config vars")
        assert set(visible_in(harness)) <= {"views.open", "views.update", "response_url"}
        assert leaks(harness, logged(capfd, caplog)) == []


def _config_var_reads(harness: BotHarness) -> list[RecordedRequest]:
    return [request for request in harness.buildio.requests if request.path.endswith("/config-vars")]
