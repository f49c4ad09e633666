"""Accounts at Build.io: linked with the same dialog as Bitrise's, and used for every action there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.commands.shared_commands import WhoAmI
from domain.provider_errors import NotConnected, ProviderError
from providers.bitrise.provider import BITRISE
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.provider import BUILDIO
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, TOKEN
from services.features.accounts import commands
from services.request.finder import find_app
from services.request.responder import ChannelResponder
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path) as opened:
        yield opened


async def test_a_token_is_confirmed_by_its_e_mail_address_and_never_echoed(harness: ActionHarness) -> None:
    modal = await harness.open_connect_modal("anna")
    assert "Build.io" in str(modal.view)
    await harness.harness.users.submit("anna", {"token": ANNA_TOKEN})
    confirmation = await harness.harness.slack.wait_for_modal(
        "anna", "Connected to Build.io as anna-berg@acme.example"
    )
    assert ANNA_TOKEN not in str(confirmation.view)
    assert "Connected to Build.io as `anna-berg@acme.example`" in await harness.who_am_i()
    await harness.harness.stop_bot()
    assert ANNA_TOKEN.encode() not in harness.harness.stored_bytes()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("bld_of-nobody-00000000000", "Build.io rejected this token"),
        ("two words", "This isn't a valid token"),
        (TOKEN, "This is Buildbell's own token"),
        ("ABCD-EFGH-JKLM-NPQR", "This code isn't valid"),
    ],
)
async def test_an_invalid_token_is_refused_at_its_field(
    harness: ActionHarness, token: str, expected: str
) -> None:
    await harness.open_connect_modal("anna")
    await harness.harness.users.submit("anna", {"token": token})
    modal = harness.harness.users.modal("anna")
    assert modal is not None
    assert expected in modal.errors["token"]
    assert token not in modal.errors["token"]
    assert "You have no connected Build.io account" in await harness.who_am_i()


async def test_a_person_has_accounts_at_both_providers(harness: ActionHarness) -> None:
    await harness.harness.connect("anna")
    await harness.connect("anna")
    await commands.wipe(harness.context(), BUILDIO)
    await harness.harness.ask("/bitrise whoami", "Connected to Bitrise as `anna-berg`")
    assert "You have no connected" in await harness.who_am_i()
    assert await harness.harness.rows("SELECT provider FROM accounts") == [("bitrise",)]


async def test_a_button_acts_at_the_provider_that_it_names(harness: ActionHarness) -> None:
    await harness.connect("anna")
    reply = await commands.who_am_i(WhoAmI(), harness.context(), BUILDIO)
    await ChannelResponder(harness.context())(reply)
    post = await harness.wait_for_message("Connected to Build.io as `anna-berg@acme.example`")
    question = await harness.harness.press(post, "Disconnect…", "Your token is deleted immediately")
    await harness.harness.press(question, "Disconnect", "Disconnected `anna-berg@acme.example` from Build.io")
    assert await harness.harness.rows("SELECT provider FROM accounts") == []


async def test_a_person_without_a_linked_account_is_asked_to_link_one(harness: ActionHarness) -> None:
    await harness.harness.connect("anna")
    await harness.request(DeployAction(app=as_bot_app(harness.harness.buildio.staging), branch="main"))
    post = await harness.wait_for_message("Connect your Build.io account to do this")
    assert "/buildio connect" in harness.harness.message_text(post)


async def test_the_owner_of_a_revoked_token_is_notified_once_with_the_providers_name(
    harness: ActionHarness,
) -> None:
    await harness.connect("ben")
    harness.harness.buildio.revoke(BEN_TOKEN)
    for _ in range(3):
        await harness.request(
            DeployAction(app=as_bot_app(harness.harness.buildio.staging), branch="main"), "ben"
        )
    await harness.wait_for_message("Build.io rejected your token", "ben", "D0BEN")
    posts = [
        post
        for post in harness.harness.slack.posts("D0BEN")
        if "Until you reconnect" in harness.harness.message_text(post)
    ]
    assert len(posts) == 1
    assert "rejected your token" in await harness.who_am_i("ben")


async def test_a_deactivated_person_loses_their_accounts_at_all_providers(harness: ActionHarness) -> None:
    await harness.harness.connect("ben")
    await harness.connect("anna", "ben")
    harness.harness.users.deactivate("ben")
    await harness.harness.wait_until(lambda: harness.harness.count_rows_with("U0BEN").get("accounts") is None)
    assert await harness.harness.rows("SELECT user_id, provider FROM accounts") == [("U0ANNA", "buildio")]


async def test_a_person_sees_what_their_own_account_sees(harness: ActionHarness) -> None:
    await harness.connect("anna", "ben")
    assert {app.title for app in await harness.context("anna").visible_apps(BUILDIO).all()} >= {
        "shop",
        "ledger",
    }
    assert "ledger" not in {app.title for app in await harness.context("ben").visible_apps(BUILDIO).all()}
    with pytest.raises(NotConnected) as error:
        await harness.context("carla").visible_apps(BUILDIO).find("shop")
    assert "`/buildio connect`" in str(error.value)
    assert "Build.io" in str(error.value)


async def test_each_provider_has_its_own_default_app_in_a_channel(harness: ActionHarness) -> None:
    await harness.harness.connect("anna")
    await harness.connect("anna")
    context, shop = harness.context(), harness.harness.buildio.shop
    await harness.harness.ask("/bitrise use android", "set this channel's app to")
    await context.storage.channel_settings.set_default_app(
        context.channel, BUILDIO, shop.id, by=context.person, at=context.now()
    )
    assert (await find_app(context, None, BUILDIO)).title == "shop"
    assert (await find_app(context, None, BITRISE)).title == "Sample Android"


async def test_without_a_token_of_the_bot_people_act_with_their_own(tmp_path: Path) -> None:
    async with action_harness(tmp_path, buildio_token="") as harness:
        with pytest.raises(ProviderError) as error:
            await harness.context("carla").visible_apps(BUILDIO).all()
        assert "/buildio connect" in str(error.value)
        assert "Buildbell has no token of its own there" in await harness.who_am_i("carla")
        await harness.connect("anna")
        await harness.request(DeployAction(app=as_bot_app(harness.harness.buildio.staging), branch="main"))
        await harness.wait_for_message("started deploying", None)
