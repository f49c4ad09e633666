"""An app's processes at Build.io: seen, and restarted."""

from __future__ import annotations

from tests.providers.buildio.conftest import Governed
from tests.support.bot_harness import BotHarness

NOBODY = """
[[rule]]
allow = ["restart"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["restart"]
who = ["U0ANNA", "U0BEN"]
"""


def restarts(harness: BotHarness) -> list[str]:
    """What Build.io was asked to restart."""
    return [one.path for one in harness.buildio.requests if one.method == "DELETE" and "/dynos" in one.path]


async def test_the_processes_are_listed_with_those_that_crashed_first(harness: BotHarness) -> None:
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop, "worker.1"))
    shown = await harness.ask("/buildio ps shop", "3 processes, 1 crashed")
    words = harness.message_text(shown)
    assert words.index("worker.1") < words.index("web.1")
    assert "[Run a command…]" in words


async def test_a_process_is_restarted_by_its_button(harness: BotHarness) -> None:
    shown = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(shown, "Restart web.2", "anna restarted `web.2` of shop")
    assert restarts(harness) == [f"/api/v1/apps/{harness.buildio.shop.id}/dynos/web.2"]
    assert harness.buildio.dyno(harness.buildio.shop, "web.2").state == "restarting"
    assert harness.buildio.dyno(harness.buildio.shop, "web.1").state == "up"


async def test_all_processes_are_restarted_by_their_button(harness: BotHarness) -> None:
    shown = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(shown, "Restart all", "anna restarted all processes of shop")
    assert restarts(harness) == [f"/api/v1/apps/{harness.buildio.shop.id}/dynos"]


async def test_a_refresh_shows_them_as_they_are_now(harness: BotHarness) -> None:
    shown = await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
    await harness.users.click("anna", shown, "Refresh")
    await harness.wait_until(
        lambda: any("1 crashed" in harness.message_text(one) for one in harness.slack.posts("builds", "anna"))
    )


async def test_one_that_is_named_is_restarted_at_once(harness: BotHarness) -> None:
    said = await harness.ask("/buildio restart shop web.1", "anna restarted `web.1` of shop")
    assert said.only_for is None
    assert len(restarts(harness)) == 1


async def test_before_all_restart_it_is_asked(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio restart shop")
    opened = await harness.slack.wait_for_modal("anna", "What they are doing is cut off")
    assert "All processes" in harness.slack.modal_text(opened)
    assert restarts(harness) == []
    await harness.users.submit("anna")
    await harness.wait_for_message("anna restarted all processes of shop")
    assert len(restarts(harness)) == 1


async def test_the_question_lets_one_be_picked_instead(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio restart shop")
    opened = await harness.slack.wait_for_modal("anna", "What they are doing is cut off")
    [field] = [one for one in opened.view["blocks"] if one.get("block_id") == "dyno"]
    worker = next(one for one in field["element"]["options"] if one["value"] == "worker.1")
    await harness.users.submit("anna", {"dyno": worker})
    await harness.wait_for_message("anna restarted `worker.1` of shop")


async def test_a_mention_gets_a_button_that_asks_before_all_restart(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio restart shop")
    asked = await harness.wait_for_message("Restart all processes of shop?")
    [button] = [one for block in asked.blocks for one in block.get("elements", []) if one["type"] == "button"]
    assert button["confirm"]["confirm"]["text"] == "Restart all"
    await harness.press(asked, "Restart all", "anna restarted all processes of shop")


async def test_a_process_that_is_not_there_is_answered_with_the_nearest(harness: BotHarness) -> None:
    said = await harness.ask("/buildio restart shop wrb.1", "I don't know a process called wrb.1")
    assert "Did you mean web.1" in harness.message_text(said)
    assert restarts(harness) == []


async def test_a_button_of_a_process_that_is_gone_restarts_nothing(harness: BotHarness) -> None:
    shown = await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.shop.dynos = [one for one in harness.buildio.shop.dynos if one.name != "worker.1"]
    await harness.press(shown, "Restart worker.1", "I don't know a process called worker.1")
    assert restarts(harness) == []


async def test_whom_a_rule_forbids_it_is_refused_in_words_button_and_form_alike(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(NOBODY) as town:
        refused = "Nobody may restart dynos of shop here"
        await town.ask("/buildio restart shop web.1", refused)
        shown = await town.ask("/buildio ps shop", "3 processes")
        await town.press(shown, "Restart web.1", refused)
        await town.press(shown, "Restart all", refused)
        await town.users.command("anna", "builds", "/buildio restart shop")
        await town.slack.wait_for_modal("anna", "What they are doing is cut off")
        await town.users.submit("anna")
        await town.slack.wait_for_modal("anna", refused)
        assert restarts(town) == []


async def test_what_is_protected_waits_for_a_second_person(harness_with_rules: Governed) -> None:
    async with harness_with_rules(SECOND) as town:
        before = town.last("builds", None)
        await town.users.command("ben", "builds", "/buildio restart shop web.1")
        asked = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to restart web.1 of shop" in town.message_text(asked)
        assert restarts(town) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben restarted `web.1` of shop", person=None)
        assert [one.member for one in town.buildio.requests if one.method == "DELETE"] == ["ben-okafor"]


async def test_a_lost_answer_is_said_as_such_and_nothing_is_asked_twice(harness: BotHarness) -> None:
    harness.buildio.fault("DELETE */dynos/web.1", "answer_lost")
    await harness.ask("/buildio restart shop web.1", "it may or may not have happened")
    assert len(restarts(harness)) == 1


async def test_what_was_told_of_a_crash_leads_to_the_processes_and_to_a_restart(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop workflow:web.*", "web.*")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
    told = await harness.wait_for_message("crashed", person=None, after=harness.last("builds", None))
    await harness.press(told, "Processes", "1 crashed")
    await harness.users.click("anna", told, "Restart…")
    await harness.slack.wait_for_modal("anna", "What they are doing is cut off")
    await harness.users.submit("anna")
    await harness.wait_for_message("anna restarted `web.1` of shop")
