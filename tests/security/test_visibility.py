"""Visibility is decided in one place and at the time of use, not by subscriptions, caches or old names.

SECURITY.md, B31, B32 and G7.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import BotHarness, bot_harness

OFTEN = {"access_check_seconds": 0.2}
SECRETS = ("codename-x", "Project Manhattan")
# Commands about the channel's default app, which they do not name.
COMMANDS = (
    "status",
    "builds",
    "build #1",
    "why #1",
    "log #1",
    "artifacts #1",
    "pipelines",
    "subscribe preview",
)
RENAMED = """
[[rule]]
protect = ["trigger"]
apps = ["payments-live"]
who = ["U0ANNA"]

[[rule]]
allow = ["abort", "subscribe"]
apps = ["payments-*"]
who = "nobody"
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Run a bot that checks access often; Ben has subscribed #builds to Sample iOS, and Carla has no account."""
    async with bot_harness(tmp_path, seconds=OFTEN, service_token_acts="0") as opened:
        await opened.connect("ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


def finish_hidden_build(harness: BotHarness) -> Build:
    """Finish a build that only people with access to the app may see."""
    params = {"branch": "codename-x", "commit_message": "Project Manhattan: the secret feature"}
    build = harness.bitrise.start_build(harness.bitrise.ios, params=params)
    harness.bitrise.finish(build)
    return build


async def command_response(harness: BotHarness, command: str, person: str = "carla") -> str:
    return harness.message_text(await harness.ask(f"/bitrise {command}", "", person=person))


async def remove_access(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)


async def test_b31_the_only_app_of_a_channel_is_shown_only_to_people_with_access(
    harness: BotHarness,
) -> None:
    hidden = finish_hidden_build(harness)
    assert "codename-x" in await command_response(harness, "build #1")
    card = await harness.ask("/bitrise build #1", "codename-x", person="carla")
    await remove_access(harness)
    finish_hidden_build(harness)
    link = f"https://app.bitrise.io/build/{hidden.slug}"
    for default in (False, True):
        if default:
            await harness.connect("anna")
            await harness.ask("/bitrise use ios", "set this channel's app to")
        for command in (*COMMANDS, f"build {hidden.slug}", f"build {link}"):
            for person in ("carla", "ben"):
                text = await command_response(harness, command, person)
                assert not any(secret in text for secret in SECRETS), (command, person)
        assert "/bitrise connect" in await command_response(harness, "builds")
    for button in ("Refresh", "View artifacts"):
        refused = await harness.press(card, button, "apps that this channel subscribes to", person="carla")
        assert not any(secret in harness.message_text(refused) for secret in SECRETS)
    post = harness.users.say("carla", "builds", link)
    await harness.wait_for_commands("link")
    assert post.attachments == []
    await harness.users.shortcut("carla", "about_build", post)
    modal = await harness.slack.wait_for_modal("carla", "apps that this channel subscribes to")
    assert "codename-x" not in str(modal.view)
    harness.users.open_home("carla")
    await harness.slack.workspace.wait_for(lambda: harness.slack.workspace.homes.get("U0CARLA"), 30, "a Home")
    assert "codename-x" not in str(harness.slack.workspace.homes["U0CARLA"])


async def test_b32_rules_use_the_current_name_of_an_app_and_not_the_stored_one(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, RENAMED) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed", person="ben")
        harness.bitrise.android.title = harness.bitrise.android.repo = "payments-live"
        await harness.stop_bot()
        await harness.start_bot()
        await harness.users.command("ben", "builds", "/bitrise trigger branch:main")
        await harness.wait_for_message("requests approval to start payments-live", person=None)
        assert harness.bitrise.state.builds == []
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
        await harness.ask(
            "/bitrise abort #1 because", "No one can abort builds in payments-live", person="ben"
        )
        refusal = "No one can change subscriptions in payments-live"
        listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="ben")
        await harness.press(listed, "Pause", refusal, person="ben")
        for command in ("unsubscribe", "unsubscribe 1", "subscribe status:failed", "use payments-live"):
            await harness.ask(f"/bitrise {command}", refusal, person="ben")
        await harness.users.click("ben", listed, "Edit")
        await harness.slack.wait_for_modal("ben", "Sample Android")
        await harness.users.submit("ben", {"more": "branch:main"})
        opened = harness.users.modal("ben")
        assert opened is not None
        assert refusal in str(opened.errors)
        assert await harness.rows("SELECT stopped_reason, terms FROM subscriptions") == [(None, "{}")]
        assert await harness.rows("SELECT app_slug FROM channels") == []


@pytest.mark.parametrize("how", ["access is taken", "they leave Slack", "they unlink"])
async def test_g7_a_paused_subscription_shows_nothing_after_its_creator_lost_access(
    harness: BotHarness, how: str
) -> None:
    listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="ben")
    await harness.users.click("ben", listed, "Pause")
    await harness.wait_for_message("paused", person=None)
    finish_hidden_build(harness)
    assert "codename-x" in await command_response(harness, "build ios #1")
    match how:
        case "access is taken":
            harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
            await harness.wait_for_values("SELECT unseen_at IS NOT NULL FROM subscriptions", 1)
        case "they leave Slack":
            harness.users.deactivate("ben")
            await harness.wait_for_commands("user_change")
        case _:
            await harness.disconnect("ben")
    for command in ("build ios #1", "build #1", "builds", "status", "apps", "mine"):
        text = await command_response(harness, command)
        assert not any(secret in text for secret in (*SECRETS, "Sample iOS")), command
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
