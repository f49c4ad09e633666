"""What Build.io adds to the threat model (SECURITY.md, A and B)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from providers.buildio.actions import ClusterLoginAction, RunCommandAction, SetConfigAction
from tests.bot.test_oauth_pages import begin, code_in
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


async def test_a7_a_link_to_sign_in_that_somebody_is_sent_gives_their_account_to_nobody(
    tmp_path: Path,
) -> None:
    async with action_harness(tmp_path, public=True) as place:
        link = await begin(place, "carla")
        status, text = await place.harness.buildio.give_consent(link, user="anna")
        assert status == 200
        assert "Give it to nobody" in text
        assert await place.harness.rows("SELECT * FROM accounts") == []
        await place.open_connect_modal("anna")
        await place.harness.users.submit("anna", {"token": code_in(text)})
        assert await place.harness.rows("SELECT * FROM accounts") == [], "it is not hers, who did not begin"


async def test_b14_nobody_runs_commands_or_gets_credentials_where_there_are_no_rules(tmp_path: Path) -> None:
    async with action_harness(tmp_path) as place:
        await place.connect("anna")
        await place.request(
            RunCommandAction(app=as_bot_app(place.harness.buildio.shop), dyno="web.1", command=("env",))
        )
        await place.wait_for_message("Nobody may run commands in dynos here: that is off")
        await place.request(ClusterLoginAction(region="eu"))
        await place.wait_for_message("Nobody may log in to clusters here: that is off")
        paths = {one.path.rpartition("/")[2] for one in place.harness.buildio.requests}
        assert not paths & {"exec", "oidc-login"}


async def test_b15_a_value_that_is_to_be_set_is_in_no_message_no_file_and_no_export(tmp_path: Path) -> None:
    canary = "canary-4711-of-a-config-var"
    rules = '[[rule]]\nprotect = ["config"]\n'
    async with action_harness(tmp_path, rules=rules) as place:
        await place.connect("anna", "ben")
        values = {"API_KEY": SecretStr(canary)}
        await place.request(SetConfigAction(app=as_bot_app(place.harness.buildio.shop), values=values))
        await place.wait_for_message("anna wants to set the config var API_KEY of shop", None)
        audited = await place.harness.ask("/bitrise audit", "set config vars `API_KEY`")
        assert canary not in place.harness.message_text(audited)
        assert canary not in str(
            [place.harness.message_text(one) for one in place.harness.slack.posts("builds")]
        )
        await place.harness.stop_bot()
        assert canary.encode() not in place.harness.stored_bytes()


async def test_b16_a_config_var_is_revealed_to_whoever_may_see_it_alone_and_only_for_a_while(
    tmp_path: Path,
) -> None:
    rules = '[[rule]]\nallow = ["config"]\nwho = ["U0ANNA"]\n'
    async with config_var_harness(tmp_path, rules, shown_seconds=0.05) as town:
        await town.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        await town.slack.wait_for_modal("ben", "Only Anna Berg may see and change config vars of shop")
        assert visible_in(town) == []
        post = await listed(town)
        await reveal(town, post)
        await town.wait_until(lambda: "was shown here for a minute" in town.message_text(post))
        assert visible_in(town) == ["response_url"]
        assert post not in town.slack.posts("builds", "ben")
        assert leaks(town) == []
        assert await audited(town, "reveal_config") == [
            ("refused", "DATABASE_URL"),
            ("begun", "DATABASE_URL"),
            ("done", "DATABASE_URL"),
        ]


async def test_b17_an_error_that_quotes_a_value_is_said_and_noted_without_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rules = '[[rule]]\nprotect = ["config"]\n'
    async with config_var_harness(tmp_path, rules) as town:
        await open_form(town, "/buildio config set shop KEY", "Set config vars", person="ben")
        await town.users.submit("ben", {"value": f"first line\n{SECRET}"})
        asked = await town.wait_for_message("ben wants to set the config var KEY of shop", person=None)
        town.buildio.fault("PATCH */config-vars", "error", status=422, words=f"KEY={SECRET} is too weak")
        await town.users.click("anna", asked, "Agree")
        await town.wait_until(lambda: "[redacted] is too weak" in town.message_text(asked))
        assert leaks(town, logged(capfd, caplog)) == []
