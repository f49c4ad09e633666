"""Pipelines and teams at Build.io, as each person's own token sees them."""

from __future__ import annotations

import pytest

from domain.provider import Provider
from tests.support.bot_harness import BotHarness


async def test_pipelines_are_listed_and_one_shows_its_stages(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio pipelines", "1 pipeline")
    await harness.press(listed, "Stages of shop", "shop-staging")
    shown = await harness.ask("/buildio pipeline shop", "shop-staging")
    words = harness.message_text(shown)
    places = [words.index(stage) for stage in ("\nreview\n", "\nstaging\n", "\nproduction\n")]
    assert places == sorted(places)
    assert "shop-pr-42" in words
    assert "pull requests get review apps" in words
    assert "pk_sandbox_review" not in words


async def test_a_pipeline_that_is_not_there_is_answered_with_the_nearest(harness: BotHarness) -> None:
    await harness.ask("/buildio pipeline shp", "I don't know a pipeline called shp. Did you mean shop?")


async def test_teams_are_listed_and_one_leads_to_its_apps(harness: BotHarness) -> None:
    listed = await harness.ask("/buildio teams", "2 teams")
    assert "acme" in harness.message_text(listed)
    shown = await harness.ask("/buildio team labs", "labs")
    apps = await harness.press(shown, "Its apps", "ledger")
    assert "shop" not in harness.message_text(apps)


async def test_each_person_sees_their_own(harness: BotHarness) -> None:
    await harness.ask("/buildio teams", "1 team", person="ben")
    await harness.ask("/buildio team labs", "I don't know a team called labs", person="ben")


@pytest.mark.parametrize(
    "words", ["pipelines", "pipeline shop", "teams", "team acme", "namespaces", "namespace acme-internal"]
)
async def test_who_has_no_account_sees_nothing_through_the_bots_token(
    harness: BotHarness, words: str
) -> None:
    await harness.disconnect("ben", provider=Provider.BUILDIO)
    said = await harness.ask(f"/buildio {words}", "`/buildio connect`", person="ben")
    assert "acme" not in harness.message_text(said)


async def test_build_io_that_does_not_answer_is_said_so(harness: BotHarness) -> None:
    harness.buildio.fault("GET */pipelines", "error", status=500, times=20)
    await harness.ask("/buildio pipelines", "Build.io can't be reached right now")
