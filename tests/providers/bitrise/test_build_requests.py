"""Builds of strangers' pull requests, which wait for approval."""

from __future__ import annotations

from pathlib import Path

from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness

WAITS = "Approval needed to build"


async def wait_for_text(harness: BotHarness, post: Post, text: str) -> None:
    await harness.slack.workspace.wait_for(
        lambda: True if text in harness.message_text(post) else None,
        30,
        f"{text!r} in\n{harness.message_text(post)}",
    )


async def test_the_channel_is_notified_once_and_a_user_approves(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscribe android branch:release/*", "subscribed", channel="random")
    request = harness.bitrise.add_build_request(harness.bitrise.android, 12)
    card = await harness.wait_for_message(f"{WAITS} pull request #12 in Sample Android", person=None)
    text = harness.message_text(card)
    assert "`patch-1` into `main` · by stranger" in text
    assert "Mend a typo" in text
    await harness.users.click("anna", card, "Approve")
    await wait_for_text(harness, card, "@anna approved the build of pull request #12")
    assert "[Approve]" not in harness.message_text(card)
    assert request not in harness.bitrise.state.requests
    assert harness.bitrise.state.builds[0].params["pull_request_id"] == 12
    await harness.wait_for_poll()
    assert len(harness.messages_with(WAITS)) == 0
    assert harness.messages_with(WAITS, "random") == []


async def test_a_decision_in_a_private_list_is_announced_once(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.add_build_request(harness.bitrise.android, 18)
    harness.bitrise.add_build_request(harness.bitrise.android, 19)
    card = await harness.wait_for_message("pull request #18", person=None)
    await harness.wait_for_message("pull request #19", person=None)
    listed = await harness.ask("/bitrise approvals android", "pull request #18")
    await harness.users.click("anna", listed, "Approve")
    await wait_for_text(harness, card, "@anna approved the build of pull request #18")
    await harness.wait_until(lambda: "pull request #18" not in harness.message_text(listed))
    assert "pull request #19" in harness.message_text(listed)
    assert len(harness.messages_with("anna approved")) == 1


async def test_a_request_decided_elsewhere_is_closed_and_declining_starts_nothing(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.add_build_request(harness.bitrise.android, 13)
    first = await harness.wait_for_message("pull request #13", person=None)
    harness.bitrise.state.requests.clear()
    await wait_for_text(harness, first, "no longer needs approval")
    harness.bitrise.add_build_request(harness.bitrise.android, 14)
    second = await harness.wait_for_message("pull request #14", person=None)
    await harness.users.click("ben", second, "Decline")
    await wait_for_text(harness, second, "@ben declined the build of pull request #14")
    assert harness.bitrise.state.builds == []


async def test_a_request_that_was_decided_meanwhile_cannot_be_approved(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    request = harness.bitrise.add_build_request(harness.bitrise.android, 15)
    listed = await harness.ask("/bitrise approvals android", "pull request #15")
    harness.bitrise.state.requests.remove(request)
    await harness.press(listed, "Approve", "someone else decided")
    await harness.ask("/bitrise approvals android", "No builds of Sample Android need approval")


async def test_a_read_only_bot_shows_requests_but_does_not_decide(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise subscribe android", "subscribed", person="ben")
        harness.bitrise.add_build_request(harness.bitrise.android, 16)
        card = await harness.wait_for_message(WAITS, person=None)
        await harness.press(card, "Approve", "/bitrise connect")
        assert len(harness.bitrise.state.requests) == 1


async def test_an_app_whose_requests_the_token_may_not_read_is_not_polled_again_for_a_day(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path) as harness:
        harness.bitrise.fault("GET */build-requests", "status", status=403, times=1000)
        await harness.ask("/bitrise subscribe android", "subscribed")
        for _ in range(6):
            await harness.wait_for_poll()
        polls = [request for request in harness.bitrise.requests if request.path.endswith("/build-requests")]
        assert len(polls) == 1


async def test_private_apps_are_not_polled_and_no_notification_is_repeated_after_a_restart(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path) as harness:
        harness.bitrise.web.public = False
        await harness.ask("/bitrise subscribe web", "subscribed")
        await harness.ask("/bitrise subscribe ios", "subscribed")
        harness.bitrise.add_build_request(harness.bitrise.ios, 17)
        await harness.wait_for_message(WAITS, person=None)
        await harness.stop_bot()
        await harness.start_bot()
        await harness.wait_for_poll()
        await harness.ask("/bitrise approvals ios", "pull request #17", channel="random")
        assert len(harness.messages_with(WAITS)) == 1
        polled_apps = {
            request.path.split("/")[3]
            for request in harness.bitrise.requests
            if request.path.endswith("/build-requests")
        }
        assert polled_apps == {harness.bitrise.ios.slug}
