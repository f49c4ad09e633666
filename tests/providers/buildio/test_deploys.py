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


def asked(town: BotHarness) -> list[Any]:
    """What Build.io was asked to build."""
    return [
        one.body for one in town.buildio.requests if one.method == "POST" and one.path.endswith("/builds")
    ]


async def open_form(town: BotHarness) -> None:
    await town.people.command("anna", "builds", "/buildio deploy")
    await town.slack.wait_for_modal("anna", "Branch")


async def test_a_branch_goes_live_and_the_channel_hears_what_build_io_said(town: BotHarness) -> None:
    said = await town.ask('/buildio deploy shop branch:main message:"the fix"', "anna deploys shop v2")
    words = town.message_text(said)
    assert "branch `main`" in words
    assert "the fix" in words
    assert said.only_for is None
    [body] = asked(town)
    assert body == {"branch": "main", "description": "the fix"}
    assert town.buildio.shop.deployments[-1].by == "anna-berg@acme.example"


async def test_a_commit_is_asked_for_as_a_commit(town: BotHarness) -> None:
    await town.ask("/buildio deploy shop commit:1f3a9bc", "anna deploys shop v2")
    assert asked(town) == [{"commitish": "1f3a9bc"}]


async def test_without_words_a_form_asks(town: BotHarness) -> None:
    await open_form(town)
    [option, *_] = await town.people.options("anna", "buildio_pick_app", "shop-st")
    await town.people.submit("anna", {"app": option, "branch": "develop"})
    await town.wait_for_message("anna deploys shop-staging v2")
    assert asked(town) == [{"branch": "develop"}]


async def test_the_form_begins_with_the_channels_app(town: BotHarness) -> None:
    await town.ask("/buildio use shop-staging", "channel's app")
    await open_form(town)
    await town.people.submit("anna", {"branch": "develop"})
    await town.wait_for_message("anna deploys shop-staging v2")


async def test_what_is_wrong_in_the_form_is_said_at_the_field_and_nothing_typed_is_lost(
    town: BotHarness,
) -> None:
    await open_form(town)
    [option, *_] = await town.people.options("anna", "buildio_pick_app", "shop")
    filled = {"app": option, "branch": "main~1", "commit": "abc"}
    await town.people.submit("anna", filled)
    opened = town.people.modal("anna")
    assert opened is not None
    assert opened.errors["commit"] == "Give a branch or a commit, not both."
    assert "not the name of a branch" in opened.errors["branch"]
    assert opened.filled == filled
    assert asked(town) == []


async def test_a_button_on_the_apps_card_opens_the_form_with_the_app(town: BotHarness) -> None:
    card = await town.ask("/buildio app shop", "shop")
    await town.people.click("anna", card, "Deploy…")
    await town.slack.wait_for_modal("anna", "shop")
    await town.people.submit("anna", {"branch": "main"})
    await town.wait_for_message("anna deploys shop v2")


async def test_a_mention_gets_a_button_for_the_form_since_it_can_not_open_one(town: BotHarness) -> None:
    town.people.invite("builds")
    town.people.say("anna", "builds", "@buildbell buildio deploy")
    offered = await town.wait_for_message("Which app, which branch?")
    await town.people.click("anna", offered, "Deploy…")
    await town.slack.wait_for_modal("anna", "Branch")


async def test_whom_a_rule_forbids_it_is_refused_in_words_and_form_alike(governed: Governed) -> None:
    async with governed(NOBODY) as town:
        await town.ask("/buildio deploy shop", "Nobody may deploy of shop here")
        card = await town.ask("/buildio app shop", "shop")
        await town.people.click("anna", card, "Deploy…")
        await town.slack.wait_for_modal("anna", "Branch")
        await town.people.submit("anna", {"branch": "main"})
        opened = await town.slack.wait_for_modal("anna", "Nobody may deploy")
        assert opened.filled == {"branch": "main"}
        assert asked(town) == []


async def test_production_needs_a_second_person_and_staging_does_not(governed: Governed) -> None:
    async with governed(SECOND) as town:
        await town.ask("/buildio deploy shop-staging", "ben deploys shop-staging v2", person="ben")
        before = town.last("builds", None)
        await town.people.command("ben", "builds", "/buildio deploy shop branch:main")
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to deploy shop (branch main)" in town.message_text(wanted)
        assert len(asked(town)) == 1
        await town.people.click("anna", wanted, "Agree")
        await town.wait_for_message("ben deploys shop v2", person=None)
        assert town.buildio.shop.deployments[-1].by == "ben-okafor@acme.example"


async def test_who_may_only_look_hears_build_ios_own_refusal(town: BotHarness) -> None:
    await town.ask("/buildio deploy shop", "Your account has no right to do this at Build.io", person="carla")
    assert len(town.buildio.shop.deployments) == 1


async def test_who_has_no_account_is_told_to_connect(town: BotHarness) -> None:
    await town.disconnect("ben", provider=Provider.BUILDIO)
    await town.ask("/buildio deploy shop", "`/buildio connect`", person="ben")
    assert asked(town) == []


async def test_a_lost_answer_is_said_as_such_and_the_build_is_asked_for_once(town: BotHarness) -> None:
    town.buildio.fault("POST */builds", "answer_lost")
    await town.ask("/buildio deploy shop branch:main", "it may or may not have happened")
    assert len(asked(town)) == 1
    assert len(town.buildio.shop.deployments) == 2


async def test_what_was_typed_survives_a_refusal_that_comes_late(town: BotHarness) -> None:
    await town.people.command("carla", "builds", "/buildio deploy")
    await town.slack.wait_for_modal("carla", "Branch")
    [option, *_] = await town.people.options("carla", "buildio_pick_app", "shop")
    town.buildio.fault("POST */builds", "slow", seconds=2)
    await town.people.submit("carla", {"app": option, "branch": "keep-me"})
    await town.slack.wait_for_modal("carla", "Deploying shop")
    opened = await town.slack.wait_for_modal("carla", "⚠️")
    assert "keep-me" in town.slack.modal_text(opened)
    assert "no right to do this" in town.slack.modal_text(opened)
    assert len(town.buildio.shop.deployments) == 1


async def test_where_the_bot_may_not_write_the_person_hears_of_it(town: BotHarness) -> None:
    await town.people.command("anna", "release", "/buildio deploy")
    await town.slack.wait_for_modal("anna", "Branch")
    [option, *_] = await town.people.options("anna", "buildio_pick_app", "shop")
    await town.people.submit("anna", {"app": option, "branch": "main"})
    await town.wait_for_message("anna deploys shop", channel="D0ANNA")


async def test_a_form_that_takes_long_is_announced_and_comes(town: BotHarness) -> None:
    await town.ask("/buildio ps shop", "3 processes")
    town.buildio.fault("GET */dynos/list", "slow", seconds=2)
    await town.people.command("anna", "builds", "/buildio restart shop")
    await town.slack.wait_for_modal("anna", "One moment")
    await town.slack.wait_for_modal("anna", "What they are doing is cut off")


async def test_a_form_that_takes_long_says_itself_what_went_wrong(town: BotHarness) -> None:
    town.buildio.fault("GET */teams", "slow", seconds=2)
    await town.people.command("anna", "builds", "/buildio create team:acm")
    await town.slack.wait_for_modal("anna", "One moment")
    await town.slack.wait_for_modal("anna", "I don't know a team called acm")


async def test_deploying_again_begins_with_what_was_deployed(town: BotHarness) -> None:
    await town.ask("/buildio subscribe shop", "subscribed")
    town.buildio.deploy(town.buildio.shop, branch="release/2", commit="0123456789abcdef")
    town.buildio.finish(town.buildio.shop, error="the build failed")
    post = await town.wait_for_message("deployment v2 failed", person=None)
    await town.people.click("anna", post, "Deploy again…")
    opened = await town.slack.wait_for_modal("anna", "Deployed before")
    words = town.slack.modal_text(opened)
    assert "branch `release/2`" in words
    assert "commit `0123456789abcdef`" in words
    await town.people.submit("anna", {})
    await town.wait_for_message("anna deploys shop v3")
    assert asked(town)[-1] == {"branch": "release/2"}
