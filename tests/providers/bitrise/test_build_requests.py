"""Builds of strangers' pull requests, which wait for somebody's approval."""

from __future__ import annotations

from pathlib import Path

from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness

WAITS = "waits for somebody's approval"


async def says(harness: BotHarness, post: Post, text: str) -> None:
    await harness.slack.workspace.wait_for(
        lambda: True if text in harness.message_text(post) else None,
        30,
        f"{text!r} in\n{harness.message_text(post)}",
    )


async def test_the_channel_is_told_once_and_somebody_approves(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscribe android branch:release/*", "subscribed", channel="random")
    held = harness.bitrise.add_build_request(harness.bitrise.android, 12)
    asked = await harness.wait_for_message(
        f"A build of pull request #12 in Sample Android {WAITS}", person=None
    )
    said = harness.message_text(asked)
    assert "`patch-1` into `main` · by stranger" in said
    assert "Mend a typo" in said
    await harness.users.click("anna", asked, "Approve")
    await says(harness, asked, "@anna approved the build of pull request #12")
    assert "[Approve]" not in harness.message_text(asked)
    assert held not in harness.bitrise.state.requests
    assert harness.bitrise.state.builds[0].params["pull_request_id"] == 12
    await harness.wait_for_poll()
    assert len(harness.messages_with(WAITS)) == 0
    assert harness.messages_with(WAITS, "random") == []


async def test_what_is_decided_in_a_private_list_is_said_once(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.add_build_request(harness.bitrise.android, 18)
    harness.bitrise.add_build_request(harness.bitrise.android, 19)
    asked = await harness.wait_for_message("pull request #18", person=None)
    await harness.wait_for_message("pull request #19", person=None)
    listed = await harness.ask("/bitrise approvals android", "pull request #18")
    await harness.users.click("anna", listed, "Approve")
    await says(harness, asked, "@anna approved the build of pull request #18")
    await harness.wait_until(lambda: "pull request #18" not in harness.message_text(listed))
    assert "pull request #19" in harness.message_text(listed)
    assert len(harness.messages_with("anna approved")) == 1


async def test_a_decision_elsewhere_ends_the_asking_and_declining_starts_nothing(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.add_build_request(harness.bitrise.android, 13)
    first = await harness.wait_for_message("pull request #13", person=None)
    harness.bitrise.state.requests.clear()
    await says(harness, first, "does not wait any more")
    harness.bitrise.add_build_request(harness.bitrise.android, 14)
    second = await harness.wait_for_message("pull request #14", person=None)
    await harness.users.click("ben", second, "Decline")
    await says(harness, second, "@ben declined the build of pull request #14")
    assert harness.bitrise.state.builds == []


async def test_two_who_decide_at_the_same_time(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    listed_too = harness.bitrise.add_build_request(harness.bitrise.android, 15)
    listed = await harness.ask("/bitrise approvals android", "pull request #15")
    harness.bitrise.state.requests.remove(listed_too)
    await harness.press(listed, "Approve", "somebody else has decided")
    await harness.ask("/bitrise approvals android", "No build of Sample Android waits for approval")


async def test_a_bot_that_may_only_read_asks_but_does_not_decide(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe android", "subscribed", person="ben")
        town.bitrise.add_build_request(town.bitrise.android, 16)
        asked = await town.wait_for_message(WAITS, person=None)
        await town.press(asked, "Approve", "/bitrise connect")
        assert len(town.bitrise.state.requests) == 1


async def test_a_token_without_the_right_is_asked_no_more_for_a_day(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        town.bitrise.fault("GET */build-requests", "status", status=403, times=1000)
        await town.ask("/bitrise subscribe android", "subscribed")
        for _ in range(6):
            await town.wait_for_poll()
        asked = [one for one in town.bitrise.requests if one.path.endswith("/build-requests")]
        assert len(asked) == 1


async def test_private_apps_are_not_asked_and_nothing_is_told_twice_after_a_restart(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        town.bitrise.web.public = False
        await town.ask("/bitrise subscribe web", "subscribed")
        await town.ask("/bitrise subscribe ios", "subscribed")
        town.bitrise.add_build_request(town.bitrise.ios, 17)
        await town.wait_for_message(WAITS, person=None)
        await town.stop_bot()
        await town.start_bot()
        await town.wait_for_poll()
        await town.ask("/bitrise approvals ios", "pull request #17", channel="random")
        assert len(town.messages_with(WAITS)) == 1
        asked = {
            one.path.split("/")[3] for one in town.bitrise.requests if one.path.endswith("/build-requests")
        }
        assert asked == {town.bitrise.ios.slug}
