"""What Bitrise and Build.io are asked for alike, with both set up or only one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.provider import Provider
from sandbox.slack.transcript import home_text
from tests.support.bot_harness import BotHarness, bot_harness

NOBODY_SUBSCRIBES_THERE = """
[[rule]]
allow = ["subscribe"]
providers = ["buildio"]
who = "nobody"
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Anna and Ben have accounts at Build.io, Carla has none."""
    async with bot_harness(tmp_path) as opened:
        await opened.connect("anna", "ben", provider=Provider.BUILDIO)
        yield opened
        assert opened.slack.violations == []
        assert opened.buildio.violations == []


def home(harness: BotHarness, person: str = "U0ANNA") -> str:
    view = harness.slack.workspace.homes.get(person)
    return home_text(view, harness.slack.workspace.mention_names) if view else ""


def offered(options: list[Any]) -> dict[str, list[str]]:
    """What a list offers: the options' words, by the group that they stand in."""
    return {group["label"]["text"]: [one["text"]["text"] for one in group["options"]] for group in options}


# Help and mistakes.


async def test_help_is_that_of_the_command_that_was_typed(harness: BotHarness) -> None:
    said = await harness.ask("/buildio help", "What you can type")
    assert "/buildio deploy" in harness.message_text(said)
    assert "/bitrise" not in harness.message_text(said)
    said = await harness.ask("/bitrise help", "What you can type")
    assert "/buildio" not in harness.message_text(said)
    await harness.ask("/buildio", "What you can type")
    await harness.ask("/buildio help subscribe", "how deployments end and which processes crash")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("deplyo shop", ["Did you mean deploy?", "/buildio help"]),
        ("app shp", ["I don't know an app called shp. Did you mean shop?", "/buildio apps"]),
        ("subscribe shp", ["I don't know an app called shp.", "/buildio apps"]),
        ("use shp", ["I don't know an app called shp.", "/buildio apps"]),
        ("subscribe shop target:main", ["target", "For example: `/buildio subscribe"]),
        ("app", ["Which app?", "/buildio use APP"]),
        ("unsubscribe 7", ["no such subscription", "/buildio subscriptions"]),
        ("why shop v7", ["I have not seen #7 of shop", "Build.io keeps no list"]),
        ("apps team:acmee", ["I don't know a team called acmee.", "Did you mean acme?", "/buildio teams"]),
        ("audit all", ["Only admins and owners", "/buildio audit"]),
    ],
)
async def test_a_mistake_is_answered_with_what_would_work_there(
    harness: BotHarness, typed: str, said: list[str]
) -> None:
    words = harness.message_text(await harness.ask(f"/buildio {typed}", said[0], person="ben"))
    assert all(one in words for one in said), words
    assert "/bitrise" not in words


# Which provider is asked.


async def test_a_message_asks_bitrise_unless_it_names_build_io(harness: BotHarness) -> None:
    await harness.connect("anna")
    for text, expected in (
        ("apps", "3 apps"),
        ("bitrise apps", "Sample Android"),
        ("buildio apps", "shop-staging"),
        ("Build.io app shop", "v1 succeeded"),
    ):
        before = harness.last("D0ANNA")
        harness.users.say("anna", "D0ANNA", text)
        await harness.wait_for_message(expected, channel="D0ANNA", after=before)
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio app shop")
    await harness.wait_for_message("v1 succeeded")


async def test_where_build_io_alone_is_set_up_messages_ask_it(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, bitrise_token="", service_token_acts="0") as town:
        await town.connect("anna", provider=Provider.BUILDIO)
        town.users.say("anna", "D0ANNA", "apps")
        await town.wait_for_message("shop-staging", channel="D0ANNA")
        town.users.open_home("anna")
        await town.wait_until(lambda: "Me at Build.io".upper() in home(town).upper())
        assert "Bitrise" not in home(town)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("buildio_token", ["Build.io is not set up here", "BUILDIO_TOKEN"]),
        ("bitrise_token", ["Bitrise is not set up here", "BITRISE_TOKEN"]),
    ],
)
async def test_a_provider_without_a_token_says_what_the_operator_has_to_do(
    tmp_path: Path, missing: str, said: list[str]
) -> None:
    provider = Provider.named(missing.partition("_")[0])
    settings: dict[str, Any] = {missing: "", "service_token_acts": "0"}
    async with bot_harness(tmp_path, **settings) as town:
        for typed in ("apps", "subscribe", "connect", "whoami", "use"):
            words = town.message_text(await town.ask(f"{provider.command} {typed}", said[0]))
            assert said[1] in words
        await town.ask(f"{provider.command} help", "What you can type")
        await town.ask(f"{provider.command} subscriptions", "told of nothing yet")


async def test_shortcuts_about_builds_say_so_where_bitrise_is_not_set_up(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, bitrise_token="", service_token_acts="0") as town:
        for name in ("start_build", "find_build"):
            await town.users.shortcut("anna", name)
            await town.slack.wait_for_modal("anna", "Bitrise is not set up here")
            await town.users.close_modal("anna")


# Apps.


async def test_apps_are_those_that_somebodys_own_account_sees(harness: BotHarness) -> None:
    everything = harness.message_text(await harness.ask("/buildio apps", "4 apps"))
    assert "ledger" in everything
    assert "ledger" not in harness.message_text(await harness.ask("/buildio apps", "3 apps", person="ben"))
    assert "1 app of labs" in harness.message_text(await harness.ask("/buildio apps team:labs", "ledger"))
    await harness.ask("/buildio apps page:9", "There is no such page")
    listed = await harness.ask("/buildio apps", "`/buildio connect`", person="carla")
    assert "Create an app" not in harness.message_text(listed)


async def test_without_an_account_one_sees_what_the_channel_follows(harness: BotHarness) -> None:
    await harness.ask("/buildio app shop", "/buildio connect", person="carla")
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio apps", "1 app", person="carla")
    await harness.ask("/buildio app shop", "v1 succeeded", person="carla")
    await harness.ask("/buildio app shop-staging", "/buildio connect", person="carla")


async def test_an_app_is_shown_as_it_stands_and_brought_up_to_date(harness: BotHarness) -> None:
    card = await harness.ask("/buildio app shop", "v1 succeeded")
    words = harness.message_text(card)
    assert "3 of 3 up" in words
    assert "[Subscribe…]" in words
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop, "web.1"))
    await harness.users.click("anna", card, "Refresh")
    await harness.wait_until(lambda: "Build failed: no Procfile" in harness.message_text(card))
    assert "crashed: `web.1`" in harness.message_text(card)


async def test_an_app_in_a_list_is_opened(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio apps", "4 apps")
    await harness.press(listed, "Details of shop", "3 of 3 up")


async def test_a_channel_chooses_one_app_of_each_provider(harness: BotHarness) -> None:
    await harness.ask("/buildio use shop", "shop is this channel's app now")
    await harness.ask("/bitrise use android", "Sample Android is this channel's app now")
    await harness.ask("/buildio app", "v1 succeeded")
    await harness.ask("/bitrise status", "Sample Android")
    await harness.users.command("anna", "builds", "/buildio use")
    await harness.slack.wait_for_modal("anna", "Commands here that name no app")
    [staging] = await harness.users.options("anna", "pick_app", "staging")
    await harness.users.submit("anna", {"app": staging})
    await harness.wait_for_message("shop-staging is this channel's app now")
    await harness.ask("/bitrise status", "Sample Android")


# Subscriptions.


async def test_a_channel_is_told_how_deployments_end_and_says_why(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop workflow:deploy status:failed", "anna subscribed this channel")
    await harness.ask("/buildio subscribe shop workflow:web.*", "anna subscribed this channel")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    told = await harness.wait_for_message("shop deployment v2", person=None)
    assert "Build failed: no Procfile" in harness.message_text(told)
    for which in ("#2", "shop v2"):
        why = harness.message_text(await harness.ask(f"/buildio why {which}", "1. every failure in shop"))
        assert "it told this build here" in why
        assert "2. " in why
        assert "it kept silent because its workflow" in why


async def test_what_was_seen_is_shown_to_nobody_who_has_lost_the_app_since_their_list_was_read(
    harness: BotHarness,
) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    await harness.wait_for_message("shop deployment v2", person=None)
    await harness.ask("/buildio why shop v2", "deployment v2", person="ben")
    ben = next(one for one in harness.buildio.members if one.startswith("ben"))
    harness.buildio.set_role(ben, harness.buildio.acme, None)
    for words in ("why shop v2", "why v2", "subscribe shop status:failed preview"):
        said = await harness.ask(f"/buildio {words}", "knows no such thing", person="ben")
        assert "deployment" not in harness.message_text(said)


async def test_a_preview_tells_from_what_was_seen(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    await harness.wait_for_message("shop deployment v2", person=None)
    words = harness.message_text(
        await harness.ask("/buildio subscribe shop status:failed preview", "would have been told")
    )
    assert "1 of the last" in words
    assert "deployment v2" in words
    assert "Nothing was subscribed" in words


async def test_both_providers_subscriptions_stand_in_one_list(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    alone = harness.message_text(await harness.ask("/buildio subscriptions", "This channel is told of"))
    assert "Build.io:" not in alone
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    for command in ("/bitrise", "/buildio"):
        words = harness.message_text(await harness.ask(f"{command} subscriptions", "This channel is told of"))
        assert "1. Build.io: every deployment's end" in words
        assert "2. Bitrise: every failure in Sample Android" in words
    await harness.ask("/buildio unsubscribe", "ended the subscription to shop")
    await harness.ask("/buildio unsubscribe", "Which app?")
    await harness.ask("/buildio unsubscribe 2", "ended the subscription to Sample Android")
    await harness.ask("/buildio subscriptions", "/buildio subscribe APP")


async def test_what_the_bot_can_not_see_is_not_subscribed(harness: BotHarness) -> None:
    harness.buildio.set_role("build-service", harness.buildio.labs, None)
    words = harness.message_text(
        await harness.ask("/buildio subscribe ledger", "You can see ledger at Build.io, but I can't")
    )
    assert "Bitrise" not in words
    await harness.ask("/buildio subscriptions", "told of nothing yet")


async def test_a_rule_about_one_provider_leaves_the_other_alone(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(NOBODY_SUBSCRIBES_THERE)
    async with bot_harness(tmp_path, policy_file=str(tmp_path / "policy.toml")) as town:
        await town.connect("anna", provider=Provider.BUILDIO)
        await town.ask("/buildio subscribe shop", "Nobody may change subscriptions of shop here")
        await town.ask("/buildio use shop", "Nobody may change subscriptions of shop here")
        await town.ask("/bitrise subscribe android", "subscribed")


async def test_who_changes_subscriptions_there_needs_an_account_there(harness: BotHarness) -> None:
    people = harness.slack.workspace.users
    people["U0CARLA"] = replace(people["U0CARLA"], guest=False)
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio unsubscribe shop", "/buildio connect", person="carla")
    await harness.ask("/bitrise subscribe android", "subscribed", person="carla")


# Forms.


async def test_a_subscription_is_filled_in_with_what_the_app_has(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio subscribe")
    opened = await harness.slack.wait_for_modal("anna", "But not branches")
    assert "Deployments (deploy) and processes (web.1)" in harness.slack.modal_text(opened)
    [group] = await harness.users.options("anna", "pick_app", "shop-st")
    await harness.users.set_value("anna", "pick_app", group["options"][0])
    await harness.wait_until(lambda: harness.buildio.staging.id in opened.view["private_metadata"])
    for typed, expected in (("", ["deploy", "web.*", "web.1"]), ("worker", ["worker"])):
        options = await harness.users.options("anna", "pick_workflow", typed)
        assert [one["text"]["text"] for one in options] == expected
    branches = await harness.users.options("anna", "pick_branch", "", block_id="branches")
    assert [one["text"]["text"] for one in branches] == ["main"]
    await harness.users.submit("anna", {"workflows": options, "more": "target:main"})
    assert "For example: /buildio subscribe by:@me -by:bot" in opened.errors["more"]
    await harness.users.submit("anna", {"more": "by:@me"})
    await harness.wait_for_message("anna subscribed this channel to")
    await harness.ask("/buildio subscriptions", "in shop-staging with workflow `worker`, by @anna")


async def test_a_subscription_is_edited_with_the_words_of_its_provider(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop branch:main", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "in shop")
    await harness.users.click("anna", listed, "Edit")
    opened = await harness.slack.wait_for_modal("anna", "What is told of shop")
    assert "Deployments (deploy) and processes (web.1)" in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"results": ["Every failure"], "more": "-by:bot"})
    await harness.wait_for_message("anna changed a subscription: now every failure in shop")


async def test_on_the_home_apps_of_both_are_found_and_subscriptions_name_their_provider(
    harness: BotHarness,
) -> None:
    await harness.connect("anna")
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.users.open_home("anna")
    await harness.wait_until(lambda: "Build.io: every deployment's end" in home(harness))
    assert "Bitrise: every build's end in Sample Android" in home(harness)
    assert "You are `anna-berg@acme.example` there." in home(harness)
    found = await harness.users.options("anna", "pick_app", "s")
    assert offered(found)["Build.io"] == ["shop", "shop-pr-42", "shop-staging"]
    assert "Sample Android" in offered(found)["Bitrise"]
    shop = next(group for group in found if group["label"]["text"] == "Build.io")["options"][0]
    await harness.users.set_value("anna", "pick_app", shop)
    opened = await harness.slack.wait_for_modal("anna", "3 of 3 up")
    await harness.users.set_value("anna", "Subscribe…")
    opened = await harness.slack.wait_for_modal("anna", "But not branches")
    assert "shop" in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"channel": "C0RANDOM"})
    await harness.wait_for_message("anna subscribed this channel to", channel="random")


async def test_an_app_of_the_other_provider_can_be_picked_in_the_form(harness: BotHarness) -> None:
    await harness.connect("anna")
    await harness.users.command("anna", "builds", "/bitrise subscribe")
    opened = await harness.slack.wait_for_modal("anna", "But not branches")
    found = await harness.users.options("anna", "pick_app", "shop")
    assert [*offered(found)] == ["Bitrise", "Build.io"]
    shop = found[1]["options"][0]
    await harness.users.set_value("anna", "pick_app", shop)
    await harness.wait_until(lambda: "Deployments (deploy)" in harness.slack.modal_text(opened))
    await harness.users.submit("anna", {})
    await harness.wait_for_message("every deployment's end")
    await harness.ask("/buildio unsubscribe shop", "ended the subscription to shop")
