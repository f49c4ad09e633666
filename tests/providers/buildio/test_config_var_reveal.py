"""Revealing one value to one person for a minute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.providers.buildio.config_var_harness import (
    SECRET,
    audited,
    config_var_harness,
    leaks,
    listed,
    logged,
    reveal,
    visible_in,
)

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


async def test_a_press_shows_the_value_in_place_of_the_list_to_the_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await listed(harness)
        assert post.only_for == "U0ANNA"
        await reveal(harness, post)
        await harness.wait_until(lambda: SECRET in json.dumps(post.blocks))
        assert "`DATABASE_URL` of shop. Only visible to you" in harness.message_text(post)
        assert SECRET not in post.text
        assert visible_in(harness) == ["response_url"]
        assert post not in harness.slack.posts("builds", "ben")
        assert await audited(harness, "reveal_config") == [
            ("begun", "DATABASE_URL"),
            ("done", "DATABASE_URL"),
        ]


async def test_after_a_minute_the_value_is_hidden_and_can_be_revealed_again(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as harness:
        post = await listed(harness)
        await reveal(harness, post)
        await harness.wait_until(lambda: "was shown here for 1 minute" in harness.message_text(post))
        await harness.users.click("anna", post, "Reveal again")
        await harness.wait_until(lambda: len(visible_in(harness)) == 2)
        await harness.wait_until(lambda: "was shown here for 1 minute" in harness.message_text(post))
        assert SECRET not in json.dumps(post.blocks)
        await harness.users.click("anna", post, "View all config vars")
        await harness.wait_until(lambda: "`RAILS_ENV` = … · 10 characters" in harness.message_text(post))
        assert visible_in(harness) == ["response_url"] * 2


async def test_a_revealed_value_is_hidden_when_the_bot_stops(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await listed(harness)
        await reveal(harness, post)
        await harness.wait_until(lambda: SECRET in json.dumps(post.blocks))
        await harness.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        modal = await harness.slack.wait_for_modal("ben", SECRET)
        await harness.stop_bot()
        assert "was shown here for 1 minute" in harness.message_text(post)
        assert "was shown here for 1 minute" in harness.slack.modal_text(modal)
        assert leaks(harness) == []


async def test_a_command_shows_the_value_in_a_dialog_since_its_reply_can_not_be_removed(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as harness:
        await harness.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        modal = await harness.slack.wait_for_modal("anna", "was shown here for 1 minute")
        assert SECRET not in json.dumps(modal.view)
        assert set(visible_in(harness)) <= {"views.open", "views.update"}
        assert visible_in(harness)


async def test_a_dialog_leads_to_the_list_and_to_another_dialog(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as harness:
        await harness.users.command("anna", "builds", "/buildio config get shop RAILS_ENV")
        first = await harness.slack.wait_for_modal("anna", "was shown here for 1 minute")
        await harness.users.set_value("anna", "View all config vars")
        await harness.wait_until(lambda: "Views are logged" in harness.slack.modal_text(first))
        [block] = [block for block in first.view["blocks"] if "`DATABASE_URL`" in json.dumps(block)]
        await harness.users.set_value("anna", "Reveal", block_id=block["block_id"])
        await harness.wait_until(
            lambda: "views.update" in visible_in(harness) or "views.push" in visible_in(harness)
        )
        second = await harness.slack.wait_for_modal("anna", "was shown here for 1 minute")
        assert second is not first
        assert SECRET not in json.dumps([first.view, second.view])


async def test_a_closed_dialog_causes_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with config_var_harness(tmp_path) as harness:
        await harness.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        await harness.slack.wait_for_modal("anna", SECRET)
        await harness.users.close_modal("anna")
        await harness.stop_bot()
    assert "vanish" not in capfd.readouterr().out


async def test_a_permanent_message_never_contains_a_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        harness.users.say("anna", "D0ANNA", "buildio config shop")
        post = await harness.wait_for_message("Views are logged", channel="D0ANNA")
        assert post.only_for is None
        await reveal(harness, post)
        await harness.slack.wait_for_modal("anna", SECRET)
        harness.users.say("anna", "D0ANNA", "buildio config get shop DATABASE_URL")
        button_post = await harness.wait_for_message("for 1 minute", channel="D0ANNA", after=post)
        await harness.users.close_modal("anna")
        await harness.users.click("anna", button_post, "Reveal")
        await harness.slack.wait_for_modal("anna", SECRET)
        assert leaks(harness) == []


async def test_a_mention_is_answered_to_that_person_only(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        harness.users.invite("builds")
        harness.users.say("anna", "builds", "@buildbell buildio config get shop DATABASE_URL")
        post = await harness.wait_for_message("for 1 minute")
        assert post.only_for == "U0ANNA"
        await harness.users.click("anna", post, "Reveal")
        await harness.wait_until(lambda: SECRET in json.dumps(post.blocks))
        assert [what for what in visible_in(harness) if what != "response_url"] == []


async def test_without_permission_neither_list_nor_value_is_shown(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as harness:
        refusal = (
            "No one can view and change config vars in shop here (a rule set by whoever runs Buildbell)."
        )
        await harness.ask("/buildio config shop", refusal)
        await harness.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        await harness.slack.wait_for_modal("anna", refusal)
        assert visible_in(harness) == []
        assert await audited(harness, "reveal_config") == [("refused", "DATABASE_URL")]
        assert await audited(harness, "look_at_config") == [("refused", None)]


async def test_a_list_from_before_a_rule_reveals_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await listed(harness, person="ben")
        await harness.stop_bot()
        (tmp_path / "policy.toml").write_text(NOBODY)
        await harness.start_bot()
        await reveal(harness, post, person="ben")
        await harness.wait_for_message("No one can view and change config vars in shop", person="ben")
        assert visible_in(harness) == []


async def test_without_an_own_account_no_value_is_shown_with_the_bots_token(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as harness:
        await harness.ask("/buildio subscribe shop", "subscribed")
        await harness.ask("/buildio config shop", "Connect your Build.io account to do this", person="ben")
        await harness.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        await harness.slack.wait_for_modal("ben", "Connect your Build.io account to do this")
        assert not [request for request in harness.buildio.requests if request.path.endswith("/config-vars")]


async def test_an_unknown_key_is_answered_with_similar_ones(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        await harness.users.command("anna", "builds", "/buildio config get shop DATABSE_URL")
        await harness.slack.wait_for_modal("anna", "Did you mean `DATABASE_URL`?")
        assert await audited(harness, "reveal_config") == [
            ("begun", "DATABSE_URL"),
            ("failed", "DATABSE_URL"),
        ]


async def test_if_slack_refuses_the_message_nothing_is_shown_and_an_error_explains_it(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await listed(harness)
        harness.slack.fault("response_url", "status", status=404)
        await reveal(harness, post)
        await harness.wait_for_message("Slack couldn't show it here")
        assert leaks(harness) == []


async def test_an_approved_value_is_shown_only_to_the_requester(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as harness:
        await harness.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        post = await harness.wait_for_message(
            "ben requests approval to view the value of the config var DATABASE_URL of shop", person=None
        )
        await harness.slack.wait_for_modal("ben", "Approval requested")
        assert visible_in(harness) == []
        await harness.users.click("anna", post, "Approve")
        granted = await harness.wait_for_message("ben can view `DATABASE_URL` of shop", person=None)
        assert visible_in(harness) == []
        await harness.users.close_modal("ben")
        await harness.users.click("ben", granted, "Reveal")
        await harness.slack.wait_for_modal("ben", SECRET)
        assert leaks(harness, logged(capfd, caplog)) == []
        events = [event for event, _ in await audited(harness, "reveal_config")]
        assert events == ["proposed", "agreed", "begun", "done", "done"]


async def test_an_approval_for_one_person_shows_nothing_to_another(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, SECOND) as harness:
        await harness.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        post = await harness.wait_for_message("ben requests approval to view the value", person=None)
        await harness.users.click("anna", post, "Approve")
        granted = await harness.wait_for_message("ben can view `DATABASE_URL` of shop", person=None)
        await harness.users.click("anna", granted, "Reveal")
        await harness.wait_for_message("anna requests approval to view the value", person=None)
        button = next(block["elements"][0] for block in granted.blocks if block["type"] == "actions")
        carried = json.loads(button["value"])
        for forged in ({"key": "RAILS_ENV"}, {"until": carried["until"] + 1}, {"seal": "0" * 32}):
            button["value"] = json.dumps(carried | forged)
            before = harness.last("builds", None)
            await harness.users.close_modal("ben")
            await harness.users.click("ben", granted, "Reveal")
            await harness.wait_for_message(
                "ben requests approval to view the value", person=None, after=before
            )
        assert visible_in(harness) == []
        assert visible_in(harness, "production`") == []
