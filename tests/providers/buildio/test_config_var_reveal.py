"""One value, to one person, for a minute."""

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


async def test_a_press_shows_it_in_the_place_of_the_list_to_whoever_pressed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        post = await listed(town)
        assert post.only_for == "U0ANNA"
        await reveal(town, post)
        await town.wait_until(lambda: SECRET in json.dumps(post.blocks))
        assert "`DATABASE_URL` of shop, for your eyes only" in town.message_text(post)
        assert SECRET not in post.text
        assert visible_in(town) == ["response_url"]
        assert post not in town.slack.posts("builds", "ben")
        assert await audited(town, "reveal_config") == [("begun", "DATABASE_URL"), ("done", "DATABASE_URL")]


async def test_after_the_minute_it_is_gone_and_can_be_asked_for_again(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as town:
        post = await listed(town)
        await reveal(town, post)
        await town.wait_until(lambda: "was shown here for a minute" in town.message_text(post))
        await town.users.click("anna", post, "Reveal again")
        await town.wait_until(lambda: len(visible_in(town)) == 2)
        await town.wait_until(lambda: "was shown here for a minute" in town.message_text(post))
        assert SECRET not in json.dumps(post.blocks)
        await town.users.click("anna", post, "All config vars")
        await town.wait_until(lambda: "`RAILS_ENV` = … · 10 characters" in town.message_text(post))
        assert visible_in(town) == ["response_url"] * 2


async def test_what_is_shown_when_the_bot_stops_is_taken_away_at_once(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        post = await listed(town)
        await reveal(town, post)
        await town.wait_until(lambda: SECRET in json.dumps(post.blocks))
        await town.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        opened = await town.slack.wait_for_modal("ben", SECRET)
        await town.stop_bot()
        assert "was shown here for a minute" in town.message_text(post)
        assert "was shown here for a minute" in town.slack.modal_text(opened)
        assert leaks(town) == []


async def test_a_command_shows_it_in_a_dialog_since_its_answer_could_not_be_taken_away(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as town:
        await town.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        opened = await town.slack.wait_for_modal("anna", "was shown here for a minute")
        assert SECRET not in json.dumps(opened.view)
        assert set(visible_in(town)) <= {"views.open", "views.update"}
        assert visible_in(town)


async def test_from_a_dialog_one_goes_on_to_the_list_and_to_another_dialog(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, shown_seconds=0.05) as town:
        await town.users.command("anna", "builds", "/buildio config get shop RAILS_ENV")
        first = await town.slack.wait_for_modal("anna", "was shown here for a minute")
        await town.users.set_value("anna", "All config vars")
        await town.wait_until(lambda: "Who looked is noted" in town.slack.modal_text(first))
        [block] = [one for one in first.view["blocks"] if "`DATABASE_URL`" in json.dumps(one)]
        await town.users.set_value("anna", "Reveal", block_id=block["block_id"])
        await town.wait_until(lambda: "views.update" in visible_in(town) or "views.push" in visible_in(town))
        second = await town.slack.wait_for_modal("anna", "was shown here for a minute")
        assert second is not first
        assert SECRET not in json.dumps([first.view, second.view])


async def test_a_dialog_that_was_closed_meanwhile_is_no_trouble(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with config_var_harness(tmp_path) as town:
        await town.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        await town.slack.wait_for_modal("anna", SECRET)
        await town.users.close_modal("anna")
        await town.stop_bot()
    assert "vanish" not in capfd.readouterr().out


async def test_a_message_that_stays_is_never_given_a_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        town.users.say("anna", "D0ANNA", "buildio config shop")
        post = await town.wait_for_message("Who looked is noted", channel="D0ANNA")
        assert post.only_for is None
        await reveal(town, post)
        await town.slack.wait_for_modal("anna", SECRET)
        town.users.say("anna", "D0ANNA", "buildio config get shop DATABASE_URL")
        offered = await town.wait_for_message("for a minute", channel="D0ANNA", after=post)
        await town.users.close_modal("anna")
        await town.users.click("anna", offered, "Reveal")
        await town.slack.wait_for_modal("anna", SECRET)
        assert leaks(town) == []


async def test_a_mention_is_answered_to_that_person_alone(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        town.users.invite("builds")
        town.users.say("anna", "builds", "@buildbell buildio config get shop DATABASE_URL")
        offered = await town.wait_for_message("for a minute")
        assert offered.only_for == "U0ANNA"
        await town.users.click("anna", offered, "Reveal")
        await town.wait_until(lambda: SECRET in json.dumps(offered.blocks))
        assert [what for what in visible_in(town) if what != "response_url"] == []


async def test_whoever_may_not_sees_neither_list_nor_value(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as town:
        said = "Nobody may see and change config vars of shop here; whoever runs Buildbell has set that."
        await town.ask("/buildio config shop", said)
        await town.users.command("anna", "builds", "/buildio config get shop DATABASE_URL")
        await town.slack.wait_for_modal("anna", said)
        assert visible_in(town) == []
        assert await audited(town, "reveal_config") == [("refused", "DATABASE_URL")]
        assert await audited(town, "look_at_config") == [("refused", None)]


async def test_a_list_from_before_a_rule_was_made_reveals_nothing_any_more(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        post = await listed(town, person="ben")
        await town.stop_bot()
        (tmp_path / "policy.toml").write_text(NOBODY)
        await town.start_bot()
        await reveal(town, post, person="ben")
        await town.wait_for_message("Nobody may see and change config vars of shop", person="ben")
        assert visible_in(town) == []


async def test_without_an_account_of_their_own_nobody_is_shown_any_with_the_bots_token(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as town:
        await town.ask("/buildio subscribe shop", "subscribed")
        await town.ask("/buildio config shop", "I do this with your own Build.io account", person="ben")
        await town.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        await town.slack.wait_for_modal("ben", "I do this with your own Build.io account")
        assert not [one for one in town.buildio.requests if one.path.endswith("/config-vars")]


async def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        await town.users.command("anna", "builds", "/buildio config get shop DATABSE_URL")
        await town.slack.wait_for_modal("anna", "Did you mean DATABASE_URL?")
        assert await audited(town, "reveal_config") == [("begun", "DATABSE_URL"), ("failed", "DATABSE_URL")]


async def test_where_slack_does_not_take_it_nothing_is_shown_and_that_is_said(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        post = await listed(town)
        town.slack.fault("response_url", "status", status=404)
        await reveal(town, post)
        await town.wait_for_message("Slack did not let me show it here")
        assert leaks(town) == []


async def test_what_needs_a_second_person_is_shown_to_the_one_who_asked_and_to_nobody_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with config_var_harness(tmp_path, SECOND) as town:
        await town.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        asked = await town.wait_for_message(
            "ben wants to see the value of the config var DATABASE_URL of shop", person=None
        )
        await town.slack.wait_for_modal("ben", "needs somebody's agreement")
        assert visible_in(town) == []
        await town.users.click("anna", asked, "Agree")
        granted = await town.wait_for_message("ben may look at `DATABASE_URL` of shop now", person=None)
        assert visible_in(town) == []
        await town.users.close_modal("ben")
        await town.users.click("ben", granted, "Reveal")
        await town.slack.wait_for_modal("ben", SECRET)
        assert leaks(town, logged(capfd, caplog)) == []
        events = [event for event, _ in await audited(town, "reveal_config")]
        assert events == ["proposed", "agreed", "begun", "done", "done"]


async def test_what_was_agreed_to_for_one_person_shows_nothing_to_another(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, SECOND) as town:
        await town.users.command("ben", "builds", "/buildio config get shop DATABASE_URL")
        asked = await town.wait_for_message("ben wants to see the value", person=None)
        await town.users.click("anna", asked, "Agree")
        granted = await town.wait_for_message("ben may look at `DATABASE_URL` of shop now", person=None)
        await town.users.click("anna", granted, "Reveal")
        await town.wait_for_message("anna wants to see the value", person=None)
        button = next(one["elements"][0] for one in granted.blocks if one["type"] == "actions")
        carried = json.loads(button["value"])
        for forged in ({"key": "RAILS_ENV"}, {"until": carried["until"] + 1}, {"seal": "0" * 32}):
            button["value"] = json.dumps(carried | forged)
            before = town.last("builds", None)
            await town.users.close_modal("ben")
            await town.users.click("ben", granted, "Reveal")
            await town.wait_for_message("ben wants to see the value", person=None, after=before)
        assert visible_in(town) == []
        assert visible_in(town, "production`") == []
