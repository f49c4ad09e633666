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
async def town(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """A town in which Ben has let #builds be told of Sample iOS; Carla has no account, and the bot asks often."""
    async with bot_harness(tmp_path, seconds=OFTEN, service_token_acts="0") as opened:
        await opened.connect("ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


def hidden_build(town: BotHarness) -> Build:
    """A build of which nobody may learn who does not see the app."""
    params = {"branch": "codename-x", "commit_message": "Project Manhattan: the secret feature"}
    build = town.bitrise.start_build(town.bitrise.ios, params=params)
    town.bitrise.finish(build)
    return build


async def shown(town: BotHarness, words: str, person: str = "carla") -> str:
    return town.message_text(await town.ask(f"/bitrise {words}", "", person=person))


async def take_access(town: BotHarness) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message("can't see the app at Bitrise any more", person=None)


async def test_b31_the_only_app_that_a_channel_could_mean_is_shown_to_those_alone_who_may_see_it(
    town: BotHarness,
) -> None:
    before = hidden_build(town)
    assert "codename-x" in await shown(town, "build #1")
    card = await town.ask("/bitrise build #1", "codename-x", person="carla")
    await take_access(town)
    hidden_build(town)
    link = f"https://app.bitrise.io/build/{before.slug}"
    for default in (False, True):
        if default:
            await town.connect("anna")
            await town.ask("/bitrise use ios", "is this channel's app now")
        for words in (*WORDS, f"build {before.slug}", f"build {link}"):
            for person in ("carla", "ben"):
                said = await shown(town, words, person)
                assert not any(secret in said for secret in SECRETS), (words, person)
        assert "/bitrise connect" in await shown(town, "builds")
    for button in ("Refresh", "Artifacts"):
        refused = await town.press(card, button, "only what this channel follows", person="carla")
        assert not any(secret in town.message_text(refused) for secret in SECRETS)
    post = town.people.say("carla", "builds", link)
    await town.wait_for_commands("link")
    assert post.attachments == []
    await town.people.shortcut("carla", "about_build", post)
    modal = await town.slack.wait_for_modal("carla", "only what this channel follows")
    assert "codename-x" not in str(modal.view)
    town.people.open_home("carla")
    await town.slack.workspace.wait_for(lambda: town.slack.workspace.homes.get("U0CARLA"), 30, "a Home")
    assert "codename-x" not in str(town.slack.workspace.homes["U0CARLA"])


async def test_b32_an_app_is_judged_by_what_it_is_called_today_and_not_by_what_is_stored_of_it(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, RENAMED) as town:
        await town.ask("/bitrise subscribe android", "subscribed", person="ben")
        town.bitrise.android.title = town.bitrise.android.repo = "payments-live"
        await town.stop_bot()
        await town.start_bot()
        await town.people.command("ben", "builds", "/bitrise trigger branch:main")
        await town.wait_for_message("wants to start payments-live", person=None)
        assert town.bitrise.farm.builds == []
        town.bitrise.run(town.bitrise.start_build(town.bitrise.android))
        await town.ask("/bitrise abort #1 because", "Nobody may abort builds of payments-live", person="ben")
        nobody = "Nobody may change subscriptions of payments-live"
        listed = await town.ask("/bitrise subscriptions", "every build's end", person="ben")
        await town.press(listed, "Pause", nobody, person="ben")
        for words in ("unsubscribe", "unsubscribe 1", "subscribe status:failed", "use payments-live"):
            await town.ask(f"/bitrise {words}", nobody, person="ben")
        await town.people.click("ben", listed, "Edit")
        await town.slack.wait_for_modal("ben", "Sample Android")
        await town.people.submit("ben", {"more": "branch:main"})
        opened = town.people.modal("ben")
        assert opened is not None
        assert nobody in str(opened.errors)
        assert await town.rows("SELECT stopped_reason, terms FROM subscriptions") == [(None, "{}")]
        assert await town.rows("SELECT app_slug FROM channels") == []


@pytest.mark.parametrize("how", ["access is taken", "they leave Slack", "they unlink"])
async def test_g7_a_paused_subscription_shows_nothing_once_its_maker_sees_it_no_more(
    town: BotHarness, how: str
) -> None:
    listed = await town.ask("/bitrise subscriptions", "every build's end", person="ben")
    await town.people.click("ben", listed, "Pause")
    await town.wait_for_message("paused", person=None)
    hidden_build(town)
    assert "codename-x" in await shown(town, "build ios #1")
    match how:
        case "access is taken":
            town.bitrise.let("ben-okafor", town.bitrise.ios, None)
            await town.holds("SELECT unseen_at IS NOT NULL FROM subscriptions", 1)
        case "they leave Slack":
            town.people.leave("ben")
            await town.wait_for_commands("user_change")
        case _:
            await town.disconnect("ben")
    for words in ("build ios #1", "build #1", "builds", "status", "apps", "mine"):
        said = await shown(town, words)
        assert not any(secret in said for secret in (*SECRETS, "Sample iOS")), words
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
