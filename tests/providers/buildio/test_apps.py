"""Making apps at Build.io."""

from __future__ import annotations

from typing import Any

from tests.providers.buildio.conftest import Governed
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


def asked(harness: BotHarness) -> list[Any]:
    """What Build.io was asked to make."""
    return [
        one.body for one in harness.buildio.requests if one.method == "POST" and one.path.endswith("/apps")
    ]


async def test_an_app_is_made_by_words_and_can_be_deployed_from_where_it_is_told(harness: BotHarness) -> None:
    said = await harness.ask("/buildio create shop-qa team:acme region:us", "anna created the app shop-qa")
    assert said.only_for is None
    assert asked(harness) == [{"name": "shop-qa", "team_id": harness.buildio.acme.id, "region": "us"}]
    await harness.users.click("anna", said, "Deploy…")
    await harness.slack.wait_for_modal("anna", "shop-qa")


async def test_a_new_app_is_known_at_once(harness: BotHarness) -> None:
    await harness.ask("/buildio apps", "shop")
    await harness.ask("/buildio create shop-qa team:acme", "anna created the app shop-qa")
    await harness.ask("/buildio ps shop-qa", "shop-qa has no processes now")


async def test_without_a_name_a_form_asks_and_offers_the_teams(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create")
    await harness.slack.wait_for_modal("anna", "Region")
    [team] = await harness.users.options("anna", "buildio_pick_team", "ac")
    await harness.users.submit("anna", {"name": "shop-qa", "team": team})
    await harness.wait_for_message("anna created the app shop-qa")
    assert asked(harness) == [{"name": "shop-qa", "team_id": harness.buildio.acme.id}]


async def test_the_form_begins_with_what_was_typed(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create team:acme region:us")
    opened = await harness.slack.wait_for_modal("anna", "acme")
    assert "us" in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"name": "shop-qa"})
    await harness.wait_for_message("anna created the app shop-qa")
    assert asked(harness) == [{"name": "shop-qa", "team_id": harness.buildio.acme.id, "region": "us"}]


async def test_a_name_that_can_not_be_is_said_at_the_field_and_stays(harness: BotHarness) -> None:
    await harness.users.command("anna", "builds", "/buildio create")
    opened = await harness.slack.wait_for_modal("anna", "Region")
    await harness.users.submit("anna", {"name": "shop qa", "region": "us"})
    assert opened.errors == {"name": "A name has no spaces and no slashes."}
    assert opened.entered == {"name": "shop qa", "region": "us"}
    await harness.users.submit("anna", {"name": "shop"})
    await harness.slack.wait_for_modal("anna", "Build.io refuses")
    assert list(opened.errors) == ["name"]
    assert len(harness.buildio.state.apps) == 4


async def test_a_name_that_can_not_be_is_refused_in_words_too(harness: BotHarness) -> None:
    await harness.ask("/buildio create shop/qa", "A name has no spaces and no slashes")
    await harness.ask("/buildio create shop-qa team:acm", "I don't know a team called acm")
    assert asked(harness) == []


async def test_whom_a_rule_forbids_it_is_refused_in_words_and_form_alike(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(NOBODY) as town:
        refused = "Nobody may create apps and namespaces here"
        await town.ask("/buildio create shop-qa", refused)
        await town.users.command("anna", "builds", "/buildio create")
        opened = await town.slack.wait_for_modal("anna", "Region")
        await town.users.submit("anna", {"name": "shop-qa"})
        await town.slack.wait_for_modal("anna", refused)
        assert opened.entered == {"name": "shop-qa"}
        assert asked(town) == []


async def test_what_is_protected_names_the_team_and_waits_for_a_second_person(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(SECOND) as town:
        before = town.last("builds", None)
        await town.users.command("ben", "builds", "/buildio create shop-qa team:acme")
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to create the app shop-qa for the team acme" in town.message_text(wanted)
        assert asked(town) == []
        await town.users.click("anna", wanted, "Agree")
        await town.wait_for_message("ben created the app shop-qa", person=None)
        assert asked(town) == [{"name": "shop-qa", "team_id": town.buildio.acme.id}]


async def test_a_lost_answer_is_said_as_such_and_nothing_is_asked_twice(harness: BotHarness) -> None:
    harness.buildio.fault("POST */apps", "answer_lost")
    await harness.ask("/buildio create shop-qa", "it may or may not have happened")
    assert len(asked(harness)) == 1


async def test_a_mention_gets_a_button_for_the_form(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio create")
    offered = await harness.wait_for_message("What is the app called?")
    await harness.users.click("anna", offered, "Create an app…")
    await harness.slack.wait_for_modal("anna", "Region")
