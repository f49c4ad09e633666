"""Creation of apps at Build.io."""

from __future__ import annotations

from typing import Any

from tests.providers.buildio.conftest import HarnessWithRules
from tests.support.bot_harness import BotHarness

NOBODY = """
[[rule]]
allow = ["create"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["create"]
who = ["U0ANNA", "U0BEN"]
"""


def requested_apps(harness: BotHarness) -> list[Any]:
    """Return the requested apps."""
    return [
        request.body
        for request in harness.buildio.requests
        if request.method == "POST" and request.path.endswith("/apps")
    ]


async def test_an_app_is_created_by_command_and_deployed_from_its_message(harness: BotHarness) -> None:
    post = await harness.ask("/buildio create shop-qa team:acme region:us", "anna created the app shop-qa")
    assert post.only_for is None
    assert requested_apps(harness) == [
        {"name": "shop-qa", "team_id": harness.buildio.acme.id, "region": "us"}
    ]
    await harness.users.click("anna", post, "Deploy…")
    await harness.slack.wait_for_modal("anna", "shop-qa")


async def test_a_new_app_is_found_at_once(harness: BotHarness) -> None:
    await harness.ask("/buildio apps", "shop")
    await harness.ask("/buildio create shop-qa team:acme", "anna created the app shop-qa")
    await harness.ask("/buildio ps shop-qa", "shop-qa has no processes.")


async def test_without_a_name_a_form_opens_and_offers_the_teams(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create")
    await harness.slack.wait_for_modal("anna", "Region")
    [team] = await harness.users.options("anna", "buildio_pick_team", "ac")
    await harness.users.submit("anna", {"name": "shop-qa", "team": team})
    await harness.wait_for_message("anna created the app shop-qa")
    assert requested_apps(harness) == [{"name": "shop-qa", "team_id": harness.buildio.acme.id}]


async def test_the_form_is_prefilled_with_the_typed_arguments(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create team:acme region:us")
    modal = await harness.slack.wait_for_modal("anna", "acme")
    assert "us" in harness.slack.modal_text(modal)
    await harness.users.submit("anna", {"name": "shop-qa"})
    await harness.wait_for_message("anna created the app shop-qa")
    assert requested_apps(harness) == [
        {"name": "shop-qa", "team_id": harness.buildio.acme.id, "region": "us"}
    ]


async def test_an_invalid_name_is_explained_at_its_field_and_kept(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create")
    modal = await harness.slack.wait_for_modal("anna", "Region")
    await harness.users.submit("anna", {"name": "shop qa", "region": "us"})
    assert modal.errors == {"name": "A name can't contain spaces or slashes."}
    assert modal.entered == {"name": "shop qa", "region": "us"}
    await harness.users.submit("anna", {"name": "shop"})
    await harness.slack.wait_for_modal("anna", "Build.io rejected this")
    assert list(modal.errors) == ["name"]
    assert len(harness.buildio.state.apps) == 4


async def test_an_invalid_name_is_refused_in_a_command_too(harness: BotHarness) -> None:
    await harness.ask("/buildio create shop/qa", "A name can't contain spaces or slashes")
    await harness.ask("/buildio create shop-qa team:acm", "No team named `acm`")
    assert requested_apps(harness) == []


async def test_a_forbidden_action_is_refused_in_command_and_form(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(NOBODY) as harness:
        refused = "No one can create apps and namespaces here"
        await harness.ask("/buildio create shop-qa", refused)
        await harness.users.command("anna", "builds", "/buildio create")
        modal = await harness.slack.wait_for_modal("anna", "Region")
        await harness.users.submit("anna", {"name": "shop-qa"})
        await harness.slack.wait_for_modal("anna", refused)
        assert modal.entered == {"name": "shop-qa"}
        assert requested_apps(harness) == []


async def test_a_protected_creation_names_the_team_and_waits_for_an_approval(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(SECOND) as harness:
        before = harness.last("builds", None)
        await harness.users.command("ben", "builds", "/buildio create shop-qa team:acme")
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert "ben requests approval to create the app shop-qa for the team acme" in harness.message_text(
            post
        )
        assert requested_apps(harness) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben created the app shop-qa", person=None)
        assert requested_apps(harness) == [{"name": "shop-qa", "team_id": harness.buildio.acme.id}]


async def test_a_lost_response_is_explained_and_the_request_not_retried(harness: BotHarness) -> None:
    harness.buildio.fault("POST */apps", "answer_lost")
    await harness.ask("/buildio create shop-qa", "this may or may not have happened")
    assert len(requested_apps(harness)) == 1


async def test_a_mention_gets_a_button_for_the_form(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio create")
    post = await harness.wait_for_message("Fill in a form to create an app.")
    await harness.users.click("anna", post, "Create an app…")
    await harness.slack.wait_for_modal("anna", "Region")
