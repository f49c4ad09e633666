"""Pipelines and teams at Build.io, as each person's own token sees them."""

from __future__ import annotations

import pytest

from providers.buildio.provider import BUILDIO
from tests.support.bot_harness import BotHarness


async def test_pipelines_are_listed_and_one_shows_its_stages(harness: BotHarness) -> None:
    post = await harness.ask("/buildio pipelines", "1 pipeline")
    await harness.press(post, "View stages of shop", "shop-staging")
    shown = await harness.ask("/buildio pipeline shop", "shop-staging")
    words = harness.message_text(shown)
    places = [words.index(stage) for stage in ("\nreview\n", "\nstaging\n", "\nproduction\n")]
    assert places == sorted(places)
    assert "shop-pr-42" in words
    assert "review apps for pull requests" in words
    assert "pk_sandbox_review" not in words


async def test_an_unknown_pipeline_is_answered_with_similar_names(harness: BotHarness) -> None:
    await harness.ask("/buildio pipeline shp", "No pipeline named `shp`. Did you mean `shop`?")


async def test_teams_are_listed_and_one_has_a_button_for_its_apps(harness: BotHarness) -> None:
    post = await harness.ask("/buildio teams", "2 teams")
    assert "acme" in harness.message_text(post)
    shown = await harness.ask("/buildio team labs", "labs")
    apps = await harness.press(shown, "View apps", "ledger")
    assert "shop" not in harness.message_text(apps)


async def test_each_person_sees_their_own(harness: BotHarness) -> None:
    await harness.ask("/buildio teams", "1 team", person="ben")
    await harness.ask("/buildio team labs", "No team named `labs`", person="ben")


@pytest.mark.parametrize(
    "words", ["pipelines", "pipeline shop", "teams", "team acme", "namespaces", "namespace acme-internal"]
)
async def test_a_person_without_account_sees_nothing_with_the_bots_token(
    harness: BotHarness, words: str
) -> None:
    await harness.disconnect("ben", provider=BUILDIO)
    post = await harness.ask(f"/buildio {words}", "`/buildio connect`", person="ben")
    assert "acme" not in harness.message_text(post)


async def test_an_unreachable_build_io_is_explained(harness: BotHarness) -> None:
    harness.buildio.fault("GET */pipelines", "error", status=500, times=20)
    await harness.ask("/buildio pipelines", "Build.io can't be reached right now")
