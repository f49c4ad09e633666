"""Accounts at Build.io: linked as Bitrise's are, by the same dialog, and used for everything done there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.commands.shared_commands import WhoAmI
from domain.errors import NotConnected, ProviderError
from domain.provider import Provider
from providers.buildio.actions import DeployAction
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, TOKEN
from services.features.accounts import commands
from services.request.finder import find_app
from services.request.responder import ChannelResponder
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path) as opened:
        yield opened


async def test_a_token_is_shown_back_as_an_address_and_never_echoed(place: ActionHarness) -> None:
    opened = await place.open_connect_modal("anna")
    assert "Build.io" in str(opened.view)
    await place.harness.users.submit("anna", {"token": ANNA_TOKEN})
    shown = await place.harness.slack.wait_for_modal("anna", "You are anna-berg@acme.example at Build.io")
    assert ANNA_TOKEN not in str(shown.view)
    assert "at Build.io `anna-berg@acme.example`" in await place.who_am_i()
    await place.harness.stop_bot()
    assert ANNA_TOKEN.encode() not in place.harness.stored_bytes()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("bld_of-nobody-00000000000", "Build.io does not take this token"),
        ("two words", "This is no token"),
        (TOKEN, "This is my own token"),
        ("ABCD-EFGH-JKLM-NPQR", "This code is none of yours"),
    ],
)
async def test_a_token_that_will_not_do_is_refused_at_its_field(
    place: ActionHarness, token: str, said: str
) -> None:
    await place.open_connect_modal("anna")
    await place.harness.users.submit("anna", {"token": token})
    opened = place.harness.users.modal("anna")
    assert opened is not None
    assert said in opened.errors["token"]
    assert token not in opened.errors["token"]
    assert "have not linked an account at Build.io" in await place.who_am_i()


async def test_accounts_at_both_providers_stand_beside_each_other(place: ActionHarness) -> None:
    await place.harness.connect("anna")
    await place.connect("anna")
    await commands.wipe(place.context(), Provider.BUILDIO)
    await place.harness.ask("/bitrise whoami", "at Bitrise `anna-berg`")
    assert "have not linked" in await place.who_am_i()
    assert await place.harness.rows("SELECT provider FROM accounts") == [("bitrise",)]


async def test_a_button_links_at_the_provider_that_it_names(place: ActionHarness) -> None:
    await place.connect("anna")
    said = await commands.who_am_i(WhoAmI(), place.context(), Provider.BUILDIO)
    await ChannelResponder(place.context())(said)
    post = await place.wait_for_message("at Build.io `anna-berg@acme.example`")
    question = await place.harness.press(post, "Disconnect…", "deletes your token")
    await place.harness.press(
        question, "Disconnect", "you are not linked to `anna-berg@acme.example` any more"
    )
    assert await place.harness.rows("SELECT provider FROM accounts") == []


async def test_whoever_is_not_linked_there_is_asked_to_link_there(place: ActionHarness) -> None:
    await place.harness.connect("anna")
    await place.request(DeployAction(app=as_bot_app(place.harness.buildio.staging), branch="main"))
    said = await place.wait_for_message("with your own Build.io account")
    assert "/buildio connect" in place.harness.message_text(said)


async def test_a_token_that_works_no_longer_asks_its_owner_once_by_the_providers_name(
    place: ActionHarness,
) -> None:
    await place.connect("ben")
    place.harness.buildio.revoke(BEN_TOKEN)
    for _ in range(3):
        await place.request(DeployAction(app=as_bot_app(place.harness.buildio.staging), branch="main"), "ben")
    await place.wait_for_message("Build.io does not take your token any more", "ben", "D0BEN")
    asked = [
        one
        for one in place.harness.slack.posts("D0BEN")
        if "I say this once" in place.harness.message_text(one)
    ]
    assert len(asked) == 1
    assert "does not take your token any more" in await place.who_am_i("ben")


async def test_whoever_leaves_loses_their_accounts_everywhere(place: ActionHarness) -> None:
    await place.harness.connect("ben")
    await place.connect("anna", "ben")
    place.harness.users.deactivate("ben")
    await place.harness.wait_until(lambda: place.harness.count_rows_with("U0BEN").get("accounts") is None)
    assert await place.harness.rows("SELECT user_id, provider FROM accounts") == [("U0ANNA", "buildio")]


async def test_somebody_sees_what_their_own_account_sees_there(place: ActionHarness) -> None:
    await place.connect("anna", "ben")
    assert {app.title for app in await place.context("anna").visible_apps(Provider.BUILDIO).all()} >= {
        "shop",
        "ledger",
    }
    assert "ledger" not in {
        app.title for app in await place.context("ben").visible_apps(Provider.BUILDIO).all()
    }
    with pytest.raises(NotConnected) as little:
        await place.context("carla").visible_apps(Provider.BUILDIO).find("shop")
    assert "`/buildio connect`" in str(little.value)
    assert "Build.io" in str(little.value)


async def test_each_provider_has_its_own_default_app_in_a_channel(place: ActionHarness) -> None:
    await place.harness.connect("anna")
    await place.connect("anna")
    context, shop = place.context(), place.harness.buildio.shop
    await place.harness.ask("/bitrise use android", "is this channel's app now")
    await context.storage.channel_settings.set_default_app(
        context.channel, Provider.BUILDIO, shop.id, by=context.person, at=context.now()
    )
    assert (await find_app(context, None, Provider.BUILDIO)).title == "shop"
    assert (await find_app(context, None, Provider.BITRISE)).title == "Sample Android"


async def test_without_a_token_of_the_bots_people_act_with_their_own(tmp_path: Path) -> None:
    async with action_harness(tmp_path, buildio_token="") as place:
        with pytest.raises(ProviderError) as nothing:
            await place.context("carla").visible_apps(Provider.BUILDIO).all()
        assert "/buildio connect" in str(nothing.value)
        assert "no token of my own there" in await place.who_am_i("carla")
        await place.connect("anna")
        await place.request(DeployAction(app=as_bot_app(place.harness.buildio.staging), branch="main"))
        await place.wait_for_message("deploys", None)
