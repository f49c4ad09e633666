"""Shortcuts, and replies in modals instead of messages."""

from __future__ import annotations

import pytest

from domain.commands.arguments import BuildRef
from providers.bitrise.shortcuts import mentioned_builds
from tests.support.bot_harness import BotHarness


async def test_a_build_is_found_by_its_number_in_the_selected_app(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.ios)
    harness.bitrise.finish(build, "error")
    await harness.users.shortcut("anna", "find_build")
    await harness.slack.wait_for_modal("anna", "Number, link or filters")
    app = (await harness.users.options("anna", "pick_app", "ios"))[0]
    await harness.users.submit("anna", {"app": app, "words": "#1"})
    opened = await harness.slack.wait_for_modal("anna", "Sample iOS #1 failed")
    assert len(harness.slack.workspace.views["U0ANNA"]) == 2
    assert "[Rebuild]" in harness.slack.modal_text(opened)


async def test_builds_are_found_by_filters_and_open_in_stacked_modals(harness: BotHarness) -> None:
    for result in ("success", "error", "error"):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), result)
    await harness.users.shortcut("anna", "find_build")
    await harness.slack.wait_for_modal("anna", "Find a build")
    app = (await harness.users.options("anna", "pick_app", "andr"))[0]
    await harness.users.submit("anna", {"app": app, "words": "status:failed"})
    opened = await harness.slack.wait_for_modal("anna", "failed builds, newest first")
    assert "#1" not in harness.slack.modal_text(opened)
    await harness.users.set_value("anna", "View details")
    await harness.slack.wait_for_modal("anna", "[View artifacts]")
    # The log replaces the third modal: Slack allows no more than three in a stack.
    await harness.users.set_value("anna", "View log")
    await harness.slack.wait_for_modal("anna", "Log of")
    assert len(harness.slack.workspace.views["U0ANNA"]) == 3


@pytest.mark.parametrize(
    ("words", "field", "problem"),
    [
        ("#1", "app", "Which app?"),
        ("stauts:failed", "words", "Did you mean status"),
        ("mine", "words", "filters"),
    ],
)
async def test_an_invalid_search_is_explained_at_its_field(
    harness: BotHarness, words: str, field: str, problem: str
) -> None:
    await harness.users.shortcut("anna", "find_build")
    await harness.slack.wait_for_modal("anna", "Find a build")
    await harness.users.submit("anna", {"words": words})
    opened = await harness.slack.wait_for_modal("anna", problem)
    assert list(opened.errors) == [field]
    assert opened.entered["words"] == words


async def test_a_slow_reply_shows_that_it_is_in_progress(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    post = harness.users.say(
        "ben", "builds", f"see https://app.bitrise.io/build/{harness.bitrise.state.builds[0].slug}"
    )
    harness.bitrise.fault("GET */builds/*", "slow", seconds=2)
    await harness.users.shortcut("anna", "about_build", post)
    await harness.slack.wait_for_modal("anna", "One moment")
    await harness.slack.wait_for_modal("anna", "Sample Android #1 failed")


async def test_the_builds_of_a_message_are_found_by_number_or_link(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    await harness.ask("/bitrise use android", "set this channel's app to")
    for words in (
        "look at #1 please",
        f"https://app.bitrise.io/app/{build.app.slug}/build/{build.slug}?tab=log",
    ):
        await harness.users.shortcut("anna", "about_build", harness.users.say("ben", "builds", words))
        await harness.slack.wait_for_modal("anna", "Sample Android #1 is running")
        await harness.users.close_modal("anna")
    await harness.users.shortcut("anna", "about_build", harness.users.say("ben", "builds", "lunch?"))
    await harness.slack.wait_for_modal("anna", "no link to a Bitrise build")


async def test_an_abort_from_a_modal_is_announced_in_the_channel_and_shown_in_the_modal(
    harness: BotHarness,
) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    await harness.ask("/bitrise use android", "set this channel's app to")
    await harness.users.shortcut("anna", "about_build", harness.users.say("ben", "builds", "#1"))
    await harness.slack.wait_for_modal("anna", "is running")
    await harness.users.set_value("anna", "Abort…")
    await harness.slack.wait_for_modal("anna", "at once and posts your name")
    await harness.users.submit("anna", {"reason": "not needed"})
    announcement = await harness.wait_for_message("anna aborted Sample Android #1: not needed")
    assert announcement.only_for is None
    await harness.slack.wait_for_modal("anna", "was aborted")


async def test_a_global_shortcut_starts_a_build_and_notifies_the_user_only(harness: BotHarness) -> None:
    await harness.users.shortcut("anna", "start_build")
    await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
    app = (await harness.users.options("anna", "pick_app", "andr"))[0]
    await harness.users.set_value("anna", "pick_app", app)
    await harness.slack.wait_for_modal("anna", "Sample Android")
    await harness.users.submit("anna", {"tag": "v1"})
    await harness.wait_for_message("anna started Sample Android #1", channel="D0ANNA")


LINK = "https://app.bitrise.io/build/aaaabbbbccccdddd"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"text": f"<{LINK}|Sample #12> broke, see #13"}, [BuildRef(slug="aaaabbbbccccdddd")]),
        ({"text": "#12 and #12, not pull request #3, a/#4 or &#5;"}, [BuildRef(number=12)]),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "`#7`"}}]},
            [BuildRef(number=7)],
        ),
        ({"text": "", "attachments": [{"from_url": LINK}]}, [BuildRef(slug="aaaabbbbccccdddd")]),
        ({"text": " ".join(f"#{n}" for n in range(1, 9))}, [BuildRef(number=n) for n in range(1, 6)]),
        ({"text": "https://example.com/build/aaaabbbbccccdddd lunch"}, []),
    ],
)
def test_the_builds_that_a_message_mentions(message: dict[str, object], found: list[BuildRef]) -> None:
    assert mentioned_builds(message) == found
