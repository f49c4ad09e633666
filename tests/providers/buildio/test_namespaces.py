"""Namespaces at Build.io: seen, made, and deleted once their name was typed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.workspace import OpenView
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


def asked(town: BotHarness, method: str) -> list[Any]:
    return [one for one in town.buildio.requests if one.method == method and "/namespaces" in one.path]


def names(town: BotHarness) -> list[str]:
    return [one.name for one in town.buildio.platform.namespaces]


async def open_delete(town: BotHarness, words: str = "/buildio namespaces delete acme-internal") -> OpenView:
    await town.people.command("anna", "builds", words)
    return await town.slack.wait_for_modal("anna", GOES)


async def test_they_are_listed_and_one_is_shown(town: BotHarness) -> None:
    listed = await town.ask("/buildio namespaces", "1 namespace")
    assert "Inner tools" in town.message_text(listed)
    await town.ask("/buildio namespace acme-internal", "acme-internal")
    await town.ask("/buildio namespace acme-intern", "Did you mean acme-internal")


async def test_one_is_made_by_words(town: BotHarness) -> None:
    words = '/buildio namespaces create payments team:acme region:us description:"All that charges cards"'
    said = await town.ask(words, "anna created the namespace payments")
    assert said.only_for is None
    [request] = asked(town, "POST")
    assert request.body == {
        "name": "payments",
        "team_id": town.buildio.acme.id,
        "region": "us",
        "description": "All that charges cards",
    }


async def test_one_is_made_by_the_form_that_the_list_offers(town: BotHarness) -> None:
    listed = await town.ask("/buildio namespaces", "1 namespace")
    await town.people.click("anna", listed, "Create a namespace…")
    opened = await town.slack.wait_for_modal("anna", "Region")
    await town.people.submit("anna", {"name": "acme-internal", "description": "keep me"})
    await town.slack.wait_for_modal("anna", "Build.io refuses")
    assert opened.filled == {"name": "acme-internal", "description": "keep me"}
    await town.people.submit("anna", {"name": "payments", "description": "keep me"})
    await town.wait_for_message("anna created the namespace payments")
    assert names(town) == ["acme-internal", "payments"]


async def test_one_is_deleted_once_its_name_was_typed(town: BotHarness) -> None:
    await open_delete(town)
    assert names(town) == ["acme-internal"]
    await town.people.submit("anna", {"typed_name": "acme-internal"})
    await town.wait_for_message("anna deleted the namespace acme-internal")
    assert names(town) == []


@pytest.mark.parametrize("typed", ["acme", "ACME-INTERNAL", "acme-internal2"])
async def test_another_name_deletes_nothing(town: BotHarness, typed: str) -> None:
    opened = await open_delete(town)
    await town.people.submit("anna", {"typed_name": typed})
    await town.slack.wait_for_modal("anna", "That is not the name. Nothing was done.")
    assert opened.errors == {"typed_name": "That is not the name. Nothing was done."}
    assert opened.filled == {"typed_name": typed}
    assert asked(town, "DELETE") == []


async def test_its_id_opens_the_form_but_its_name_is_what_must_be_typed(town: BotHarness) -> None:
    await open_delete(town, f"/buildio namespaces delete {town.buildio.namespace.id}")
    await town.people.submit("anna", {"typed_name": town.buildio.namespace.id})
    await town.slack.wait_for_modal("anna", "That is not the name")
    await town.people.submit("anna", {"typed_name": "acme-internal"})
    await town.wait_for_message("anna deleted the namespace acme-internal")


async def test_without_a_name_it_is_asked_which_and_the_name_once_more(town: BotHarness) -> None:
    await open_delete(town, "/buildio namespaces delete")
    await town.people.submit("anna", {"namespace": "nothing", "typed_name": "nothing"})
    await town.slack.wait_for_modal("anna", "I don't know a namespace called nothing")
    await town.people.submit("anna", {"namespace": "acme-internal", "typed_name": "acme"})
    await town.slack.wait_for_modal("anna", "That is not the name")
    await town.people.submit("anna", {"namespace": "acme-internal", "typed_name": "acme-internal"})
    await town.wait_for_message("anna deleted the namespace acme-internal")


async def test_the_button_on_its_card_asks_for_the_name_too(town: BotHarness) -> None:
    card = await town.ask("/buildio namespace acme-internal", "acme-internal")
    await town.people.click("anna", card, "Delete…")
    await town.slack.wait_for_modal("anna", GOES)
    await town.people.submit("anna", {"typed_name": "acme-internal"})
    await town.wait_for_message("anna deleted the namespace acme-internal")


async def test_a_mention_gets_a_button_for_the_question(town: BotHarness) -> None:
    town.people.invite("builds")
    town.people.say("anna", "builds", "@buildbell buildio namespaces delete acme-internal")
    offered = await town.wait_for_message("its name is typed in a form")
    await town.people.click("anna", offered, "Delete…")
    await town.slack.wait_for_modal("anna", GOES)
    assert names(town) == ["acme-internal"]


async def test_one_with_apps_in_it_is_refused_in_build_ios_words_and_the_form_stays(town: BotHarness) -> None:
    town.buildio.shop.namespace = town.buildio.namespace
    opened = await open_delete(town)
    await town.people.submit("anna", {"typed_name": "acme-internal"})
    await town.slack.wait_for_modal("anna", "acme-internal is not empty: shop")
    assert opened.filled == {"typed_name": "acme-internal"}


async def test_whom_a_rule_forbids_it_is_refused(governed: Governed) -> None:
    async with governed(NOBODY) as town:
        await town.ask("/buildio namespaces create payments", "Nobody may create apps and namespaces")
        await open_delete(town)
        await town.people.submit("anna", {"typed_name": "acme-internal"})
        await town.slack.wait_for_modal("anna", "Nobody may delete namespaces")
        assert names(town) == ["acme-internal"]
        assert asked(town, "DELETE") == []


async def test_what_is_protected_waits_for_a_second_person(governed: Governed) -> None:
    async with governed(SECOND) as town:
        before = town.last("builds", None)
        await town.people.command("ben", "builds", "/buildio namespaces delete acme-internal")
        await town.slack.wait_for_modal("ben", GOES)
        await town.people.submit("ben", {"typed_name": "acme-internal"})
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert "ben wants to delete the namespace acme-internal" in town.message_text(wanted)
        assert names(town) == ["acme-internal"]
        await town.people.click("anna", wanted, "Agree")
        await town.wait_for_message("ben deleted the namespace acme-internal", person=None)
        assert names(town) == []


async def test_a_lost_answer_is_said_as_such(town: BotHarness) -> None:
    await open_delete(town)
    town.buildio.fault("DELETE */namespaces/*", "answer_lost")
    await town.people.submit("anna", {"typed_name": "acme-internal"})
    await town.slack.wait_for_modal("anna", "it may or may not have happened")
    assert len(asked(town, "DELETE")) == 1
