"""Threats that come with Build.io (SECURITY.md, A and B)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from providers.buildio.config_vars.actions import SetConfigAction
from providers.buildio.login import ClusterLoginAction
from providers.buildio.processes.actions import RunCommandAction
from tests.bot.test_oauth_pages import code_in, start_sign_in
from tests.providers.buildio.config_var_harness import (
    SECRET,
    audited,
    config_var_harness,
    leaks,
    listed,
    logged,
    open_form,
    reveal,
    visible_in,
)
from tests.services.actions.action_harness import action_harness, as_bot_app


async def test_a7_a_sign_in_link_sent_to_another_person_does_not_give_away_their_account(
    tmp_path: Path,
) -> None:
    async with action_harness(tmp_path, public=True) as actions:
        link = await start_sign_in(actions, "carla")
        status, text = await actions.harness.buildio.give_consent(link, user="anna")
        assert status == 200
        assert "Don't share it" in text
        assert await actions.harness.rows("SELECT * FROM accounts") == []
        await actions.open_connect_modal("anna")
        await actions.harness.users.submit("anna", {"token": code_in(text)})
        assert await actions.harness.rows("SELECT * FROM accounts") == [], "anna did not start this sign-in"


async def test_b14_without_rules_nobody_runs_commands_or_gets_credentials(tmp_path: Path) -> None:
    async with action_harness(tmp_path) as actions:
        await actions.connect("anna")
        await actions.request(
            RunCommandAction(app=as_bot_app(actions.harness.buildio.shop), dyno="web.1", command=("env",))
        )
        await actions.wait_for_message("No one can run commands in dynos here. It's off until")
        await actions.request(ClusterLoginAction(region="eu"))
        await actions.wait_for_message("No one can log in to clusters here. It's off until")
        paths = {request.path.rpartition("/")[2] for request in actions.harness.buildio.requests}
        assert not paths & {"exec", "oidc-login"}


async def test_b15_a_new_config_value_is_in_no_message_file_or_export(tmp_path: Path) -> None:
    canary = "canary-4711-of-a-config-var"
    rules = '[[rule]]\nprotect = ["config"]\n'
    async with action_harness(tmp_path, rules=rules) as actions:
        await actions.connect("anna", "ben")
        values = {"API_KEY": SecretStr(canary)}
        await actions.request(SetConfigAction(app=as_bot_app(actions.harness.buildio.shop), values=values))
        await actions.wait_for_message("anna requests approval to set the config var API_KEY of shop", None)
        audited = await actions.harness.ask("/bitrise audit", "set config vars `API_KEY`")
        assert canary not in actions.harness.message_text(audited)
        assert canary not in str(
            [actions.harness.message_text(post) for post in actions.harness.slack.posts("builds")]
        )
        await actions.harness.stop_bot()
        assert canary.encode() not in actions.harness.stored_bytes()


async def test_b16_a_config_var_is_revealed_only_to_a_person_with_access_and_only_for_a_while(
    tmp_path: Path,
) -> None:
    rules = '[[rule]]\nallow = ["config"]\nwho = ["U0ANNA"]\n'
    async with config_var_harness(tmp_path, rules, shown_seconds=0.05) as harness:
        await harness.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        await harness.slack.wait_for_modal("ben", "Only Anna Berg can view and change config vars in shop")
        assert visible_in(harness) == []
        post = await listed(harness)
        await reveal(harness, post)
        await harness.wait_until(lambda: "was shown here for 1 minute" in harness.message_text(post))
        assert visible_in(harness) == ["response_url"]
        assert post not in harness.slack.posts("builds", "ben")
        assert leaks(harness) == []
        assert await audited(harness, "reveal_config") == [
            ("refused", "DATABASE_URL"),
            ("begun", "DATABASE_URL"),
            ("done", "DATABASE_URL"),
        ]


async def test_b17_an_error_that_quotes_a_value_is_shown_and_logged_without_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rules = '[[rule]]\nprotect = ["config"]\n'
    async with config_var_harness(tmp_path, rules) as harness:
        await open_form(harness, "/buildio config set shop KEY", "Set config vars", person="ben")
        await harness.users.submit("ben", {"value": f"first line\n{SECRET}"})
        approval = await harness.wait_for_message(
            "ben requests approval to set the config var KEY of shop", person=None
        )
        harness.buildio.fault("PATCH */config-vars", "error", status=422, words=f"KEY={SECRET} is too weak")
        await harness.users.click("anna", approval, "Approve")
        await harness.wait_until(lambda: "[redacted] is too weak" in harness.message_text(approval))
        assert leaks(harness, logged(capfd, caplog)) == []
