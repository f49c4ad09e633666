"""Preview, why, the modal that edits, and what concerns one person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness


def ended(
    harness: BotHarness, result: Any = "success", *, by: str | None = "webhook", **params: Any
) -> Build:
    build = harness.bitrise.start_build(harness.bitrise.android, by=by, params=params)
    harness.bitrise.finish(build, result)
    return build


async def direct(harness: BotHarness, text: str, person: str = "anna") -> Post:
    return await harness.slack.wait_for_post(f"D0{person.upper()}", text, viewer=person)


async def test_a_preview_replays_the_last_builds_and_subscribes_to_nothing(harness: BotHarness) -> None:
    for branch, result in (
        ("main", "success"),
        ("main", "error"),
        ("main", "error"),
        ("develop", "error"),
        ("main", "success"),
    ):
        ended(harness, result, branch=branch)
    shown = await harness.ask(
        "/bitrise subscribe android branch:main status:broken,fixed preview",
        "2 of the last 5 builds would have been told",
    )
    said = harness.message_text(shown)
    assert "#2 failed" in said
    assert "#5 succeeded" in said
    assert "#3 failed" not in said
    assert "1 since its branch `develop` is not `main`" in said
    assert "1 since the series was failing before, and only broken or fixed is asked for" in said
    await harness.ask("/bitrise subscriptions", "told of nothing yet")


async def test_why_names_the_subscription_that_told_and_the_filter_that_did_not(harness: BotHarness) -> None:
    early = ended(harness, "error")
    await harness.ask("/bitrise why android #1", "This channel has no subscription to Sample Android")
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscribe android branch:release/*", "subscribed")
    ended(harness, "error")
    await harness.wait_for_message("#2 failed", person=None)
    said = harness.message_text(
        await harness.ask("/bitrise why android #2", "every failure in Sample Android")
    )
    assert "🔔 1. every failure in Sample Android:\n      it told this build here." in said
    assert "it kept silent because its branch `main` is not `release/*`" in said
    said = harness.message_text(await harness.ask(f"/bitrise why android #{early.number}", "#1 failed"))
    assert "had ended before this subscription began" in said


async def test_a_subscription_is_edited_in_a_modal_filled_from_the_real_branches(harness: BotHarness) -> None:
    ended(harness, branch="main")
    ended(harness, branch="release/2.1")
    await harness.ask("/bitrise subscribe android status:failed branch:main by:@me", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "Edit")
    await harness.users.click("anna", listed, "Edit")
    modal = await harness.slack.wait_for_modal("anna", "Edit a subscription")
    assert "by:@U0ANNA" in str(modal.view)
    offered = await harness.users.options("anna", "pick_branch", "rel", block_id="branches")
    assert [one["value"] for one in offered] == ["release/2.1", "rel"]

    await harness.users.submit("anna", {"more": "by:octo nonsense"})
    refused = await harness.slack.wait_for_modal("anna", "I don't know what to do with the word")
    assert refused.errors
    await harness.users.submit(
        "anna",
        {
            "branches": [{"text": {"type": "plain_text", "text": "main"}, "value": "main"}, offered[0]],
            "results": ["The first failure of a series", "The first success after failures"],
            "more": "-by:bot",
        },
    )
    await harness.slack.wait_until_closed("anna")
    changed = await harness.wait_for_message("anna changed a subscription", person=None)
    said = harness.message_text(changed)
    assert "the first failure of a series and the first success after failures in Sample Android" in said
    assert "on branch `main` or `release/2.1`" in said
    assert "except by bots" in said
    assert "Before: every failure" in said


async def test_tell_me_sends_the_end_of_one_build_and_nothing_more(harness: BotHarness) -> None:
    running = harness.bitrise.start_build(harness.bitrise.android, ends_as=None)
    card = await harness.ask("/bitrise build android #1", "#1")
    await harness.press(card, "Tell me", "I'll send you a direct message when Sample Android #1 ends")
    harness.bitrise.finish(running, "error")
    await direct(harness, "Sample Android #1 failed")
    ended(harness)
    late = await harness.ask("/bitrise build android #2", "#2 succeeded")
    assert "Tell me" not in harness.message_text(late)
    assert not harness.messages_with("#1 failed")
    assert len(harness.slack.posts("D0ANNA", "anna")) == 1


async def test_the_author_is_mentioned_only_where_their_build_fails_and_they_want_it(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise me name:Octo", "The builds of `octo` are yours")
    await harness.ask("/bitrise me name:octo", "octo is claimed by somebody else", person="ben")
    ended(harness, "error", by="webhook-github/octo")
    first = await harness.wait_for_message("#1 failed", person=None)
    await harness.ask("/bitrise me mention:on", "I mention you where your build fails")
    ended(harness, "success", by="webhook-github/octo")
    ended(harness, "error", by="webhook-github/stranger")
    ended(harness, "error", by="webhook-github/octo")
    last = await harness.wait_for_message("#4 failed", person=None)
    shown = {number: harness.messages_with(f"#{number} ")[0] for number in (1, 2, 3, 4)}
    assert ["👋 @anna" in harness.message_text(post) for post in shown.values()] == [
        False,
        False,
        False,
        True,
    ]
    assert (shown[1], shown[4]) == (first, last)


async def test_ones_own_builds_ends_come_as_direct_messages_for_those_who_want_them(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android status:aborted", "subscribed")
    await harness.ask("/bitrise me name:octo ends:on", "I send you the end of your own builds")
    ended(harness, "success", by="webhook-github/octo")
    ended(harness, "success", by="webhook-github/ben")
    ended(harness, "error", by="manual-octo")
    await direct(harness, "#3 failed")
    assert [("#1" in harness.message_text(one)) for one in harness.slack.posts("D0ANNA", "anna")] == [
        True,
        False,
    ]
    assert not [one for one in harness.slack.posts("D0ANNA", "anna") if "#2 " in harness.message_text(one)]
    await harness.ask("/bitrise me ends:off", "I do not send you the end")


async def test_mine_lists_what_one_started_at_bitrise_or_from_slack(harness: BotHarness) -> None:
    ended(harness, by="webhook-github/octo")
    ended(harness, by="webhook-github/ben")
    await harness.ask("/bitrise mine", "None of the last 2 builds is yours")
    await harness.ask("/bitrise me name:octo", "are yours")
    await harness.ask("/bitrise trigger android branch:main", "started Sample Android #3")
    said = harness.message_text(await harness.ask("/bitrise mine", "Your builds"))
    assert said.index("#3") < said.index("#1")
    assert "#2" not in said


async def test_what_takes_too_long_is_told_once(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android status:failed on-hold:10m running:30m", "of more than 10m")
    build = harness.bitrise.start_build(
        harness.bitrise.android, ends_as=None, on_hold=timedelta(hours=9), preparing=timedelta(0)
    )
    harness.bitrise.start_build(harness.bitrise.ios)
    await harness.ask("/bitrise status android", "1 running or waiting")
    assert not harness.messages_with("Sample Android #1")
    build.triggered_at -= timedelta(minutes=11)
    await harness.wait_for_message("has been on hold for long", person=None)
    harness.bitrise.start_running(build)
    build.started_at = build.started_at and build.started_at - timedelta(minutes=31)
    await harness.wait_for_message("has been running for long", person=None)
    said = harness.message_text(await harness.ask("/bitrise why android #1", "was running for long"))
    assert "the build has not ended yet" in said
    assert "🔔" in said
    assert len(harness.messages_with("Sample Android #1")) == 2


async def test_an_abort_of_no_interest_is_left_out_by_its_kind(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise subscribe android -aborted:no-changes,rolling-builds", "except aborts for the reason"
    )
    for reason in ("no code changes", "wrong branch"):
        harness.bitrise.abort(harness.bitrise.start_build(harness.bitrise.android), reason=reason)
    await harness.wait_for_message("#2 was aborted", person=None)
    assert not harness.messages_with("#1 was aborted")
    said = harness.message_text(await harness.ask("/bitrise why android #1", "kept silent"))
    assert "it was aborted for the reason no-changes" in said


async def test_the_lists_of_the_dialog_are_filled_over_http_too(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, http=True) as town:
        ended(town, branch="release/2.1")
        await town.ask("/bitrise subscribe android", "subscribed")
        listed = await town.ask("/bitrise subscriptions", "Edit")
        await town.users.click("anna", listed, "Edit")
        await town.slack.wait_for_modal("anna", "Edit a subscription")
        offered = await town.users.options("anna", "pick_workflow", "")
        assert [one["value"] for one in offered] == ["primary", "deploy"]
        assert town.slack.violations == []
