"""Deploying an app at Build.io."""

from __future__ import annotations

from typing import Any

from domain.provider import Provider
from tests.providers.buildio.conftest import Governed
from tests.support.bot_harness import BotHarness

NOBODY = """
[[rule]]
allow = ["deploy"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["deploy"]
stages = ["production"]
who = ["U0ANNA", "U0BEN"]
"""


def asked(harness: BotHarness) -> list[Any]:
    """What Build.io was asked to build."""
    return [
        one.body for one in harness.buildio.requests if one.method == "POST" and one.path.endswith("/builds")
    ]


async def open_form(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio deploy")
    await harness.slack.wait_for_modal("anna", "Branch")


async def test_a_branch_goes_live_and_the_channel_hears_what_build_io_said(harness: BotHarness) -> None:
    said = await harness.ask('/buildio deploy shop branch:main message:"the fix"', "anna deploys shop v2")
    words = harness.message_text(said)
    assert "branch `main`" in words
    assert "the fix" in words
    assert said.only_for is None
    [body] = asked(harness)
    assert body == {"branch": "main", "description": "the fix"}
    assert harness.buildio.shop.deployments[-1].by == "anna-berg@acme.example"


async def test_a_commit_is_asked_for_as_a_commit(harness: BotHarness) -> None:
    await harness.ask("/buildio deploy shop commit:1f3a9bc", "anna deploys shop v2")
    assert asked(harness) == [{"commitish": "1f3a9bc"}]


async def test_without_words_a_form_asks(harness: BotHarness) -> None:
    await open_form(harness)
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop-st")
    await harness.users.submit("anna", {"app": option, "branch": "develop"})
    await harness.wait_for_message("anna deploys shop-staging v2")
    assert asked(harness) == [{"branch": "develop"}]


async def test_the_form_begins_with_the_channels_app(harness: BotHarness) -> None:
    await harness.ask("/buildio use shop-staging", "channel's app")
    await open_form(harness)
    await harness.users.submit("anna", {"branch": "develop"})
    await harness.wait_for_message("anna deploys shop-staging v2")


async def test_what_is_wrong_in_the_form_is_said_at_the_field_and_nothing_typed_is_lost(
    harness: BotHarness,
) -> None:
    await open_form(harness)
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop")
    filled = {"app": option, "branch": "main~1", "commit": "abc"}
    await harness.users.submit("anna", filled)
    opened = harness.users.modal("anna")
    assert opened is not None
    assert opened.errors["commit"] == "Give a branch or a commit, not both."
    assert "not the name of a branch" in opened.errors["branch"]
    assert opened.entered == filled
    assert asked(harness) == []


async def test_a_button_on_the_apps_card_opens_the_form_with_the_app(harness: BotHarness) -> None:
    card = await harness.ask("/buildio app shop", "shop")
    await harness.users.click("anna", card, "Deploy…")
    await harness.slack.wait_for_modal("anna", "shop")
    await harness.users.submit("anna", {"branch": "main"})
    await harness.wait_for_message("anna deploys shop v2")


async def test_a_mention_gets_a_button_for_the_form_since_it_can_not_open_one(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio deploy")
    offered = await harness.wait_for_message("Which app, which branch?")
    await harness.users.click("anna", offered, "Deploy…")
    await harness.slack.wait_for_modal("anna", "Branch")


async def test_whom_a_rule_forbids_it_is_refused_in_words_and_form_alike(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(NOBODY) as town:
        await town.ask("/buildio deploy shop", "Nobody may deploy of shop here")
        card = await town.ask("/buildio app shop", "shop")
        await town.users.click("anna", card, "Deploy…")
        await town.slack.wait_for_modal("anna", "Branch")
        await town.users.submit("anna", {"branch": "main"})
        opened = await town.slack.wait_for_modal("anna", "Nobody may deploy")
        assert opened.entered == {"branch": "main"}
        assert asked(town) == []


async def test_production_needs_a_second_person_and_staging_does_not(harness_with_rules: Governed) -> None:
    async with harness_with_rules(SECOND) as town:
        await town.ask("/buildio deploy shop-staging", "ben deploys shop-staging v2", person="ben")
        before = town.last("builds", None)
        await town.users.command("ben", "builds", "/buildio deploy shop branch:main")
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to deploy shop (branch main)" in town.message_text(wanted)
        assert len(asked(town)) == 1
        await town.users.click("anna", wanted, "Agree")
        await town.wait_for_message("ben deploys shop v2", person=None)
        assert town.buildio.shop.deployments[-1].by == "ben-okafor@acme.example"


async def test_who_may_only_look_hears_build_ios_own_refusal(harness: BotHarness) -> None:
    await harness.ask(
        "/buildio deploy shop", "Your account has no right to do this at Build.io", person="carla"
    )
    assert len(harness.buildio.shop.deployments) == 1


async def test_who_has_no_account_is_told_to_connect(harness: BotHarness) -> None:
    await harness.disconnect("ben", provider=Provider.BUILDIO)
    await harness.ask("/buildio deploy shop", "`/buildio connect`", person="ben")
    assert asked(harness) == []


async def test_a_lost_answer_is_said_as_such_and_the_build_is_asked_for_once(harness: BotHarness) -> None:
    harness.buildio.fault("POST */builds", "answer_lost")
    await harness.ask("/buildio deploy shop branch:main", "it may or may not have happened")
    assert len(asked(harness)) == 1
    assert len(harness.buildio.shop.deployments) == 2


async def test_what_was_typed_survives_a_refusal_that_comes_late(harness: BotHarness) -> None:
    await harness.users.command("carla", "builds", "/buildio deploy")
    await harness.slack.wait_for_modal("carla", "Branch")
    [option, *_] = await harness.users.options("carla", "buildio_pick_app", "shop")
    harness.buildio.fault("POST */builds", "slow", seconds=2)
    await harness.users.submit("carla", {"app": option, "branch": "keep-me"})
    await harness.slack.wait_for_modal("carla", "Deploying shop")
    opened = await harness.slack.wait_for_modal("carla", "⚠️")
    assert "keep-me" in harness.slack.modal_text(opened)
    assert "no right to do this" in harness.slack.modal_text(opened)
    assert len(harness.buildio.shop.deployments) == 1


async def test_where_the_bot_may_not_write_the_person_hears_of_it(harness: BotHarness) -> None:
    await harness.users.command("anna", "release", "/buildio deploy")
    await harness.slack.wait_for_modal("anna", "Branch")
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop")
    await harness.users.submit("anna", {"app": option, "branch": "main"})
    await harness.wait_for_message("anna deploys shop", channel="D0ANNA")


async def test_a_form_that_takes_long_is_announced_and_comes(harness: BotHarness) -> None:
    await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.fault("GET */dynos/list", "slow", seconds=2)
    await harness.users.command("anna", "builds", "/buildio restart shop")
    await harness.slack.wait_for_modal("anna", "One moment")
    await harness.slack.wait_for_modal("anna", "What they are doing is cut off")


async def test_a_form_that_takes_long_says_itself_what_went_wrong(harness: BotHarness) -> None:
    harness.buildio.fault("GET */teams", "slow", seconds=2)
    await harness.users.command("anna", "builds", "/buildio create team:acm")
    await harness.slack.wait_for_modal("anna", "One moment")
    await harness.slack.wait_for_modal("anna", "I don't know a team called acm")


async def test_deploying_again_begins_with_what_was_deployed(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="release/2", commit="0123456789abcdef")
    harness.buildio.finish(harness.buildio.shop, error="the build failed")
    post = await harness.wait_for_message("deployment v2 failed", person=None)
    await harness.users.click("anna", post, "Deploy again…")
    opened = await harness.slack.wait_for_modal("anna", "Deployed before")
    words = harness.slack.modal_text(opened)
    assert "branch `release/2`" in words
    assert "commit `0123456789abcdef`" in words
    await harness.users.submit("anna", {})
    await harness.wait_for_message("anna deploys shop v3")
    assert asked(harness)[-1] == {"branch": "release/2"}
