"""Abort, start and rebuild builds in Slack."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.build_author import slack_user
from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness


@pytest.fixture
def build(harness: BotHarness) -> Build:
    started = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(started)
    return started


async def open_abort_form(harness: BotHarness, *, person: str = "anna") -> Post:
    card = await harness.ask("/bitrise build android #1", "is running", person=person)
    await harness.users.click(person, card, "Abort…")
    await harness.slack.wait_for_modal(person, "Sample Android #1 at once and posts your name")
    return card


NO_OPTIONS = {"abort_with_success": False, "skip_notifications": False, "skip_git_status_report": False}


def abort_requests(harness: BotHarness) -> list[object]:
    return [request.body for request in harness.bitrise.requests if request.path.endswith("/abort")]


async def test_the_abort_command_notifies_the_channel_who_and_why(harness: BotHarness, build: Build) -> None:
    post = await harness.ask(
        "/bitrise abort android #1 wrong branch, sorry", "anna aborted Sample Android #1"
    )
    assert "wrong branch, sorry" in harness.message_text(post)
    assert post.only_for is None
    assert abort_requests(harness) == [{"abort_reason": "wrong branch, sorry (anna via Slack)", **NO_OPTIONS}]


async def test_the_abort_form_aborts_with_its_options_and_updates_the_message(
    harness: BotHarness, build: Build
) -> None:
    card = await open_abort_form(harness)

    await harness.users.submit(
        "anna",
        {
            "suggestion": "Took too long",
            "reason": "no output for an hour",
            "options": ["Count as success", "No notifications from Bitrise", "No Git status"],
        },
    )

    await harness.slack.wait_until_closed("anna")
    notice = await harness.wait_for_message(
        "anna aborted Sample Android #1: Took too long: no output for an hour"
    )
    assert notice.only_for is None
    for option in ("counted as success", "no notifications", "no Git status"):
        assert option in harness.message_text(notice)
    assert abort_requests(harness) == [
        {
            "abort_reason": "Took too long: no output for an hour (anna via Slack)",
            "abort_with_success": True,
            "skip_notifications": True,
            "skip_git_status_report": True,
        }
    ]
    await harness.wait_for_message("was aborted (counted as success)")
    assert "[Rebuild]" in harness.message_text(card)


async def test_aborting_an_ended_build_shows_bitrises_error_at_the_field_and_keeps_the_input(
    harness: BotHarness, build: Build
) -> None:
    await open_abort_form(harness)
    harness.bitrise.finish(build)

    await harness.users.submit("anna", {"reason": "too late"})

    opened = await harness.slack.wait_for_modal("anna", "Build already finished, can't abort it.")
    assert list(opened.errors) == ["reason"]
    assert opened.entered == {"reason": "too late"}
    assert not harness.messages_with("aborted Sample Android")


async def test_a_slow_abort_shows_progress_and_then_the_result(harness: BotHarness, build: Build) -> None:
    await open_abort_form(harness)
    harness.bitrise.fault("POST */abort", "slow", seconds=2.5)

    response = await harness.users.submit("anna", {"reason": "slow day"})

    assert response is not None
    assert response.seconds < 3
    await harness.slack.wait_for_modal("anna", "Aborting")
    await harness.slack.wait_for_modal("anna", "was aborted. The channel was notified")
    await harness.wait_for_message("anna aborted Sample Android #1: slow day")


async def test_the_form_keeps_its_input_when_a_slow_abort_fails(harness: BotHarness, build: Build) -> None:
    await open_abort_form(harness)
    harness.bitrise.fault("GET */builds/*", "slow", seconds=2)
    harness.bitrise.fault("POST */abort", "status", status=500)

    await harness.users.submit("anna", {"reason": "keep me", "options": ["No Git status"]})

    opened = await harness.slack.wait_for_modal("anna", "can't be reached right now")
    assert "keep me" in harness.slack.modal_text(opened)
    options = next(block for block in opened.view["blocks"] if block.get("block_id") == "options")
    assert [option["value"] for option in options["element"]["initial_options"]] == ["skip_git_status_report"]
    await harness.users.submit("anna")
    await harness.wait_for_message("anna aborted Sample Android #1: keep me")


async def test_an_abort_whose_response_was_lost_is_recognised_as_done(
    harness: BotHarness, build: Build
) -> None:
    harness.bitrise.fault("POST */abort", "answer_lost")
    await harness.ask("/bitrise abort android #1 gone", "anna aborted Sample Android #1: gone")
    assert len(abort_requests(harness)) == 1


async def test_a_token_without_the_right_gets_an_explanation(tmp_path: Path) -> None:
    from sandbox.bitrise.members import TESTER_TOKEN

    async with bot_harness(tmp_path, bitrise_token=TESTER_TOKEN) as harness:
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        await open_abort_form(harness)
        await harness.users.submit("anna", {"reason": "x"})
        await harness.slack.wait_for_modal("anna", "Bitrise token isn't allowed to do this")
        assert build.result is None


async def test_a_read_only_bot_asks_the_user_to_connect(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        build = harness.bitrise.start_build(harness.bitrise.android)
        await harness.ask("/bitrise abort android #1", "/bitrise connect")
        await harness.ask("/bitrise trigger android branch:main", "/bitrise connect")
        await harness.ask("/bitrise whoami", "You only see apps that this channel is subscribed to")
        assert build.result is None
        assert len(harness.bitrise.state.builds) == 1


# The variable that records who started a build: Bitrise knows only the token's owner.
STARTED_BY_ANNA = {
    "key": "BUILDBELL_STARTED_BY",
    "value": slack_user("U0ANNA", "T0SANDBOX"),
    "is_expand": False,
}


async def test_trigger_starts_a_build_with_all_typed_arguments(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise trigger android branch:develop workflow:deploy message:“try this” env:DRY_RUN=1 env:NAME=a,b",
        "anna started Sample Android #1",
    )
    [build] = harness.bitrise.state.builds
    assert build.params == {
        "branch": "develop",
        "workflow_id": "deploy",
        "commit_message": "try this",
        "environments": [
            {"key": "DRY_RUN", "value": "1", "is_expand": False},
            {"key": "NAME", "value": "a,b", "is_expand": False},
            STARTED_BY_ANNA,
        ],
    }


async def test_bitrises_error_is_shown_if_it_does_not_start_a_build(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise trigger android workflow:nope", "Workflow (nope) did not found in the bitrise config"
    )


async def test_a_trigger_whose_response_was_lost_is_not_sent_twice(harness: BotHarness) -> None:
    harness.bitrise.fault("POST */builds", "answer_lost")
    post = await harness.ask("/bitrise trigger android branch:main", "started Sample Android #1")
    assert "Bitrise's response was lost, but the build was found" in harness.message_text(post)
    assert len(harness.bitrise.state.builds) == 1


async def test_a_trigger_that_never_arrived_is_reported_as_uncertain(harness: BotHarness) -> None:
    harness.bitrise.fault("POST */builds", "dropped")
    await harness.ask("/bitrise trigger android branch:main", "may or may not have happened")
    assert not harness.bitrise.state.builds


async def test_rebuild_starts_with_the_same_parameters(harness: BotHarness) -> None:
    first = harness.bitrise.start_build(
        harness.bitrise.android, workflow="deploy", params={"branch": "develop"}
    )
    harness.bitrise.finish(first, "error")
    card = await harness.ask("/bitrise build android #1", "failed")
    post = await harness.press(card, "Rebuild", "anna started Sample Android #2")
    assert "a rebuild of Sample Android #1" in harness.message_text(post)
    assert harness.bitrise.state.builds[1].params == first.params | {"environments": [STARTED_BY_ANNA]}


async def test_an_abort_by_mention_is_signed_with_the_users_name(harness: BotHarness, build: Build) -> None:
    harness.users.invite("builds")
    harness.users.say("ben", "builds", "@buildbell abort android #1 it's stuck")
    await harness.wait_for_message("ben aborted Sample Android #1: it's stuck")
    assert abort_requests(harness) == [{"abort_reason": "it's stuck (ben via Slack)", **NO_OPTIONS}]


async def test_the_answer_is_posted_if_the_response_url_has_expired(
    harness: BotHarness, build: Build
) -> None:
    await open_abort_form(harness)
    harness.slack.fault("response_url", "status", times=9, status=404)
    await harness.users.submit("anna", {"reason": "slept over it"})
    await harness.wait_for_message("anna aborted Sample Android #1: slept over it")


async def test_a_card_is_updated_if_the_response_url_is_used_up(harness: BotHarness, build: Build) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell build android #1")
    card = await harness.wait_for_message("is running")
    harness.bitrise.finish(build)
    harness.slack.fault("response_url", "status", times=9, status=404)
    await harness.users.click("ben", card, "Refresh")
    await harness.wait_for_message("Sample Android #1 passed")
    assert card.edited


async def test_an_expired_trigger_id_is_explained(harness: BotHarness, build: Build) -> None:
    card = await harness.ask("/bitrise build android #1", "is running")
    harness.slack.fault("views.open", "error", words="expired_trigger_id")
    await harness.press(card, "Abort…", "Slack didn't open the dialog")


async def test_a_button_with_an_invalid_value_is_explained_and_sends_no_request(
    harness: BotHarness, build: Build
) -> None:
    card = await harness.ask("/bitrise build android #1", "is running")
    for block in card.blocks:
        for element in block.get("elements", []):
            if element.get("action_id") == "build_log":
                element["value"] = '{"app": "../../me", "build": "x"}'
    await harness.press(card, "View log", "This button is from another version of Buildbell")
    assert not [request for request in harness.bitrise.requests if "me" in request.path.split("/")]
