"""A user without an account is told so at once and privately, with a button to link one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers.buildio.provider import BUILDIO
from sandbox.slack.models import Post
from tests.providers.buildio.conftest import open_governed
from tests.support.bot_harness import BotHarness, bot_harness

BUTTON = "[Connect account…]"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, service_token_acts="0") as opened:
        opened.users.invite("builds")
        yield opened
        assert opened.slack.violations == []


def has_connect_button(harness: BotHarness, post: Post, command: str) -> bool:
    """Return whether the message is for Ben only and has the command and the button to link an account."""
    text = harness.message_text(post)
    return f"{command} connect" in text and BUTTON in text and post.only_for in ("U0BEN", None)


async def test_every_refusal_for_a_missing_account_has_a_connect_button(harness: BotHarness) -> None:
    await harness.connect("anna")
    await harness.connect("anna", provider=BUILDIO)
    for use in ("/bitrise use android", "/buildio use shop"):
        await harness.ask(use, "set this channel's app to")
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    lines = {
        "/bitrise": "apps|status|build #1|log #1|abort #1|trigger branch:main|trigger|yml|use android|subscribe android"
        "|subscribe|use|rebuild #1|build 0123456789abcdef",
        "/buildio": "apps|app|deploy shop branch:main|ps|config|domains|create x|teams",
    }
    for command, joined in lines.items():
        for line in joined.split("|"):
            refused = await harness.ask(f"{command} {line}", "", person="ben")
            assert has_connect_button(harness, refused, command), line
            assert refused.only_for == "U0BEN", line
            assert "Create an app" not in harness.message_text(refused)
            assert harness.users.modal("ben") is None, f"{line} opened a form that could not be submitted"
    # The reply to a mention is private too; in a direct message it is a normal message.
    harness.users.say("ben", "builds", "@buildbell status")
    mentioned = await harness.wait_for_message(BUTTON, person="ben", after=refused)
    assert mentioned.only_for == "U0BEN"
    harness.users.say("ben", "D0BEN", "buildio apps")
    direct = await harness.wait_for_message(BUTTON, person="ben", channel="D0BEN")
    assert has_connect_button(harness, direct, "/buildio")
    await harness.users.click("ben", direct, "Connect account…")
    await harness.slack.wait_for_modal("ben", "Build.io")
    await harness.users.close_modal("ben")
    # A button on another user's message, and a global shortcut.
    card = await harness.ask("/bitrise subscribe android", "subscribed to")
    card = await harness.ask("/bitrise build #1", "Sample Android #1", person="ben")
    for button in ("Abort…", "View log"):
        assert has_connect_button(
            harness, await harness.press(card, button, BUTTON, person="ben"), "/bitrise"
        )
    await harness.users.shortcut("ben", "start_build")
    opened = await harness.slack.wait_for_modal("ben", BUTTON)
    assert "Workflow or pipeline" not in harness.slack.modal_text(opened)
    # The channel's apps are listed, with the reason why there are no others.
    assert has_connect_button(harness, await harness.ask("/bitrise apps", "1 app", person="ben"), "/bitrise")


async def test_an_admin_can_add_the_rule_for_an_action_that_is_off(tmp_path: Path) -> None:
    async with open_governed(tmp_path, "") as harness:
        refused = await harness.ask("/buildio run shop dyno:web.1 -- ls", "As an admin you can add that rule")
        await harness.users.click("anna", refused, "Add a rule…")
        await harness.slack.wait_for_modal("anna", "shop")
        await harness.users.close_modal("anna")
        plain = await harness.ask("/buildio run shop dyno:web.1 -- ls", "It's off until", person="ben")
        assert "Add a rule" not in harness.message_text(plain)
        # If a user without an account presses it, the refusal is about the missing admin role, not the account.
        refused.only_for = None
        await harness.press(refused, "Add a rule…", "Only admins and owners", person="carla")


async def test_policy_and_audit_use_the_channels_app(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["deploy"]\napps = ["ledger"]\nwho = ["U0BEN"]\n'
    async with open_governed(tmp_path, rules) as harness:
        await harness.ask("/buildio use shop", "set this channel's app to")
        await harness.ask("/buildio policy", "You can deploy here.")
        await harness.ask("/buildio policy ledger", "You can't deploy here")
        await harness.ask("/buildio deploy branch:main", "anna started deploying")
        await harness.confirm("/buildio config unset shop LOG_LEVEL", "Remove", "− `LOG_LEVEL`")
        said = harness.message_text(await harness.ask("/buildio audit", "newest first"))
        assert "✅ @anna deployed (branch `main`) · shop" in said
        assert "✅ @anna set the channel's default app · shop" in said
        assert "✅ @anna connected the account `anna-berg@acme.example`" in said
        assert "✅ @anna removed config vars `LOG_LEVEL` · shop" in said
        assert "→ ok" not in said
