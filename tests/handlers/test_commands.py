"""Commands, buttons, mentions and direct messages, through the real Bolt app over real sockets."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.bot_harness import BotHarness, bot_harness


async def test_status_shows_running_builds_and_the_last_result_of_each_branch(harness: BotHarness) -> None:
    old = harness.bitrise.start_build(harness.bitrise.android, params={"branch": "develop"})
    harness.bitrise.finish(old, "error")
    running = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(running)

    text = harness.message_text(await harness.ask("/bitrise status android", "1 running"))

    assert "Sample Android #2 is running" in text
    assert "Sample Android #1 failed" in text
    assert "develop" in text


async def test_a_running_build_shows_its_progress_by_similar_builds(harness: BotHarness) -> None:
    now = harness.clock()
    for hours in (3, 2):
        done = harness.bitrise.start_build(harness.bitrise.android, at=now - timedelta(hours=hours))
        done.started_at = done.prepared_at = done.triggered_at
        done.finish("success", done.triggered_at + timedelta(minutes=8))
    running = harness.bitrise.start_build(harness.bitrise.android, at=now - timedelta(minutes=3, seconds=5))
    running.started_at = running.prepared_at = running.triggered_at

    card = harness.message_text(await harness.ask("/bitrise build android #3", "running for 3m"))
    assert "▰▰▰▱" in card
    await harness.ask("/bitrise status android", "running for 3m")

    # The same for a polled app in a live message, from the recorded builds without calling Bitrise.
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    more = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(more)
    text = harness.message_text(
        await harness.wait_for_message("Sample Android #4 is running · since", person=None)
    )
    assert re.search(r"running for \d+s, usually takes 8m, as of", text)


async def test_an_app_is_found_by_slug_title_repository_or_prefix(
    harness: BotHarness,
) -> None:
    android = harness.bitrise.android
    for name in (
        android.slug,
        '"sample android"',
        "SAMPLE-ANDROID",
        "bitrise-samples/sample-android",
        "andr",
    ):
        post = await harness.ask(f"/bitrise status {name}", "Sample Android")
        assert "nothing is running" in harness.message_text(post)


async def test_an_unknown_app_gets_suggestions(harness: BotHarness) -> None:
    post = await harness.ask('/bitrise status "Sampel Andriod"', "No app named `Sampel Andriod`")
    assert "Sample Android" in harness.message_text(post)


async def test_a_channels_default_app_is_used_without_a_name(harness: BotHarness) -> None:
    post = await harness.ask("/bitrise status", "Which app?")
    assert post.only_for == "U0ANNA"
    chosen = await harness.ask("/bitrise use ios", "set this channel's app to Sample iOS")
    assert chosen.only_for is None
    await harness.ask("/bitrise status", "Sample iOS: nothing is running")
    await harness.ask("/bitrise status", "Which app?", channel="random")


async def test_builds_are_listed_with_filters_and_a_next_page(harness: BotHarness) -> None:
    for number in range(25):
        branch = "main" if number % 2 else "develop"
        build = harness.bitrise.start_build(harness.bitrise.android, params={"branch": branch})
        harness.bitrise.finish(build, "error" if number % 5 == 0 else "success")

    first = await harness.ask("/bitrise builds android branch:main", "on branch main")
    text = harness.message_text(first)
    assert text.count("[View details]") == 10
    assert "#24 " in text
    assert "#23 " not in text
    second = await harness.press(first, "Show older builds", "on branch main")
    assert "#4 " in harness.message_text(second)
    assert "[Show older builds]" not in harness.message_text(second)
    failed = harness.message_text(await harness.ask("/bitrise builds android status:failed", "failed builds"))
    assert failed.count("failed ·") == 5


async def test_a_build_is_found_by_number_slug_or_link(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    await harness.ask("/bitrise build android #1", "Sample Android #1")
    await harness.ask(f"/bitrise build android {build.slug}", "Sample Android #1")
    await harness.ask(f"/bitrise build <https://app.bitrise.io/build/{build.slug}>", "Sample Android #1")
    await harness.ask(
        f"/bitrise build https://app.bitrise.io/app/{build.app.slug}/build/{build.slug}?tab=log",
        "Sample Android #1",
    )
    await harness.ask("/bitrise build android #77", "Sample Android has no build #77")


async def test_a_log_is_shown_to_the_requester_only_without_colours_and_with_its_link(
    harness: BotHarness,
) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.clock.skip(timedelta(minutes=10))
    assert build.result is None  # not requested yet

    post = await harness.ask("/bitrise log android #1", "118 tests completed, 1 failed")

    assert post.only_for == "U0ANNA"
    assert "\x1b" not in harness.message_text(post)
    assert "Downloading 10%" not in harness.message_text(post)
    assert "[Open full log]" in harness.message_text(post)
    assert harness.bitrise.file_store.refused == []


async def test_a_build_on_hold_has_no_log_yet(harness: BotHarness) -> None:
    harness.bitrise.start_build(harness.bitrise.android)
    await harness.ask("/bitrise log android #1", "No log yet")


async def test_artifacts_show_sizes_and_their_links_are_fetched_on_click(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    post = await harness.ask("/bitrise artifacts android #1", "2 artifacts from")
    assert "android-apk · " in harness.message_text(post)
    assert not [request for request in harness.bitrise.requests if request.path.count("/artifacts/")]

    reply = await harness.press(post, "Get link", "expires in 10 minutes")

    assert reply.only_for == "U0ANNA"
    assert "[Install page]" in harness.message_text(reply)


async def test_a_build_without_artifacts_says_so(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.ask("/bitrise artifacts android #1", "no artifacts.")


async def test_a_card_refreshes_in_its_place(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    card = await harness.ask("/bitrise build android #1", "is running")
    assert "[Abort…]" in harness.message_text(card)
    harness.bitrise.finish(build)

    await harness.users.click("anna", card, "Refresh")

    await harness.wait_for_message("Sample Android #1 passed")
    assert "[Rebuild]" in harness.message_text(card)
    assert "[Abort…]" not in harness.message_text(card)


async def test_apps_whoami_help_and_subscriptions_answer(harness: BotHarness) -> None:
    await harness.ask("/bitrise apps", "3 apps")
    await harness.ask("/bitrise whoami", "own token (api-demo)")
    await harness.ask("/bitrise help", "/bitrise subscribe [APP] [FILTERS]")
    await harness.ask("/bitrise", "Commands")
    await harness.ask("/bitrise help log", "only visible to you")
    await harness.ask("/bitrise subscriptions", "No subscriptions here yet")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/bitrise stauts", "Unknown command `stauts`. Did you mean `status`"),
        ("/bitrise builds android brnch:main", "Did you mean `branch:`?"),
        ("/bitrise builds android status:purple", "purple"),
        ("/bitrise log android", "`android` isn't a build"),
        ("/bitrise log", "Which build?"),
        ('/bitrise use "sample', "isn't closed"),
    ],
)
async def test_an_invalid_word_is_named_with_a_valid_example(
    harness: BotHarness, command: str, answer: str
) -> None:
    post = await harness.ask(command, answer)
    assert "For example: `/bitrise" in harness.message_text(post)
    assert post.only_for == "U0ANNA"


async def test_a_mention_is_answered_in_its_thread(harness: BotHarness) -> None:
    harness.users.invite("builds")
    question = harness.users.say("ben", "builds", "@buildbell status “sample android”")
    answer = await harness.wait_for_message("nothing is running")
    assert answer.thread_ts == question.ts


async def test_a_direct_message_takes_the_same_commands(harness: BotHarness) -> None:
    harness.users.say("anna", "D0ANNA", "status sample-android")
    await harness.wait_for_message("nothing is running", channel="D0ANNA")
    harness.users.say("anna", "D0ANNA", "/bitrise log android #3")
    await harness.wait_for_message("has no build #3", channel="D0ANNA")


async def test_an_event_that_comes_twice_is_answered_once(harness: BotHarness) -> None:
    harness.users.invite("builds")
    from sandbox.slack import payloads

    inner = {
        "type": "app_mention",
        "user": "U0ANNA",
        "ts": "1.1",
        "text": "<@U0BUILDBELL> subscriptions",
        "channel": "C0BUILDS",
    }
    event = payloads.event_envelope(inner)
    harness.slack.workspace.find_channel("builds").posts.append(harness.users.say("anna", "builds", "hello"))
    harness.slack.workspace.find_channel("builds").posts[-1].ts = "1.1"
    for _ in range(3):
        harness.slack.delivery.event(event)
    await harness.wait_for_message("No subscriptions here yet")
    await harness.ask("/bitrise help", "Commands")
    assert len(harness.messages_with("No subscriptions here yet")) == 1


async def test_an_outage_of_bitrise_is_explained(harness: BotHarness) -> None:
    await harness.ask("/bitrise use android", "Sample Android")
    harness.bitrise.fault("GET /v0.1/apps/*/builds", "status", times=9, status=503)
    await harness.ask("/bitrise status", "Bitrise can't be reached right now")


async def test_a_tester_token_may_not_read_logs(tmp_path: Path) -> None:
    from sandbox.bitrise.members import TESTER_TOKEN

    async with bot_harness(tmp_path, bitrise_token=TESTER_TOKEN) as harness:
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
        harness.clock.skip(timedelta(minutes=1))
        await harness.ask("/bitrise log android #1", "Bitrise token isn't allowed to do this")


async def test_the_same_handlers_answer_signed_http_requests(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, http=True) as harness:
        card = await harness.ask("/bitrise help", "Commands")
        assert card.only_for == "U0ANNA"
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        card = await harness.ask("/bitrise build android #1", "is running")
        await harness.users.click("anna", card, "Abort…")
        await harness.slack.wait_for_modal("anna", "at once and posts your name")
        await harness.users.submit("anna", {"reason": "over HTTP"})
        await harness.wait_for_message("aborted Sample Android #1: over HTTP")
        harness.users.say("anna", "D0ANNA", "whoami")
        await harness.wait_for_message("api-demo", channel="D0ANNA")
        assert harness.slack.violations == []


async def test_a_request_with_a_wrong_or_old_signature_is_refused(tmp_path: Path) -> None:
    import time

    import aiohttp

    async with bot_harness(tmp_path, http=True) as harness, aiohttp.ClientSession() as session:
        body = "command=%2Fbitrise&text=help&user_id=U0ANNA&channel_id=C0BUILDS"
        url = f"http://127.0.0.1:{harness.bot.port}/slack/events"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        old = harness.slack.delivery.sign(body, at=int(time.time()) - 600)
        wrong = harness.slack.delivery.sign(body + "&more=1")
        for headers in (kind, kind | old, kind | wrong):
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == 401
        assert harness.last() is None
