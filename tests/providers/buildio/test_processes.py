"""An app's processes at Build.io: listed and restarted."""

from __future__ import annotations

from tests.providers.buildio.conftest import HarnessWithRules
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


def requested_restarts(harness: BotHarness) -> list[str]:
    """Return the requested restarts."""
    return [
        request.path
        for request in harness.buildio.requests
        if request.method == "DELETE" and "/dynos" in request.path
    ]


async def test_processes_are_listed_with_crashed_ones_first(harness: BotHarness) -> None:
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop, "worker.1"))
    post = await harness.ask("/buildio ps shop", "3 processes, 1 crashed")
    words = harness.message_text(post)
    assert words.index("worker.1") < words.index("web.1")
    assert "[Run a command…]" in words


async def test_a_process_is_restarted_by_its_button(harness: BotHarness) -> None:
    post = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(post, "Restart web.2", "anna restarted `web.2` of shop")
    assert requested_restarts(harness) == [f"/api/v1/apps/{harness.buildio.shop.id}/dynos/web.2"]
    assert harness.buildio.dyno(harness.buildio.shop, "web.2").state == "restarting"
    assert harness.buildio.dyno(harness.buildio.shop, "web.1").state == "up"


async def test_all_processes_are_restarted_by_their_button(harness: BotHarness) -> None:
    post = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(post, "Restart all", "anna restarted all processes of shop")
    assert requested_restarts(harness) == [f"/api/v1/apps/{harness.buildio.shop.id}/dynos"]


async def test_a_refresh_shows_the_current_processes(harness: BotHarness) -> None:
    shown = await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
    await harness.users.click("anna", shown, "Refresh")
    await harness.wait_until(
        lambda: any(
            "1 crashed" in harness.message_text(post) for post in harness.slack.posts("builds", "anna")
        )
    )


async def test_a_named_process_is_restarted_at_once(harness: BotHarness) -> None:
    post = await harness.ask("/buildio restart shop web.1", "anna restarted `web.1` of shop")
    assert post.only_for is None
    assert len(requested_restarts(harness)) == 1


async def test_restarting_all_processes_asks_for_confirmation(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio restart shop")
    modal = await harness.slack.wait_for_modal("anna", "Work in progress stops")
    assert "All processes" in harness.slack.modal_text(modal)
    assert requested_restarts(harness) == []
    await harness.users.submit("anna")
    await harness.wait_for_message("anna restarted all processes of shop")
    assert len(requested_restarts(harness)) == 1


async def test_the_confirmation_lets_one_process_be_picked_instead(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio restart shop")
    modal = await harness.slack.wait_for_modal("anna", "Work in progress stops")
    [field] = [block for block in modal.view["blocks"] if block.get("block_id") == "dyno"]
    worker = next(option for option in field["element"]["options"] if option["value"] == "worker.1")
    await harness.users.submit("anna", {"dyno": worker})
    await harness.wait_for_message("anna restarted `worker.1` of shop")


async def test_a_mention_gets_a_button_that_confirms_before_all_restart(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio restart shop")
    post = await harness.wait_for_message("Restart all processes of shop?")
    [button] = [
        element
        for block in post.blocks
        for element in block.get("elements", [])
        if element["type"] == "button"
    ]
    assert button["confirm"]["confirm"]["text"] == "Restart all"
    await harness.press(post, "Restart all", "anna restarted all processes of shop")


async def test_an_unknown_process_is_answered_with_similar_names(harness: BotHarness) -> None:
    post = await harness.ask("/buildio restart shop wrb.1", "No process named `wrb.1`")
    assert "Did you mean `web.1`" in harness.message_text(post)
    assert requested_restarts(harness) == []


async def test_the_button_of_a_process_that_is_gone_restarts_nothing(harness: BotHarness) -> None:
    post = await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.shop.dynos = [dyno for dyno in harness.buildio.shop.dynos if dyno.name != "worker.1"]
    await harness.press(post, "Restart worker.1", "No process named `worker.1`")
    assert requested_restarts(harness) == []


async def test_a_forbidden_restart_is_refused_in_command_button_and_form(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(NOBODY) as harness:
        refused = "No one can restart dynos in shop here"
        await harness.ask("/buildio restart shop web.1", refused)
        post = await harness.ask("/buildio ps shop", "3 processes")
        await harness.press(post, "Restart web.1", refused)
        await harness.press(post, "Restart all", refused)
        await harness.users.command("anna", "builds", "/buildio restart shop")
        await harness.slack.wait_for_modal("anna", "Work in progress stops")
        await harness.users.submit("anna")
        await harness.slack.wait_for_modal("anna", refused)
        assert requested_restarts(harness) == []


async def test_a_protected_action_waits_for_an_approval(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(SECOND) as harness:
        before = harness.last("builds", None)
        await harness.users.command("ben", "builds", "/buildio restart shop web.1")
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert "ben requests approval to restart web.1 of shop" in harness.message_text(post)
        assert requested_restarts(harness) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben restarted `web.1` of shop", person=None)
        assert [request.member for request in harness.buildio.requests if request.method == "DELETE"] == [
            "ben-okafor"
        ]


async def test_a_lost_response_is_explained_and_the_request_not_retried(harness: BotHarness) -> None:
    harness.buildio.fault("DELETE */dynos/web.1", "answer_lost")
    await harness.ask("/buildio restart shop web.1", "this may or may not have happened")
    assert len(requested_restarts(harness)) == 1


async def test_a_crash_notification_has_buttons_for_the_processes_and_a_restart(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop workflow:web.*", "web.*")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
    post = await harness.wait_for_message("crashed", person=None, after=harness.last("builds", None))
    await harness.press(post, "View processes", "1 crashed")
    await harness.users.click("anna", post, "Restart…")
    await harness.slack.wait_for_modal("anna", "Work in progress stops")
    await harness.users.submit("anna")
    await harness.wait_for_message("anna restarted `web.1` of shop")
