"""Build.io's part of the policy: explained, and changed in the admin's dialog."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.acts import Restart, Run
from bot.commands import ShowPolicy
from bot.provider import Provider
from handlers.answers import policies
from handlers.saying import ToChannel
from sandbox.slack import Post
from tests.doing.desks import Place, known, open_place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_place(tmp_path) as opened:
        await opened.connect("anna", "ben")
        yield opened


async def show(place: Place, app: str | None = None) -> Post:
    answer = await policies.show(ShowPolicy(app=app), place.caller(), Provider.BUILDIO)
    await ToChannel(place.caller())(answer)
    return await place.says("Who may do what")


async def add_rule(place: Place, **filled: object) -> None:
    await place.town.people.click("anna", await show(place), "Add a rule…")
    await place.town.slack.wait_for_modal("anna", "Add a rule")
    if "app" in filled:
        [option] = await place.town.people.options("anna", "pick_app", str(filled["app"]), block_id="app")
        filled["app"] = option
    await place.town.people.submit("anna", filled)
    await place.says("A new rule", None)


async def test_it_speaks_of_this_provider_and_of_what_is_off(place: Place) -> None:
    said = place.town.words(await show(place, "shop"))
    for line in (
        "Who may do what in shop at Build.io in this channel",
        "deploy: everyone with a linked account",
        "run commands in dynos: nobody",
        "log in to clusters: nobody",
        "You may deploy here.",
        "whoever may do it at Build.io may do it here",
    ):
        assert line in said
    assert "abort builds" not in said


async def test_an_admin_turns_on_what_is_off_for_one_app_and_takes_it_back(place: Place) -> None:
    run = Run(app=known(place.town.buildio.staging), dyno="web.1", command=("ls",))
    await add_rule(
        place,
        kind="These people may, and nobody else",
        buildio_acts=["Run commands in dynos"],
        app="shop-staging",
        who="The people and groups below",
        people=["U0BEN"],
    )
    await place.do(run, "anna")
    await place.says("Only Ben Okafor may run commands in dynos of shop-staging here")
    await place.do(run, "ben")
    await place.says("ran a command in `web.1`", None)
    await place.do(run.model_copy(update={"app": known(place.town.buildio.shop)}), "ben")
    await place.says("a rule that names it", "ben")
    await place.town.press(await show(place), "Remove", "This rule counts no longer")
    await place.do(run, "ben")
    await place.says("a rule that names it", "ben")


async def test_an_admin_protects_a_stage_at_one_provider(place: Place) -> None:
    await add_rule(
        place,
        kind="Needs a second person",
        providers=["Build.io"],
        stages="production",
        who="Everyone with a linked account",
    )
    said = place.town.words(await show(place))
    assert "Doing anything at Build.io in stage `production` needs a second person" in said
    await place.do(Restart(app=known(place.town.buildio.staging)), "ben")
    await place.says("restarted all processes of shop-staging", None)
    await place.do(Restart(app=known(place.town.buildio.shop)), "ben")
    await place.says("ben wants to restart all dynos of shop", None)
