"""Whoever has no account is told so at once, alone, with the button that links one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.provider import Provider
from sandbox.slack import Post
from tests.handlers.buildio.conftest import open_governed
from tests.town import Town, open_town

BUTTON = "[Link my account…]"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, service_token_acts="0") as opened:
        opened.people.invite("builds")
        yield opened
        assert opened.slack.violations == []


def offers(town: Town, post: Post, command: str) -> bool:
    """Whether this is for Ben alone, and says and offers how to link an account there."""
    words = town.words(post)
    return f"{command} connect" in words and BUTTON in words and post.only_for in ("U0BEN", None)


async def test_every_refusal_that_says_to_connect_offers_to_in_every_place(town: Town) -> None:
    await town.connect("anna")
    await town.connect("anna", provider=Provider.BUILDIO)
    for use in ("/bitrise use android", "/buildio use shop"):
        await town.ask(use, "is this channel's app now")
    town.bitrise.run(town.bitrise.start_build(town.bitrise.android))
    words = {
        "/bitrise": "apps|status|build #1|log #1|abort #1|trigger branch:main|trigger|yml|use android|subscribe android"
        "|subscribe|use|rebuild #1|build 0123456789abcdef",
        "/buildio": "apps|app|deploy shop branch:main|ps|config|domains|create x|teams",
    }
    for command, rest in words.items():
        for one in rest.split("|"):
            refused = await town.ask(f"{command} {one}", "", person="ben")
            assert offers(town, refused, command), one
            assert refused.only_for == "U0BEN", one
            assert "Create an app" not in town.words(refused)
            assert town.people.modal("ben") is None, f"{one} opened a form of which nothing could come"
    # In a mention it is for them alone too; in a direct message it simply stands there.
    town.people.say("ben", "builds", "@buildbell status")
    mentioned = await town.told(BUTTON, person="ben", after=refused)
    assert mentioned.only_for == "U0BEN"
    town.people.say("ben", "D0BEN", "buildio apps")
    direct = await town.told(BUTTON, person="ben", channel="D0BEN")
    assert offers(town, direct, "/buildio")
    await town.people.click("ben", direct, "Link my account…")
    await town.slack.wait_for_modal("ben", "Build.io")
    await town.people.close_modal("ben")
    # A button on somebody else's message, and the shortcut that is everywhere.
    card = await town.ask("/bitrise subscribe android", "subscribed this channel")
    card = await town.ask("/bitrise build #1", "Sample Android #1", person="ben")
    for button in ("Abort", "Log"):
        assert offers(town, await town.press(card, button, BUTTON, person="ben"), "/bitrise")
    await town.people.shortcut("ben", "start_build")
    opened = await town.slack.wait_for_modal("ben", BUTTON)
    assert "Workflow or pipeline" not in town.slack.modal_words(opened)
    # What the channel follows is listed, with why there is no more of it.
    assert offers(town, await town.ask("/bitrise apps", "1 app", person="ben"), "/bitrise")


async def test_an_admin_who_is_refused_what_is_off_can_add_the_rule(tmp_path: Path) -> None:
    async with open_governed(tmp_path, "") as town:
        refused = await town.ask(
            "/buildio run shop dyno:web.1 -- ls", "You are an admin here, so you can add that rule"
        )
        await town.people.click("anna", refused, "Add a rule…")
        await town.slack.wait_for_modal("anna", "shop")
        await town.people.close_modal("anna")
        plain = await town.ask("/buildio run shop dyno:web.1 -- ls", "that is off", person="ben")
        assert "Add a rule" not in town.words(plain)
        # Pressed by somebody who has no account, what is missing is not that, but that they are no admin.
        refused.only_for = None
        await town.press(refused, "Add a rule…", "Only admins and owners", person="carla")


async def test_policy_and_audit_are_about_the_channels_app(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["deploy"]\napps = ["ledger"]\nwho = ["U0BEN"]\n'
    async with open_governed(tmp_path, rules) as town:
        await town.ask("/buildio use shop", "is this channel's app now")
        await town.ask("/buildio policy", "You may deploy here.")
        await town.ask("/buildio policy ledger", "You may not deploy here")
        await town.ask("/buildio deploy branch:main", "anna deploys")
        await town.confirm("/buildio config unset shop LOG_LEVEL", "Remove", "− `LOG_LEVEL`")
        said = town.words(await town.ask("/buildio audit", "newest first"))
        assert "✅ done: deploy (branch `main`) · shop" in said
        assert "✅ done: make it the channel's app · shop" in said
        assert "✅ done: link the account `anna-berg@acme.example`" in said
        assert "✅ done: remove config vars `LOG_LEVEL` · shop" in said
        assert "→ ok" not in said
