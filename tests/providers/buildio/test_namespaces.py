"""Namespaces at Build.io: listed, created, and deleted after their name was typed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.models import OpenView
from tests.providers.buildio.conftest import HarnessWithRules
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
GOES = "and everything in it"


def requested_changes(harness: BotHarness, method: str) -> list[Any]:
    return [
        request
        for request in harness.buildio.requests
        if request.method == method and "/namespaces" in request.path
    ]


def namespace_names(harness: BotHarness) -> list[str]:
    return [namespace.name for namespace in harness.buildio.state.namespaces]


async def open_delete(
    harness: BotHarness, words: str = "/buildio namespaces delete acme-internal"
) -> OpenView:
    await harness.users.command("anna", "builds", words)
    return await harness.slack.wait_for_modal("anna", GOES)


async def test_namespaces_are_listed_and_one_is_shown(harness: BotHarness) -> None:
    post = await harness.ask("/buildio namespaces", "1 namespace")
    assert "Inner tools" in harness.message_text(post)
    await harness.ask("/buildio namespace acme-internal", "acme-internal")
    await harness.ask("/buildio namespace acme-intern", "Did you mean `acme-internal`")


async def test_a_namespace_is_created_by_command(harness: BotHarness) -> None:
    words = '/buildio namespaces create payments team:acme region:us description:"All that charges cards"'
    post = await harness.ask(words, "anna created the Build.io namespace payments")
    assert post.only_for is None
    [request] = requested_changes(harness, "POST")
    assert request.body == {
        "name": "payments",
        "team_id": harness.buildio.acme.id,
        "region": "us",
        "description": "All that charges cards",
    }


async def test_a_namespace_is_created_by_the_form_from_the_list(harness: BotHarness) -> None:
    post = await harness.ask("/buildio namespaces", "1 namespace")
    await harness.users.click("anna", post, "Create a namespace…")
    modal = await harness.slack.wait_for_modal("anna", "Region")
    await harness.users.submit("anna", {"name": "acme-internal", "description": "keep me"})
    await harness.slack.wait_for_modal("anna", "Build.io rejected this")
    assert modal.entered == {"name": "acme-internal", "description": "keep me"}
    await harness.users.submit("anna", {"name": "payments", "description": "keep me"})
    await harness.wait_for_message("anna created the Build.io namespace payments")
    assert namespace_names(harness) == ["acme-internal", "payments"]


async def test_a_namespace_is_deleted_after_its_name_was_typed(harness: BotHarness) -> None:
    await open_delete(harness)
    assert namespace_names(harness) == ["acme-internal"]
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the Build.io namespace acme-internal")
    assert namespace_names(harness) == []


@pytest.mark.parametrize("typed", ["acme", "ACME-INTERNAL", "acme-internal2"])
async def test_another_typed_name_deletes_nothing(harness: BotHarness, typed: str) -> None:
    modal = await open_delete(harness)
    await harness.users.submit("anna", {"typed_name": typed})
    await harness.slack.wait_for_modal("anna", "That isn't the name. Nothing was changed.")
    assert modal.errors == {"typed_name": "That isn't the name. Nothing was changed."}
    assert modal.entered == {"typed_name": typed}
    assert requested_changes(harness, "DELETE") == []


async def test_an_id_opens_the_form_but_the_name_must_be_typed(harness: BotHarness) -> None:
    await open_delete(harness, f"/buildio namespaces delete {harness.buildio.namespace.id}")
    await harness.users.submit("anna", {"typed_name": harness.buildio.namespace.id})
    await harness.slack.wait_for_modal("anna", "That isn't the name")
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the Build.io namespace acme-internal")


async def test_without_a_name_the_form_asks_for_it_twice(harness: BotHarness) -> None:
    await open_delete(harness, "/buildio namespaces delete")
    await harness.users.submit("anna", {"namespace": "nothing", "typed_name": "nothing"})
    await harness.slack.wait_for_modal("anna", "No namespace named nothing")
    await harness.users.submit("anna", {"namespace": "acme-internal", "typed_name": "acme"})
    await harness.slack.wait_for_modal("anna", "That isn't the name")
    await harness.users.submit("anna", {"namespace": "acme-internal", "typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the Build.io namespace acme-internal")


async def test_the_button_on_the_card_asks_for_the_name_too(harness: BotHarness) -> None:
    card = await harness.ask("/buildio namespace acme-internal", "acme-internal")
    await harness.users.click("anna", card, "Delete…")
    await harness.slack.wait_for_modal("anna", GOES)
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.wait_for_message("anna deleted the Build.io namespace acme-internal")


async def test_a_mention_gets_a_button_for_the_confirmation(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell buildio namespaces delete acme-internal")
    post = await harness.wait_for_message("Type the namespace's name in a form")
    await harness.users.click("anna", post, "Delete…")
    await harness.slack.wait_for_modal("anna", GOES)
    assert namespace_names(harness) == ["acme-internal"]


async def test_a_namespace_with_apps_is_refused_with_build_ios_error_and_the_form_stays(
    harness: BotHarness,
) -> None:
    harness.buildio.shop.namespace = harness.buildio.namespace
    modal = await open_delete(harness)
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.slack.wait_for_modal("anna", "acme-internal is not empty: shop")
    assert modal.entered == {"typed_name": "acme-internal"}


async def test_a_forbidden_action_is_refused(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(NOBODY) as harness:
        await harness.ask("/buildio namespaces create payments", "No one can create apps and namespaces")
        await open_delete(harness)
        await harness.users.submit("anna", {"typed_name": "acme-internal"})
        await harness.slack.wait_for_modal("anna", "No one can delete namespaces")
        assert namespace_names(harness) == ["acme-internal"]
        assert requested_changes(harness, "DELETE") == []


async def test_a_protected_action_waits_for_an_approval(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(SECOND) as harness:
        before = harness.last("builds", None)
        await harness.users.command("ben", "builds", "/buildio namespaces delete acme-internal")
        await harness.slack.wait_for_modal("ben", GOES)
        await harness.users.submit("ben", {"typed_name": "acme-internal"})
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert "ben requests approval to delete the namespace acme-internal" in harness.message_text(post)
        assert namespace_names(harness) == ["acme-internal"]
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben deleted the Build.io namespace acme-internal", person=None)
        assert namespace_names(harness) == []


async def test_a_lost_response_is_explained(harness: BotHarness) -> None:
    await open_delete(harness)
    harness.buildio.fault("DELETE */namespaces/*", "answer_lost")
    await harness.users.submit("anna", {"typed_name": "acme-internal"})
    await harness.slack.wait_for_modal("anna", "this may or may not have happened")
    assert len(requested_changes(harness, "DELETE")) == 1
