"""Namespaces at Build.io: seen, made, and deleted once their name was typed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.models import OpenView
from tests.providers.buildio.conftest import Governed
from tests.support.bot_harness import BotHarness

NOBODY = """
[[rule]]
allow = ["delete", "create"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["delete"]
who = ["U0ANNA", "U0BEN"]
"""
GOES = "is deleted with all that is in it"


def asked(harness: BotHarness, method: str) -> list[Any]:
    return [one for one in harness.buildio.requests if one.method == method and "/namespaces" in one.path]


def names(harness: BotHarness) -> list[str]:
    return [one.name for one in harness.buildio.state.namespaces]


async def open_delete(
    harness: BotHarness, words: str = "/buildio namespaces delete acme-internal"
) -> OpenView:
    await harness.users.command("anna", "builds", words)
    return await harness.slack.wait_for_modal("anna", GOES)


async def test_they_are_listed_and_one_is_shown(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio namespaces", "1 namespace")
    assert "Inner tools" in harness.message_text(listed)
    await harness.ask("/buildio namespace acme-internal", "acme-internal")
    await harness.ask("/buildio namespace acme-intern", "Did you mean acme-internal")


async def test_one_is_made_by_words(harness: BotHarness) -> None:
    words = '/buildio namespaces create payments team:acme region:us description:"All that charges cards"'
    said = await harness.ask(words, "anna created the namespace payments")
    assert said.only_for is None
    [request] = asked(harness, "POST")
    assert request.body == {
        "name": "payments",
        "team_id": harness.buildio.acme.id,
        "region": "us",
        "description": "All that charges cards",
    }


async def test_one_is_made_by_the_form_that_the_list_offers(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio namespaces", "1 namespace")
    await harness.users.click("anna", listed, "Create a namespace…")
    opened = await harness.slack.wait_for_modal("anna", "Region")
    await harness.users.submit("anna", {"name": "acme-internal", "description": "keep me"})
    await harness.slack.wait_for_modal("anna", "Build.io refuses")
    assert opened.entered == {"name": "acme-internal", "description": "keep me"}
    await harness.users.submit("anna", {"name": "payments", "description": "keep me"})
    await harness.wait_for_message("anna created the namespace payments")
    assert names(harness) == ["acme-internal", "payments"]


async def test_one_is_deleted_once_its_name_was_typed(harness: BotHarness) -> None:
    await open_delete(harness)
    assert names(harness) == ["acme-internal"]
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the namespace acme-internal")
    assert names(harness) == []


@pytest.mark.parametrize("typed", ["acme", "ACME-INTERNAL", "acme-internal2"])
async def test_another_name_deletes_nothing(harness: BotHarness, typed: str) -> None:
    opened = await open_delete(harness)
    await harness.users.submit("anna", {"typed_name": typed})
    await harness.slack.wait_for_modal("anna", "That is not the name. Nothing was done.")
    assert opened.errors == {"typed_name": "That is not the name. Nothing was done."}
    assert opened.entered == {"typed_name": typed}
    assert asked(harness, "DELETE") == []


async def test_its_id_opens_the_form_but_its_name_is_what_must_be_typed(harness: BotHarness) -> None:
    await open_delete(harness, f"/buildio namespaces delete {harness.buildio.namespace.id}")
    await harness.users.submit("anna", {"typed_name": harness.buildio.namespace.id})
    await harness.slack.wait_for_modal("anna", "That is not the name")
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the namespace acme-internal")


async def test_without_a_name_it_is_asked_which_and_the_name_once_more(harness: BotHarness) -> None:
    await open_delete(harness, "/buildio namespaces delete")
    await harness.users.submit("anna", {"namespace": "nothing", "typed_name": "nothing"})
    await harness.slack.wait_for_modal("anna", "I don't know a namespace called nothing")
    await harness.users.submit("anna", {"namespace": "acme-internal", "typed_name": "acme"})
    await harness.slack.wait_for_modal("anna", "That is not the name")
    await harness.users.submit("anna", {"namespace": "acme-internal", "typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the namespace acme-internal")


async def test_the_button_on_its_card_asks_for_the_name_too(harness: BotHarness) -> None:
    card = await harness.ask("/buildio namespace acme-internal", "acme-internal")
    await harness.users.click("anna", card, "Delete…")
    await harness.slack.wait_for_modal("anna", GOES)
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the namespace acme-internal")


async def test_a_mention_gets_a_button_for_the_question(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio namespaces delete acme-internal")
    offered = await harness.wait_for_message("its name is typed in a form")
    await harness.users.click("anna", offered, "Delete…")
    await harness.slack.wait_for_modal("anna", GOES)
    assert names(harness) == ["acme-internal"]


async def test_one_with_apps_in_it_is_refused_in_build_ios_words_and_the_form_stays(
    harness: BotHarness,
) -> None:
    harness.buildio.shop.namespace = harness.buildio.namespace
    opened = await open_delete(harness)
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.slack.wait_for_modal("anna", "acme-internal is not empty: shop")
    assert opened.entered == {"typed_name": "acme-internal"}


async def test_whom_a_rule_forbids_it_is_refused(harness_with_rules: Governed) -> None:
    async with harness_with_rules(NOBODY) as town:
        await town.ask("/buildio namespaces create payments", "Nobody may create apps and namespaces")
        await open_delete(town)
        await town.users.submit("anna", {"typed_name": "acme-internal"})
        await town.slack.wait_for_modal("anna", "Nobody may delete namespaces")
        assert names(town) == ["acme-internal"]
        assert asked(town, "DELETE") == []


async def test_what_is_protected_waits_for_a_second_person(harness_with_rules: Governed) -> None:
    async with harness_with_rules(SECOND) as town:
        before = town.last("builds", None)
        await town.users.command("ben", "builds", "/buildio namespaces delete acme-internal")
        await town.slack.wait_for_modal("ben", GOES)
        await town.users.submit("ben", {"typed_name": "acme-internal"})
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to delete the namespace acme-internal" in town.message_text(wanted)
        assert names(town) == ["acme-internal"]
        await town.users.click("anna", wanted, "Agree")
        await town.wait_for_message("ben deleted the namespace acme-internal", person=None)
        assert names(town) == []


async def test_a_lost_answer_is_said_as_such(harness: BotHarness) -> None:
    await open_delete(harness)
    harness.buildio.fault("DELETE */namespaces/*", "answer_lost")
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.slack.wait_for_modal("anna", "it may or may not have happened")
    assert len(asked(harness, "DELETE")) == 1
