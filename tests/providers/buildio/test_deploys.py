"""Deployments at Build.io."""

from __future__ import annotations

from typing import Any

from providers.buildio.provider import BUILDIO
from tests.providers.buildio.conftest import HarnessWithRules
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


def requested_builds(harness: BotHarness) -> list[Any]:
    """Return the requested builds."""
    return [
        request.body
        for request in harness.buildio.requests
        if request.method == "POST" and request.path.endswith("/builds")
    ]


async def open_form(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio deploy")
    await harness.slack.wait_for_modal("anna", "Branch")


async def test_a_branch_is_deployed_and_the_channel_sees_build_ios_response(harness: BotHarness) -> None:
    post = await harness.ask(
        '/buildio deploy shop branch:main message:"the fix"', "anna started deploying shop v2"
    )
    text = harness.message_text(post)
    assert "from `main`" in text
    assert "the fix" in text
    assert post.only_for is None
    [body] = requested_builds(harness)
    assert body == {"branch": "main", "description": "the fix"}
    assert harness.buildio.shop.deployments[-1].by == "anna-berg@acme.example"


async def test_a_commit_is_deployed_as_a_commit(harness: BotHarness) -> None:
    await harness.ask("/buildio deploy shop commit:1f3a9bc", "anna started deploying shop v2")
    assert requested_builds(harness) == [{"commitish": "1f3a9bc"}]


async def test_without_arguments_a_form_opens(harness: BotHarness) -> None:
    await open_form(harness)
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop-st")
    await harness.users.submit("anna", {"app": option, "branch": "develop"})
    await harness.wait_for_message("anna started deploying shop-staging v2")
    assert requested_builds(harness) == [{"branch": "develop"}]


async def test_the_form_is_prefilled_with_the_channels_app(harness: BotHarness) -> None:
    await harness.ask("/buildio use shop-staging", "channel's app")
    await open_form(harness)
    await harness.users.submit("anna", {"branch": "develop"})
    await harness.wait_for_message("anna started deploying shop-staging v2")


async def test_invalid_input_is_explained_at_its_field_and_kept(
    harness: BotHarness,
) -> None:
    await open_form(harness)
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop")
    filled = {"app": option, "branch": "main~1", "commit": "abc"}
    await harness.users.submit("anna", filled)
    modal = harness.users.modal("anna")
    assert modal is not None
    assert modal.errors["commit"] == "Give a branch or a commit, not both."
    assert "isn't a valid branch name" in modal.errors["branch"]
    assert modal.entered == filled
    assert requested_builds(harness) == []


async def test_a_button_on_the_apps_card_opens_the_form_with_the_app(harness: BotHarness) -> None:
    card = await harness.ask("/buildio app shop", "shop")
    await harness.users.click("anna", card, "Deploy…")
    await harness.slack.wait_for_modal("anna", "shop")
    await harness.users.submit("anna", {"branch": "main"})
    await harness.wait_for_message("anna started deploying shop v2")


async def test_the_form_has_the_app_that_commands_in_the_channel_mean(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed to")
    await open_form(harness)
    await harness.users.submit("anna", {"branch": "main"})
    await harness.wait_for_message("anna started deploying shop v2")


async def test_a_mention_gets_a_button_for_the_form_since_it_can_not_open_one(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio deploy")
    post = await harness.wait_for_message("Fill in a form to deploy an app.")
    await harness.users.click("anna", post, "Deploy…")
    await harness.slack.wait_for_modal("anna", "Branch")


async def test_a_forbidden_action_is_refused_in_command_and_form(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(NOBODY) as harness:
        await harness.ask("/buildio deploy shop", "No one can deploy in shop here")
        card = await harness.ask("/buildio app shop", "shop")
        await harness.users.click("anna", card, "Deploy…")
        await harness.slack.wait_for_modal("anna", "Branch")
        await harness.users.submit("anna", {"branch": "main"})
        modal = await harness.slack.wait_for_modal("anna", "No one can deploy")
        assert modal.entered == {"branch": "main"}
        assert requested_builds(harness) == []


async def test_production_needs_an_approval_and_staging_does_not(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(SECOND) as harness:
        await harness.ask(
            "/buildio deploy shop-staging", "ben started deploying shop-staging v2", person="ben"
        )
        before = harness.last("builds", None)
        await harness.users.command("ben", "builds", "/buildio deploy shop branch:main")
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert "ben requests approval to deploy shop (branch main)" in harness.message_text(post)
        assert len(requested_builds(harness)) == 1
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben started deploying shop v2", person=None)
        assert harness.buildio.shop.deployments[-1].by == "ben-okafor@acme.example"


async def test_a_viewer_sees_build_ios_own_refusal(harness: BotHarness) -> None:
    await harness.ask(
        "/buildio deploy shop", "Your Build.io account isn't allowed to do this", person="carla"
    )
    assert len(harness.buildio.shop.deployments) == 1


async def test_a_person_without_account_is_asked_to_connect(harness: BotHarness) -> None:
    await harness.disconnect("ben", provider=BUILDIO)
    await harness.ask("/buildio deploy shop", "`/buildio connect`", person="ben")
    assert requested_builds(harness) == []


async def test_a_lost_response_is_explained_and_the_build_requested_once(harness: BotHarness) -> None:
    harness.buildio.fault("POST */builds", "answer_lost")
    await harness.ask("/buildio deploy shop branch:main", "this may or may not have happened")
    assert len(requested_builds(harness)) == 1
    assert len(harness.buildio.shop.deployments) == 2


async def test_the_input_is_kept_after_a_late_refusal(harness: BotHarness) -> None:
    await harness.users.command("carla", "builds", "/buildio deploy")
    await harness.slack.wait_for_modal("carla", "Branch")
    [option, *_] = await harness.users.options("carla", "buildio_pick_app", "shop")
    harness.buildio.fault("POST */builds", "slow", seconds=2)
    await harness.users.submit("carla", {"app": option, "branch": "keep-me"})
    await harness.slack.wait_for_modal("carla", "Deploying shop")
    modal = await harness.slack.wait_for_modal("carla", "⚠️")
    assert "keep-me" in harness.slack.modal_text(modal)
    assert "Build.io account isn't allowed to do this" in harness.slack.modal_text(modal)
    assert len(harness.buildio.shop.deployments) == 1


async def test_if_the_bot_can_not_post_the_person_is_notified(harness: BotHarness) -> None:
    await harness.users.command("anna", "release", "/buildio deploy")
    await harness.slack.wait_for_modal("anna", "Branch")
    [option, *_] = await harness.users.options("anna", "buildio_pick_app", "shop")
    await harness.users.submit("anna", {"app": option, "branch": "main"})
    await harness.wait_for_message("anna started deploying shop", channel="D0ANNA")


async def test_a_slow_form_is_announced_and_opens(harness: BotHarness) -> None:
    await harness.ask("/buildio ps shop", "3 processes")
    harness.buildio.fault("GET */dynos/list", "slow", seconds=2)
    await harness.users.command("anna", "builds", "/buildio restart shop")
    await harness.slack.wait_for_modal("anna", "One moment")
    await harness.slack.wait_for_modal("anna", "Work in progress stops")


async def test_a_slow_form_shows_its_error(harness: BotHarness) -> None:
    harness.buildio.fault("GET */teams", "slow", seconds=2)
    await harness.users.command("anna", "builds", "/buildio create team:acm")
    await harness.slack.wait_for_modal("anna", "One moment")
    await harness.slack.wait_for_modal("anna", "No team named acm")


async def test_deploying_again_is_prefilled_with_the_last_deployment(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    harness.buildio.deploy(harness.buildio.shop, branch="release/2", commit="0123456789abcdef")
    harness.buildio.finish(harness.buildio.shop, error="the build failed")
    post = await harness.wait_for_message("deployment v2 failed", person=None)
    await harness.users.click("anna", post, "Deploy again…")
    modal = await harness.slack.wait_for_modal("anna", "Previous deployment")
    text = harness.slack.modal_text(modal)
    assert "branch `release/2`" in text
    assert "commit `0123456789abcdef`" in text
    await harness.users.submit("anna", {})
    await harness.wait_for_message("anna started deploying shop v3")
    assert requested_builds(harness)[-1] == {"branch": "release/2"}
