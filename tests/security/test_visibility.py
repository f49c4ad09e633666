"""What may be seen comes from one place and is asked at the time: no subscription, cache or old name decides it.

SECURITY.md, B31, B32 and G7.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import BotHarness, bot_harness

OFTEN = {"sight_seconds": 0.2}
SECRETS = ("codename-x", "Project Manhattan")
# About the channel's own app, which nobody names.
WORDS = ("status", "builds", "build #1", "why #1", "log #1", "artifacts #1", "pipelines", "subscribe preview")
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
    """A town in which Ben has let #builds be told of Sample iOS; Carla has no account, and the bot asks often."""
    async with bot_harness(tmp_path, seconds=OFTEN, service_token_acts="0") as opened:
        await opened.connect("ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


def hidden_build(harness: BotHarness) -> Build:
    """A build of which nobody may learn who does not see the app."""
    params = {"branch": "codename-x", "commit_message": "Project Manhattan: the secret feature"}
    build = harness.bitrise.start_build(harness.bitrise.ios, params=params)
    harness.bitrise.finish(build)
    return build


async def shown(harness: BotHarness, words: str, person: str = "carla") -> str:
    return harness.message_text(await harness.ask(f"/bitrise {words}", "", person=person))


async def take_access(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)


async def test_b31_the_only_app_that_a_channel_could_mean_is_shown_to_those_alone_who_may_see_it(
    harness: BotHarness,
) -> None:
    before = hidden_build(harness)
    assert "codename-x" in await shown(harness, "build #1")
    card = await harness.ask("/bitrise build #1", "codename-x", person="carla")
    await take_access(harness)
    hidden_build(harness)
    link = f"https://app.bitrise.io/build/{before.slug}"
    for default in (False, True):
        if default:
            await harness.connect("anna")
            await harness.ask("/bitrise use ios", "is this channel's app now")
        for words in (*WORDS, f"build {before.slug}", f"build {link}"):
            for person in ("carla", "ben"):
                said = await shown(harness, words, person)
                assert not any(secret in said for secret in SECRETS), (words, person)
        assert "/bitrise connect" in await shown(harness, "builds")
    for button in ("Refresh", "Artifacts"):
        refused = await harness.press(card, button, "only what this channel follows", person="carla")
        assert not any(secret in harness.message_text(refused) for secret in SECRETS)
    post = harness.users.say("carla", "builds", link)
    await harness.wait_for_commands("link")
    assert post.attachments == []
    await harness.users.shortcut("carla", "about_build", post)
    modal = await harness.slack.wait_for_modal("carla", "only what this channel follows")
    assert "codename-x" not in str(modal.view)
    harness.users.open_home("carla")
    await harness.slack.workspace.wait_for(lambda: harness.slack.workspace.homes.get("U0CARLA"), 30, "a Home")
    assert "codename-x" not in str(harness.slack.workspace.homes["U0CARLA"])


async def test_b32_an_app_is_judged_by_what_it_is_called_today_and_not_by_what_is_stored_of_it(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, RENAMED) as town:
        await town.ask("/bitrise subscribe android", "subscribed", person="ben")
        town.bitrise.android.title = town.bitrise.android.repo = "payments-live"
        await town.stop_bot()
        await town.start_bot()
        await town.users.command("ben", "builds", "/bitrise trigger branch:main")
        await town.wait_for_message("wants to start payments-live", person=None)
        assert town.bitrise.state.builds == []
        town.bitrise.start_running(town.bitrise.start_build(town.bitrise.android))
        await town.ask("/bitrise abort #1 because", "Nobody may abort builds of payments-live", person="ben")
        nobody = "Nobody may change subscriptions of payments-live"
        listed = await town.ask("/bitrise subscriptions", "every build's end", person="ben")
        await town.press(listed, "Pause", nobody, person="ben")
        for words in ("unsubscribe", "unsubscribe 1", "subscribe status:failed", "use payments-live"):
            await town.ask(f"/bitrise {words}", nobody, person="ben")
        await town.users.click("ben", listed, "Edit")
        await town.slack.wait_for_modal("ben", "Sample Android")
        await town.users.submit("ben", {"more": "branch:main"})
        opened = town.users.modal("ben")
        assert opened is not None
        assert nobody in str(opened.errors)
        assert await town.rows("SELECT stopped_reason, terms FROM subscriptions") == [(None, "{}")]
        assert await town.rows("SELECT app_slug FROM channels") == []


@pytest.mark.parametrize("how", ["access is taken", "they leave Slack", "they unlink"])
async def test_g7_a_paused_subscription_shows_nothing_once_its_maker_sees_it_no_more(
    harness: BotHarness, how: str
) -> None:
    listed = await harness.ask("/bitrise subscriptions", "every build's end", person="ben")
    await harness.users.click("ben", listed, "Pause")
    await harness.wait_for_message("paused", person=None)
    hidden_build(harness)
    assert "codename-x" in await shown(harness, "build ios #1")
    match how:
        case "access is taken":
            harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
            await harness.wait_for_values("SELECT unseen_at IS NOT NULL FROM subscriptions", 1)
        case "they leave Slack":
            harness.users.deactivate("ben")
            await harness.wait_for_commands("user_change")
        case _:
            await harness.disconnect("ben")
    for words in ("build ios #1", "build #1", "builds", "status", "apps", "mine"):
        said = await shown(harness, words)
        assert not any(secret in said for secret in (*SECRETS, "Sample iOS")), words
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
