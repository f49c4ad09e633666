"""Preview, why, the modal that edits, and what concerns one person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.bitrise import Build
from sandbox.slack import Post
from tests.town import Town, open_town


def ended(town: Town, result: Any = "success", *, by: str | None = "webhook", **params: Any) -> Build:
    build = town.bitrise.start_build(town.bitrise.android, by=by, params=params)
    town.bitrise.finish(build, result)
    return build


async def direct(town: Town, text: str, person: str = "anna") -> Post:
    return await town.slack.wait_for_post(f"D0{person.upper()}", text, viewer=person)


async def test_a_preview_replays_the_last_builds_and_subscribes_to_nothing(town: Town) -> None:
    for branch, result in (
        ("main", "success"),
        ("main", "error"),
        ("main", "error"),
        ("develop", "error"),
        ("main", "success"),
    ):
        ended(town, result, branch=branch)
    shown = await town.ask(
        "/bitrise subscribe android branch:main status:broken,fixed preview",
        "2 of the last 5 builds would have been told",
    )
    said = town.words(shown)
    assert "#2 failed" in said
    assert "#5 succeeded" in said
    assert "#3 failed" not in said
    assert "1 since its branch `develop` is not `main`" in said
    assert "1 since the series was failing before, and only broken or fixed is asked for" in said
    await town.ask("/bitrise subscriptions", "told of nothing yet")


async def test_why_names_the_subscription_that_told_and_the_filter_that_did_not(town: Town) -> None:
    early = ended(town, "error")
    await town.ask("/bitrise why android #1", "This channel has no subscription to Sample Android")
    await town.ask("/bitrise subscribe android status:failed", "subscribed")
    await town.ask("/bitrise subscribe android branch:release/*", "subscribed")
    ended(town, "error")
    await town.told("#2 failed", person=None)
    said = town.words(await town.ask("/bitrise why android #2", "every failure in Sample Android"))
    assert "🔔 1. every failure in Sample Android:\n      it told this build here." in said
    assert "it kept silent because its branch `main` is not `release/*`" in said
    said = town.words(await town.ask(f"/bitrise why android #{early.number}", "#1 failed"))
    assert "had ended before this subscription began" in said


async def test_a_subscription_is_edited_in_a_modal_filled_from_the_real_branches(town: Town) -> None:
    ended(town, branch="main")
    ended(town, branch="release/2.1")
    await town.ask("/bitrise subscribe android status:failed branch:main by:@me", "subscribed")
    listed = await town.ask("/bitrise subscriptions", "Edit")
    await town.people.click("anna", listed, "Edit")
    modal = await town.slack.wait_for_modal("anna", "Edit a subscription")
    assert "by:@U0ANNA" in str(modal.view)
    offered = await town.people.options("anna", "pick_branch", "rel", block_id="branches")
    assert [one["value"] for one in offered] == ["release/2.1", "rel"]

    await town.people.submit("anna", {"more": "by:octo nonsense"})
    refused = await town.slack.wait_for_modal("anna", "I don't know what to do with the word")
    assert refused.errors
    await town.people.submit(
        "anna",
        {
            "branches": [{"text": {"type": "plain_text", "text": "main"}, "value": "main"}, offered[0]],
            "results": ["The first failure of a series", "The first success after failures"],
            "more": "-by:bot",
        },
    )
    await town.slack.wait_until_closed("anna")
    changed = await town.told("anna changed a subscription", person=None)
    said = town.words(changed)
    assert "the first failure of a series and the first success after failures in Sample Android" in said
    assert "on branch `main` or `release/2.1`" in said
    assert "except by bots" in said
    assert "Before: every failure" in said


async def test_tell_me_sends_the_end_of_one_build_and_nothing_more(town: Town) -> None:
    running = town.bitrise.start_build(town.bitrise.android, ends_as=None)
    card = await town.ask("/bitrise build android #1", "#1")
    await town.press(card, "Tell me", "I'll send you a direct message when Sample Android #1 ends")
    town.bitrise.finish(running, "error")
    await direct(town, "Sample Android #1 failed")
    ended(town)
    late = await town.ask("/bitrise build android #2", "#2 succeeded")
    assert "Tell me" not in town.words(late)
    assert not town.telling("#1 failed")
    assert len(town.slack.posts("D0ANNA", "anna")) == 1


async def test_the_author_is_mentioned_only_where_their_build_fails_and_they_want_it(town: Town) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    await town.ask("/bitrise me name:Octo", "The builds of `octo` are yours")
    await town.ask("/bitrise me name:octo", "octo is claimed by somebody else", person="ben")
    ended(town, "error", by="webhook-github/octo")
    first = await town.told("#1 failed", person=None)
    await town.ask("/bitrise me mention:on", "I mention you where your build fails")
    ended(town, "success", by="webhook-github/octo")
    ended(town, "error", by="webhook-github/stranger")
    ended(town, "error", by="webhook-github/octo")
    last = await town.told("#4 failed", person=None)
    shown = {number: town.telling(f"#{number} ")[0] for number in (1, 2, 3, 4)}
    assert ["👋 @anna" in town.words(post) for post in shown.values()] == [False, False, False, True]
    assert (shown[1], shown[4]) == (first, last)


async def test_ones_own_builds_ends_come_as_direct_messages_for_those_who_want_them(town: Town) -> None:
    await town.ask("/bitrise subscribe android status:aborted", "subscribed")
    await town.ask("/bitrise me name:octo ends:on", "I send you the end of your own builds")
    ended(town, "success", by="webhook-github/octo")
    ended(town, "success", by="webhook-github/ben")
    ended(town, "error", by="manual-octo")
    await direct(town, "#3 failed")
    assert [("#1" in town.words(one)) for one in town.slack.posts("D0ANNA", "anna")] == [True, False]
    assert not [one for one in town.slack.posts("D0ANNA", "anna") if "#2 " in town.words(one)]
    await town.ask("/bitrise me ends:off", "I do not send you the end")


async def test_mine_lists_what_one_started_at_bitrise_or_from_slack(town: Town) -> None:
    ended(town, by="webhook-github/octo")
    ended(town, by="webhook-github/ben")
    await town.ask("/bitrise mine", "None of the last 2 builds is yours")
    await town.ask("/bitrise me name:octo", "are yours")
    await town.ask("/bitrise trigger android branch:main", "started Sample Android #3")
    said = town.words(await town.ask("/bitrise mine", "Your builds"))
    assert said.index("#3") < said.index("#1")
    assert "#2" not in said
    # What is on already is not offered again.
    assert "/bitrise me ends:on" in said
    await town.ask("/bitrise me ends:on", "I send you the end of your own builds")
    assert "ends:on" not in town.words(await town.ask("/bitrise mine", "Your builds"))


async def test_what_takes_too_long_is_told_once(town: Town) -> None:
    await town.ask("/bitrise subscribe android status:failed on-hold:10m running:30m", "of more than 10m")
    build = town.bitrise.start_build(
        town.bitrise.android, ends_as=None, on_hold=timedelta(hours=9), preparing=timedelta(0)
    )
    town.bitrise.start_build(town.bitrise.ios)
    await town.ask("/bitrise status android", "1 running or waiting")
    assert not town.telling("Sample Android #1")
    build.triggered_at -= timedelta(minutes=11)
    await town.told("has been on hold for long", person=None)
    town.bitrise.run(build)
    build.started_at = build.started_at and build.started_at - timedelta(minutes=31)
    await town.told("has been running for long", person=None)
    said = town.words(await town.ask("/bitrise why android #1", "was running for long"))
    assert "the build has not ended yet" in said
    assert "🔔" in said
    assert len(town.telling("Sample Android #1")) == 2


async def test_an_abort_of_no_interest_is_left_out_by_its_kind(town: Town) -> None:
    await town.ask(
        "/bitrise subscribe android -aborted:no-changes,rolling-builds", "except aborts for the reason"
    )
    for reason in ("no code changes", "wrong branch"):
        town.bitrise.abort(town.bitrise.start_build(town.bitrise.android), reason=reason)
    await town.told("#2 was aborted", person=None)
    assert not town.telling("#1 was aborted")
    said = town.words(await town.ask("/bitrise why android #1", "kept silent"))
    assert "it was aborted for the reason no-changes" in said


async def test_the_lists_of_the_dialog_are_filled_over_http_too(tmp_path: Path) -> None:
    async with open_town(tmp_path, http=True) as town:
        ended(town, branch="release/2.1")
        await town.ask("/bitrise subscribe android", "subscribed")
        listed = await town.ask("/bitrise subscriptions", "Edit")
        await town.people.click("anna", listed, "Edit")
        await town.slack.wait_for_modal("anna", "Edit a subscription")
        offered = await town.people.options("anna", "pick_workflow", "")
        assert [one["value"] for one in offered] == ["primary", "deploy"]
        assert town.slack.violations == []
