"""Preview, why, the subscription form, and notifications of a single user."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness


def finish_build(
    harness: BotHarness, result: Any = "success", *, by: str | None = "webhook", **params: Any
) -> Build:
    build = harness.bitrise.start_build(harness.bitrise.android, by=by, params=params)
    harness.bitrise.finish(build, result)
    return build


async def wait_for_direct_message(harness: BotHarness, text: str, person: str = "anna") -> Post:
    return await harness.slack.wait_for_post(f"D0{person.upper()}", text, viewer=person)


async def wait_until_recorded(harness: BotHarness, notifications: int) -> None:
    """Wait until the bot knows that Slack has taken these notifications, which people may see before."""
    await harness.wait_for_values("SELECT status FROM notifications", *["told"] * notifications)


async def test_a_preview_replays_the_latest_builds_without_subscribing(harness: BotHarness) -> None:
    for branch, result in (
        ("main", "success"),
        ("main", "error"),
        ("main", "error"),
        ("develop", "error"),
        ("main", "success"),
    ):
        finish_build(harness, result, branch=branch)
    shown = await harness.ask(
        "/bitrise subscribe android branch:main status:broken,fixed preview",
        "2 of the last 5 builds match",
    )
    text = harness.message_text(shown)
    assert "#2 failed" in text
    assert "#5 passed" in text
    assert "#3 failed" not in text
    assert "1 skipped: branch is `develop`, not `main`" in text
    assert "1 skipped: repeated failure" in text
    await harness.ask("/bitrise subscriptions", "No subscriptions here yet")


async def test_why_names_the_subscription_that_notified_and_the_filter_that_did_not_match(
    harness: BotHarness,
) -> None:
    early = finish_build(harness, "error")
    await harness.ask("/bitrise why android #1", "No subscription to Sample Android here")
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscribe android branch:release/*", "subscribed")
    finish_build(harness, "error")
    await harness.wait_for_message("#2 failed", person=None)
    await wait_until_recorded(harness, 1)
    text = harness.message_text(await harness.ask("/bitrise why android #2", "Sample Android: all failures"))
    assert "🔔 1. Sample Android: all failures:\n      Posted here." in text
    assert "Not posted: branch is `main`, not `release/*`" in text
    text = harness.message_text(await harness.ask(f"/bitrise why android #{early.number}", "#1 failed"))
    assert "finished before this subscription was added" in text


async def test_a_subscription_is_edited_in_a_modal_that_offers_the_apps_branches(harness: BotHarness) -> None:
    finish_build(harness, branch="main")
    finish_build(harness, branch="release/2.1")
    await harness.ask("/bitrise subscribe android status:failed branch:main by:@me", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "Edit")
    await harness.users.click("anna", listed, "Edit")
    modal = await harness.slack.wait_for_modal("anna", "Edit subscription")
    assert "by:@U0ANNA" in str(modal.view)
    options = await harness.users.options("anna", "pick_branch", "rel", block_id="branches")
    assert [post["value"] for post in options] == ["release/2.1", "rel"]

    await harness.users.submit("anna", {"more": "by:octo nonsense"})
    refused = await harness.slack.wait_for_modal("anna", "Unexpected word")
    assert refused.errors
    await harness.users.submit(
        "anna",
        {
            "branches": [{"text": {"type": "plain_text", "text": "main"}, "value": "main"}, options[0]],
            "results": ["First failures", "Fixes"],
            "more": "-by:bot",
        },
    )
    await harness.slack.wait_until_closed("anna")
    changed = await harness.wait_for_message("anna changed a subscription", person=None)
    text = harness.message_text(changed)
    assert "Sample Android: first failures and fixes" in text
    assert "on branch `main` or `release/2.1`" in text
    assert "except by bots" in text
    assert "Before: Sample Android: all failures" in text


async def test_tell_me_notifies_of_the_end_of_one_build_only(harness: BotHarness) -> None:
    running = harness.bitrise.start_build(harness.bitrise.android, ends_as=None)
    card = await harness.ask("/bitrise build android #1", "#1")
    await harness.press(card, "Notify me", "You'll get a direct message when Sample Android #1 finishes")
    harness.bitrise.finish(running, "error")
    await wait_for_direct_message(harness, "Sample Android #1 failed")
    finish_build(harness)
    late = await harness.ask("/bitrise build android #2", "#2 passed")
    assert "Notify me" not in harness.message_text(late)
    assert not harness.messages_with("#1 failed")
    assert len(harness.slack.posts("D0ANNA", "anna")) == 1


async def test_the_author_is_mentioned_only_if_their_build_fails_and_they_opted_in(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise me name:Octo", "Your builds: by `octo`")
    await harness.ask("/bitrise me name:octo", "Someone else here already has the name `octo`", person="ben")
    finish_build(harness, "error", by="webhook-github/octo")
    first = await harness.wait_for_message("#1 failed", person=None)
    await harness.ask("/bitrise me mention:on", "Mentions when your build fails: on")
    finish_build(harness, "success", by="webhook-github/octo")
    finish_build(harness, "error", by="webhook-github/stranger")
    finish_build(harness, "error", by="webhook-github/octo")
    last = await harness.wait_for_message("#4 failed", person=None)
    shown = {number: harness.messages_with(f"#{number} ")[0] for number in (1, 2, 3, 4)}
    assert ["👋 @anna" in harness.message_text(post) for post in shown.values()] == [
        False,
        False,
        False,
        True,
    ]
    assert (shown[1], shown[4]) == (first, last)


async def test_users_who_opt_in_are_notified_of_their_own_builds(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android status:aborted", "subscribed")
    await harness.ask("/bitrise me name:octo ends:on", "Direct messages when your builds finish: on")
    finish_build(harness, "success", by="webhook-github/octo")
    finish_build(harness, "success", by="webhook-github/ben")
    finish_build(harness, "error", by="manual-octo")
    await wait_for_direct_message(harness, "#3 failed")
    assert [("#1" in harness.message_text(post)) for post in harness.slack.posts("D0ANNA", "anna")] == [
        True,
        False,
    ]
    assert not [post for post in harness.slack.posts("D0ANNA", "anna") if "#2 " in harness.message_text(post)]
    await harness.ask("/bitrise me ends:off", "Direct messages when your builds finish: off")


async def test_mine_lists_builds_that_the_user_started_at_bitrise_or_from_slack(harness: BotHarness) -> None:
    finish_build(harness, by="webhook-github/octo")
    finish_build(harness, by="webhook-github/ben")
    await harness.ask("/bitrise mine", "You have no recent builds")
    await harness.ask("/bitrise me name:octo", "Your builds: by `octo`")
    await harness.ask("/bitrise trigger android branch:main", "started Sample Android #3")
    text = harness.message_text(await harness.ask("/bitrise mine", "Your builds"))
    assert text.index("#3") < text.index("#1")
    assert "#2" not in text
    # A setting that is already on is not offered again.
    assert "/bitrise me ends:on" in text
    await harness.ask("/bitrise me ends:on", "Direct messages when your builds finish: on")
    assert "ends:on" not in harness.message_text(await harness.ask("/bitrise mine", "Your builds"))


async def test_a_build_that_takes_too_long_is_notified_once(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise subscribe android status:failed on-hold:10m running:30m", "on hold longer than 10m"
    )
    build = harness.bitrise.start_build(
        harness.bitrise.android, ends_as=None, on_hold=timedelta(hours=9), preparing=timedelta(0)
    )
    harness.bitrise.start_build(harness.bitrise.ios)
    await harness.ask("/bitrise status android", "1 running or on hold")
    assert not harness.messages_with("Sample Android #1")
    harness.clock.skip(timedelta(minutes=11))
    await harness.wait_for_message("has been on hold for a long time", person=None)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(minutes=31))
    await harness.wait_for_message("has been running for a long time", person=None)
    await wait_until_recorded(harness, 2)
    text = harness.message_text(await harness.ask("/bitrise why android #1", "was running for a long time"))
    assert "Not finished yet" in text
    assert "🔔" in text
    assert len(harness.messages_with("Sample Android #1")) == 2


async def test_aborts_are_filtered_by_their_reason(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android -aborted:no-changes,rolling-builds", "except abort reason")
    for reason in ("no code changes", "wrong branch"):
        harness.bitrise.abort(harness.bitrise.start_build(harness.bitrise.android), reason=reason)
    await harness.wait_for_message("#2 was aborted", person=None)
    assert not harness.messages_with("#1 was aborted")
    text = harness.message_text(await harness.ask("/bitrise why android #1", "Not posted"))
    assert "aborted (no-changes)" in text


async def test_the_lists_of_the_form_work_over_http(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, http=True) as harness:
        finish_build(harness, branch="release/2.1")
        await harness.ask("/bitrise subscribe android", "subscribed")
        listed = await harness.ask("/bitrise subscriptions", "Edit")
        await harness.users.click("anna", listed, "Edit")
        await harness.slack.wait_for_modal("anna", "Edit subscription")
        options = await harness.users.options("anna", "pick_workflow", "")
        assert [post["value"] for post in options] == ["primary", "deploy"]
        assert harness.slack.violations == []
