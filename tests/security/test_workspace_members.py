"""Members of the workspace who try to exceed their permissions (SECURITY.md, B)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sandbox.bitrise.members import ANNA_TOKEN, TOKEN
from sandbox.slack.input_values import find_element
from sandbox.slack.models import Post
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import BotHarness, rewrite_state, state_in
from tests.support.stub_server import stub_server

PROTECTED = '[[rule]]\nprotect = "everything"\n'


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path) as opened:
        yield opened


def forge(post: Post, button: str, **changes: Any) -> None:
    """Change the value of a button."""
    _, element = find_element(post.blocks, button)
    element["value"] = json.dumps(json.loads(element["value"]) | changes)


def changes_at_bitrise(harness: BotHarness) -> list[str]:
    return [
        f"{request.method} {request.path}" for request in harness.bitrise.requests if request.method != "GET"
    ]


async def test_b1_nobody_changes_anything_without_their_own_account(harness: BotHarness) -> None:
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    await harness.ask("/bitrise subscribe android", "subscribed")
    card = await harness.ask("/bitrise build android #1", "is running", person="carla")
    for command in ("abort android #1", "trigger android branch:main", "rebuild android #1", "use android"):
        await harness.ask(f"/bitrise {command}", "/bitrise connect", person="carla")
    await harness.press(card, "Abort…", "/bitrise connect", person="carla")
    assert harness.users.modal("carla") is None
    assert changes_at_bitrise(harness) == []


async def test_b2_the_author_of_a_workflow_can_not_act_as_the_person_that_it_names(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.users.run_step("start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"})
    approval = await harness.wait_for_message("on your behalf", person="ben", channel="D0BEN")
    approval.only_for = None
    harness.slack.workspace.find_channel("D0BEN").members.add("U0ANNA")
    await harness.users.click("anna", approval, "Approve")
    await harness.slack.workspace.wait_for(
        lambda: (
            any(
                "Only the person on whose behalf" in harness.message_text(post)
                for post in harness.slack.posts("D0BEN", "anna")
            )
            or None
        ),
        30,
        "the refusal",
    )
    assert changes_at_bitrise(harness) == []


async def test_b3_a_button_for_an_app_without_access_shows_nothing_of_it(
    harness: BotHarness,
) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    hidden_build = harness.bitrise.start_build(
        harness.bitrise.web, params={"commit_message": "the secret feature"}
    )
    harness.bitrise.finish(hidden_build)
    card = await harness.ask("/bitrise build android #1", "passed", person="ben")
    for button in ("View log", "View artifacts", "Rebuild"):
        forge(card, button, app=harness.bitrise.web.slug, build=hidden_build.slug)
        await harness.press(card, button, "Bitrise can't find this", person="ben")
    seen = " ".join(harness.message_text(post) for post in harness.slack.posts("builds", "ben"))
    assert "secret feature" not in seen
    assert "Web Shop" not in seen
    assert changes_at_bitrise(harness) == []


async def test_b4_access_is_checked_for_the_build_that_a_modal_names(harness: BotHarness) -> None:
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    hidden_build = harness.bitrise.start_build(harness.bitrise.web)
    harness.bitrise.start_running(hidden_build)
    card = await harness.ask("/bitrise build android #1", "is running", person="ben")
    await harness.users.click("ben", card, "Abort…")
    opened = await harness.slack.wait_for_modal("ben", "at once and posts your name")
    origin = state_in(opened)
    origin["button"] |= {"app": harness.bitrise.web.slug, "build": hidden_build.slug}
    rewrite_state(opened, json.dumps(origin), person="U0BEN")
    await harness.users.submit("ben", {"reason": "because"})
    assert "can't find this" in opened.errors["reason"]
    assert hidden_build.result is None


async def test_b5_a_subscription_of_another_channel_can_not_be_changed(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed", channel="random")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="ben")
    for button in ("Pause", "Unsubscribe"):
        _, element = find_element(listed.blocks, button)
        element["value"] = "1"
        await harness.press(listed, button, "This subscription no longer exists", person="ben")
    assert len(await harness.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL")) == 2


async def test_b6_nobody_approves_their_own_action(tmp_path: Path) -> None:
    async with governed(tmp_path, PROTECTED) as harness:
        await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
        approval = await harness.wait_for_message("requests approval to", person=None)
        await harness.press(approval, "Approve", "You can't decide your own request", person="ben")
        assert changes_at_bitrise(harness) == []


async def test_b7_an_approval_button_can_not_be_forged(tmp_path: Path) -> None:
    async with governed(tmp_path, PROTECTED) as harness:
        await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
        approval = await harness.wait_for_message("requests approval to", person=None)
        forge(approval, "Approve", seal="f" * 32)
        await harness.press(approval, "Approve", "This button isn't valid")
        assert changes_at_bitrise(harness) == []


async def test_b8_only_admins_add_rules_and_never_wider_than_the_operators_rules(tmp_path: Path) -> None:
    async with governed(tmp_path, '[[rule]]\nallow = ["trigger"]\nwho = "nobody"\n') as harness:
        shown = await harness.ask("/bitrise policy", "Who can do what")
        shown.only_for = None
        await harness.users.click("ben", shown, "Add a rule…")
        await harness.wait_for_message("Only admins and owners", person="ben")
        await harness.users.click("anna", shown, "Add a rule…")
        await harness.slack.wait_for_modal("anna", "Add a rule")
        await harness.users.submit(
            "anna", {"acts": ["Start builds"], "who": "Anyone with a connected account"}
        )
        await harness.wait_for_message("New access rule", person=None)
        await harness.ask("/bitrise trigger android branch:main", "No one can start builds")
        assert changes_at_bitrise(harness) == []


async def test_b9_a_token_in_the_wrong_place_is_not_shown_stored_or_logged(
    harness: BotHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in (
        f"connect {ANNA_TOKEN}",
        f"status {ANNA_TOKEN}",
        ANNA_TOKEN,
        f"abort #1 {ANNA_TOKEN}",
        f"trigger ios branch:main message:{ANNA_TOKEN}",
    ):
        answer = await harness.ask(f"/bitrise {command}", "Revoke it at Bitrise now", person="ben")
        assert ANNA_TOKEN not in harness.message_text(answer)
    assert changes_at_bitrise(harness) == []
    assert ANNA_TOKEN.encode() not in harness.stored_bytes()
    assert ANNA_TOKEN not in "".join(capfd.readouterr())


async def test_b10_the_bots_own_token_can_not_be_connected_as_an_account(harness: BotHarness) -> None:
    await harness.users.command("carla", "builds", "/bitrise connect")
    await harness.slack.wait_for_modal("carla", "Personal access token")
    await harness.users.submit("carla", {"token": TOKEN})
    opened = harness.users.modal("carla")
    assert opened is not None
    assert "This is Buildbell's own token" in opened.errors["token"]


async def test_b12_a_response_url_in_a_modals_state_is_not_used(harness: BotHarness) -> None:
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    async with stub_server(lambda _asked: web.Response()) as attacker:
        card = await harness.ask("/bitrise build android #1", "is running", person="ben")
        await harness.users.click("ben", card, "Abort…")
        opened = await harness.slack.wait_for_modal("ben", "at once and posts your name")
        origin = state_in(opened)
        origin["response_url"] = f"{attacker.url.replace('127.0.0.1', 'localhost')}/response"
        rewrite_state(opened, json.dumps(origin), person="U0BEN")
        await harness.users.submit("ben", {"reason": "because"})
        await harness.wait_for_message("ben aborted Sample Android #1", person=None)
    assert attacker.requests == []


async def test_b13_a_guessed_build_reveals_nothing_of_an_app_without_access(
    harness: BotHarness,
) -> None:
    hidden_build = harness.bitrise.start_build(harness.bitrise.web)
    await harness.ask("/bitrise subscribe web", "subscribed", channel="random")
    await harness.wait_for_poll()
    for command in (
        f"build {hidden_build.slug}",
        f"why {hidden_build.slug}",
        f"log https://app.bitrise.io/build/{hidden_build.slug}",
    ):
        answer = await harness.ask(f"/bitrise {command}", "", person="ben")
        assert "Web Shop" not in harness.message_text(answer)


async def test_b33_many_log_requests_of_one_person_do_not_block_others(harness: BotHarness) -> None:
    for _ in range(2):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    harness.clock.skip(timedelta(minutes=1))
    card = await harness.ask("/bitrise log android #1", "Log of")
    other_card = await harness.ask("/bitrise log android #2", "Log of")
    ben_card = await harness.ask("/bitrise log android #1", "Log of", person="ben")
    # Stop the worker processes that read logs, as if the log took forever.
    worker_pids = harness.bot.workers.pids
    for pid in worker_pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await harness.users.click("anna", card, "Send me the file")
        await harness.wait_until(lambda: len(harness.bot.workers.pids) < len(worker_pids))
        await harness.press(card, "Send me the file", "Buildbell is still preparing a log for you")
        await harness.press(other_card, "Send me the file", "Buildbell is still preparing a log for you")
        # Other people are answered, and can request a log too.
        await harness.ask("/bitrise builds android", "Sample Android #2", person="ben")
        await harness.ask("/bitrise help", "Commands", person="carla")
    finally:
        for pid in worker_pids:
            os.kill(pid, signal.SIGCONT)
    await harness.press(ben_card, "Send me the file", "Sent to your DMs", person="ben")
    await harness.wait_for_message("Sent to your DMs")
    await harness.press(other_card, "Send me the file", "Sent to your DMs")
    assert len(harness.slack.workspace.files) == 3


async def test_b34_one_person_can_not_use_up_the_followed_logs_of_a_workspace(harness: BotHarness) -> None:
    for _ in range(4):
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    harness.clock.skip(timedelta(seconds=60))
    for number in (1, 2):
        card = await harness.ask(f"/bitrise log android #{number}", "in progress")
        await harness.press(card, "Follow", "Following the log in your DMs")
    card = await harness.ask("/bitrise log android #3", "in progress")
    await harness.press(card, "Follow", "You already follow 2 logs")
    for number in (3, 4):
        card = await harness.ask(f"/bitrise log android #{number}", "in progress", person="ben")
        await harness.press(card, "Follow", "Following the log in your DMs", person="ben")
