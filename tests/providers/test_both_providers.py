"""Commands that Bitrise and Build.io share, with both or only one of them set up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.provider import Provider
from providers.buildio.provider import BUILDIO
from sandbox.slack.transcript import home_text
from tests.support.bot_harness import BotHarness, bot_harness

NOBODY_SUBSCRIBES_AT_BUILDIO = """
[[rule]]
allow = ["subscribe"]
providers = ["buildio"]
who = "nobody"
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Start the bot. Anna and Ben have accounts at Build.io, Carla has none."""
    async with bot_harness(tmp_path) as opened:
        await opened.connect("anna", "ben", provider=BUILDIO)
        yield opened
        assert opened.slack.violations == []
        assert opened.buildio.violations == []


def read_home(harness: BotHarness, person: str = "U0ANNA") -> str:
    view = harness.slack.workspace.homes.get(person)
    return home_text(view, harness.slack.workspace.mention_names) if view else ""


def option_texts(groups: list[Any]) -> dict[str, list[str]]:
    """Return the texts of a list's options, by group."""
    return {
        group["label"]["text"]: [option["text"]["text"] for option in group["options"]] for group in groups
    }


# Help and mistakes.


async def test_help_shows_only_the_commands_of_its_provider(harness: BotHarness) -> None:
    reply = await harness.ask("/buildio help", "Commands")
    assert "/buildio deploy" in harness.message_text(reply)
    assert "/bitrise" not in harness.message_text(reply)
    reply = await harness.ask("/bitrise help", "Commands")
    assert "/buildio" not in harness.message_text(reply)
    await harness.ask("/buildio", "Commands")
    await harness.ask("/buildio help subscribe", "finished deployments and process crashes")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("deplyo shop", ["Did you mean `deploy`?", "/buildio help"]),
        ("app shp", ["No app named `shp`. Did you mean shop?", "/buildio apps"]),
        ("subscribe shp", ["No app named `shp`.", "/buildio apps"]),
        ("use shp", ["No app named `shp`.", "/buildio apps"]),
        ("subscribe shop target:main", ["target", "For example: `/buildio subscribe"]),
        ("app", ["Which app?", "/buildio use APP"]),
        ("unsubscribe 7", ["No such subscription here", "/buildio subscriptions"]),
        ("why shop v7", ["No record of `#7` in shop", "Build.io keeps no history"]),
        ("apps team:acmee", ["No team named `acmee`.", "Did you mean `acme`?", "/buildio teams"]),
        ("audit all", ["Only admins and owners", "/buildio audit"]),
    ],
)
async def test_a_mistake_is_answered_with_suggestions_for_its_provider(
    harness: BotHarness, command: str, expected: list[str]
) -> None:
    text = harness.message_text(await harness.ask(f"/buildio {command}", expected[0], person="ben"))
    assert all(part in text for part in expected), text
    assert "/bitrise" not in text


# Choice of the provider.


async def test_a_message_is_for_bitrise_unless_it_names_build_io(harness: BotHarness) -> None:
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


async def test_messages_are_for_build_io_if_only_it_is_set_up(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, bitrise_token="", service_token_acts="0") as harness:
        await harness.connect("anna", provider=BUILDIO)
        harness.users.say("anna", "D0ANNA", "apps")
        await harness.wait_for_message("shop-staging", channel="D0ANNA")
        harness.users.open_home("anna")
        await harness.wait_until(lambda: "Your Build.io account".upper() in read_home(harness).upper())
        assert "Bitrise" not in read_home(harness)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("buildio_token", ["Build.io isn't set up here", "BUILDIO_TOKEN"]),
        ("bitrise_token", ["Bitrise isn't set up here", "BITRISE_TOKEN"]),
    ],
)
async def test_commands_of_a_provider_without_a_token_name_the_missing_setting(
    tmp_path: Path, missing: str, expected: list[str]
) -> None:
    provider = Provider.named(missing.partition("_")[0])
    settings: dict[str, Any] = {missing: "", "service_token_acts": "0"}
    async with bot_harness(tmp_path, **settings) as harness:
        for command in ("apps", "subscribe", "connect", "whoami", "use"):
            text = harness.message_text(await harness.ask(f"{provider.command} {command}", expected[0]))
            assert expected[1] in text
        await harness.ask(f"{provider.command} help", "Commands")
        await harness.ask(f"{provider.command} subscriptions", "No subscriptions here yet")


async def test_shortcuts_about_builds_explain_that_bitrise_is_not_set_up(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, bitrise_token="", service_token_acts="0") as harness:
        for name in ("start_build", "find_build"):
            await harness.users.shortcut("anna", name)
            await harness.slack.wait_for_modal("anna", "Bitrise isn't set up here")
            await harness.users.close_modal("anna")


# Apps.


async def test_apps_are_those_that_somebodys_own_account_sees(harness: BotHarness) -> None:
    text = harness.message_text(await harness.ask("/buildio apps", "4 apps"))
    assert "ledger" in text
    assert "ledger" not in harness.message_text(await harness.ask("/buildio apps", "3 apps", person="ben"))
    assert "1 app of labs" in harness.message_text(await harness.ask("/buildio apps team:labs", "ledger"))
    await harness.ask("/buildio apps page:9", "There is no such page")
    listed = await harness.ask("/buildio apps", "`/buildio connect`", person="carla")
    assert "Create an app" not in harness.message_text(listed)


async def test_a_user_without_an_account_sees_the_apps_that_the_channel_subscribed_to(
    harness: BotHarness,
) -> None:
    await harness.ask("/buildio app shop", "/buildio connect", person="carla")
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio apps", "1 app", person="carla")
    await harness.ask("/buildio app shop", "v1 succeeded", person="carla")
    await harness.ask("/buildio app shop-staging", "/buildio connect", person="carla")


async def test_an_app_is_shown_as_it_stands_and_brought_up_to_date(harness: BotHarness) -> None:
    card = await harness.ask("/buildio app shop", "v1 succeeded")
    text = harness.message_text(card)
    assert "3 of 3 up" in text
    assert "[Subscribe…]" in text
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop, "web.1"))
    await harness.users.click("anna", card, "Refresh")
    await harness.wait_until(lambda: "Build failed: no Procfile" in harness.message_text(card))
    assert "crashed: `web.1`" in harness.message_text(card)


async def test_the_details_button_in_a_list_shows_the_app(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio apps", "4 apps")
    await harness.press(listed, "View details of shop", "3 of 3 up")


async def test_a_channel_chooses_one_app_of_each_provider(harness: BotHarness) -> None:
    await harness.ask("/buildio use shop", "set this channel's app to shop")
    await harness.ask("/bitrise use android", "set this channel's app to Sample Android")
    await harness.ask("/buildio app", "v1 succeeded")
    await harness.ask("/bitrise status", "Sample Android")
    await harness.users.command("anna", "builds", "/buildio use")
    await harness.slack.wait_for_modal("anna", "Commands that name no app will use this one")
    [staging] = await harness.users.options("anna", "pick_app", "staging")
    await harness.users.submit("anna", {"app": staging})
    await harness.wait_for_message("set this channel's app to shop-staging")
    await harness.ask("/bitrise status", "Sample Android")


# Subscriptions.


async def test_a_channel_is_notified_when_deployments_end_and_why_explains_it(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop workflow:deploy status:failed", "anna subscribed to")
    await harness.ask("/buildio subscribe shop workflow:web.*", "anna subscribed to")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    notification = await harness.wait_for_message("shop deployment v2", person=None)
    assert "Build failed: no Procfile" in harness.message_text(notification)
    for build in ("#2", "shop v2"):
        text = harness.message_text(await harness.ask(f"/buildio why {build}", "1. shop: all failures"))
        assert "Posted here" in text
        assert "2. " in text
        assert "Not posted: workflow" in text


async def test_recorded_builds_are_hidden_from_a_user_who_lost_access_after_their_app_list_was_cached(
    harness: BotHarness,
) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    await harness.wait_for_message("shop deployment v2", person=None)
    await harness.ask("/buildio why shop v2", "deployment v2", person="ben")
    ben = next(member for member in harness.buildio.members if member.startswith("ben"))
    harness.buildio.set_role(ben, harness.buildio.acme, None)
    for command in ("why shop v2", "why v2", "subscribe shop status:failed preview"):
        reply = await harness.ask(f"/buildio {command}", "can't find this", person="ben")
        assert "deployment" not in harness.message_text(reply)


async def test_a_preview_is_made_from_recorded_builds(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="main")
    harness.buildio.finish(harness.buildio.shop, error="Build failed: no Procfile")
    await harness.wait_for_message("shop deployment v2", person=None)
    text = harness.message_text(
        await harness.ask("/buildio subscribe shop status:failed preview", "builds match")
    )
    assert "1 of the last" in text
    assert "deployment v2" in text
    assert "nothing was subscribed" in text


async def test_subscriptions_of_both_providers_are_in_one_list(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    text = harness.message_text(await harness.ask("/buildio subscriptions", "Subscriptions"))
    assert "Build.io:" not in text
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    for command in ("/bitrise", "/buildio"):
        text = harness.message_text(await harness.ask(f"{command} subscriptions", "Subscriptions"))
        assert "1. Build.io · shop: all finished deployments" in text
        assert "2. Bitrise · Sample Android: all failures" in text
    await harness.ask("/buildio unsubscribe", "removed a subscription to shop")
    await harness.ask("/buildio unsubscribe", "Which app?")
    await harness.ask("/buildio unsubscribe 2", "removed a subscription to Sample Android")
    await harness.ask("/buildio subscriptions", "/buildio subscribe APP")


async def test_a_subscription_to_an_app_that_the_bot_cannot_see_is_refused(harness: BotHarness) -> None:
    harness.buildio.set_role("build-service", harness.buildio.labs, None)
    text = harness.message_text(
        await harness.ask("/buildio subscribe ledger", "You can see ledger at Build.io, but Buildbell can't")
    )
    assert "Bitrise" not in text
    await harness.ask("/buildio subscriptions", "No subscriptions here yet")


async def test_a_rule_about_one_provider_does_not_affect_the_other(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(NOBODY_SUBSCRIBES_AT_BUILDIO)
    async with bot_harness(tmp_path, policy_file=str(tmp_path / "policy.toml")) as harness:
        await harness.connect("anna", provider=BUILDIO)
        await harness.ask("/buildio subscribe shop", "No one can change subscriptions in shop here")
        await harness.ask("/buildio use shop", "No one can change subscriptions in shop here")
        await harness.ask("/bitrise subscribe android", "subscribed")


async def test_changing_subscriptions_at_build_io_needs_an_account_there(harness: BotHarness) -> None:
    people = harness.slack.workspace.users
    people["U0CARLA"] = replace(people["U0CARLA"], guest=False)
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio unsubscribe shop", "/buildio connect", person="carla")
    await harness.ask("/bitrise subscribe android", "subscribed", person="carla")


# Forms.


async def test_the_subscription_form_offers_the_apps_own_workflows_and_branches(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio subscribe")
    opened = await harness.slack.wait_for_modal("anna", "Exclude branches")
    assert "Deployments (deploy) and processes (web.1)" in harness.slack.modal_text(opened)
    [group] = await harness.users.options("anna", "pick_app", "shop-st")
    await harness.users.set_value("anna", "pick_app", group["options"][0])
    await harness.wait_until(lambda: harness.buildio.staging.id in opened.view["private_metadata"])
    for typed, expected in (("", ["deploy", "web.*", "web.1"]), ("worker", ["worker"])):
        options = await harness.users.options("anna", "pick_workflow", typed)
        assert [option["text"]["text"] for option in options] == expected
    branches = await harness.users.options("anna", "pick_branch", "", block_id="branches")
    assert [branch["text"]["text"] for branch in branches] == ["main"]
    await harness.users.submit("anna", {"workflows": options, "more": "target:main"})
    assert "For example: by:@me -by:bot" in opened.errors["more"]
    await harness.users.submit("anna", {"more": "by:@me"})
    await harness.wait_for_message("anna subscribed to")
    await harness.ask(
        "/buildio subscriptions",
        "shop-staging: all finished deployments, dyno crashes and recoveries with workflow `worker`, by @anna",
    )


async def test_the_form_that_edits_a_subscription_uses_its_providers_terms(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop branch:main", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "1. shop: all finished")
    await harness.users.click("anna", listed, "Edit")
    opened = await harness.slack.wait_for_modal("anna", "Notifications for shop")
    assert "Deployments (deploy) and processes (web.1)" in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"results": ["All failures"], "more": "-by:bot"})
    await harness.wait_for_message("anna changed a subscription. Now: shop: all failures")


async def test_the_home_finds_apps_of_both_providers_and_subscriptions_name_theirs(
    harness: BotHarness,
) -> None:
    await harness.connect("anna")
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.users.open_home("anna")
    await harness.wait_until(lambda: "Build.io · shop: all finished deployments" in read_home(harness))
    assert "Bitrise · Sample Android: all finished builds" in read_home(harness)
    assert "Connected as `anna-berg@acme.example`." in read_home(harness)
    found = await harness.users.options("anna", "pick_app", "s")
    assert option_texts(found)["Build.io"] == ["shop", "shop-pr-42", "shop-staging"]
    assert "Sample Android" in option_texts(found)["Bitrise"]
    shop = next(group for group in found if group["label"]["text"] == "Build.io")["options"][0]
    await harness.users.set_value("anna", "pick_app", shop)
    opened = await harness.slack.wait_for_modal("anna", "3 of 3 up")
    await harness.users.set_value("anna", "Subscribe…")
    opened = await harness.slack.wait_for_modal("anna", "Exclude branches")
    assert "shop" in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"channel": "C0RANDOM"})
    await harness.wait_for_message("anna subscribed to", channel="random")


async def test_an_app_of_the_other_provider_can_be_picked_in_the_form(harness: BotHarness) -> None:
    await harness.connect("anna")
    await harness.users.command("anna", "builds", "/bitrise subscribe")
    opened = await harness.slack.wait_for_modal("anna", "Exclude branches")
    found = await harness.users.options("anna", "pick_app", "shop")
    assert [*option_texts(found)] == ["Bitrise", "Build.io"]
    shop = found[1]["options"][0]
    await harness.users.set_value("anna", "pick_app", shop)
    await harness.wait_until(lambda: "Deployments (deploy)" in harness.slack.modal_text(opened))
    await harness.users.submit("anna", {})
    await harness.wait_for_message("all finished deployments")
    await harness.ask("/buildio unsubscribe shop", "removed a subscription to shop")
