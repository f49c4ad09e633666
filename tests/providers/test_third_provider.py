"""A provider that nobody has heard of, in one folder (tests/tiny): all else is there already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.build import App
from domain.errors import ProviderDown
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from sandbox.clock import Clock
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.notification_harness import NotificationHarness, telling
from tests.tiny.simulator import Job, TinySimulator
from tests.tiny.source import TINY, TinyBuildSource

LIBRARY = App(provider=TINY, slug="library", title="Library")


class TinyHarness:
    def __init__(self, service: TinySimulator, clock: Clock, watch: NotificationHarness) -> None:
        self.service, self.clock, self.watch = service, clock, watch

    def run(self) -> Job:
        self.clock.skip(timedelta(minutes=1))
        return self.service.run(LIBRARY.slug, self.clock())

    def end(self, job: Job, *, passed: bool) -> None:
        self.clock.skip(timedelta(minutes=1))
        job.passed, job.ended_at = passed, self.clock()


@pytest.fixture
async def harness(repositories: Repositories) -> AsyncIterator[TinyHarness]:
    clock, service = Clock(lambda: NOON), TinySimulator()
    async with telling(repositories, lambda: TinyBuildSource(service), clock) as watch:
        yield TinyHarness(service, clock, watch)


async def test_its_builds_are_told_once_whatever_was_there_before(harness: TinyHarness) -> None:
    harness.end(harness.run(), passed=False)
    open_ = harness.run()
    await harness.watch.subscribe(LIBRARY)
    harness.end(open_, passed=True)
    harness.end(harness.run(), passed=False)
    for _ in range(3):
        await harness.watch.poll_and_deliver()
    assert harness.watch.told == ["✅ Library #2 succeeded", "❌ Library #3 failed"]


async def test_its_cards_lead_to_its_own_page_and_offer_nothing_that_it_can_not_do(
    harness: TinyHarness,
) -> None:
    await harness.watch.subscribe(LIBRARY)
    harness.end(harness.run(), passed=False)
    await harness.watch.poll_and_deliver()
    [post] = harness.watch.slack.posts("builds")
    pressed = [one for block in post.blocks for one in block.get("elements", []) if one["type"] == "button"]
    assert [(one["text"]["text"], one["url"]) for one in pressed] == [
        ("Open in Tiny CI", "https://tiny.example/library/1")
    ]


async def test_its_builds_are_told_after_an_outage_and_a_restart(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY)
    job = harness.run()
    assert (await harness.watch.poll_and_deliver()).running
    harness.end(job, passed=True)
    harness.service.away = True
    with pytest.raises(ProviderDown, match="Tiny CI can't be reached"):
        await harness.watch.poll_and_deliver()
    harness.service.away = False
    harness.watch.restart()
    await harness.watch.poll_and_deliver()
    assert harness.watch.told == ["✅ Library #1 succeeded"]


async def test_filters_series_and_styles_are_those_of_everybody(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY, NotificationRule(results=frozenset({Result.BROKEN, Result.FIXED})))
    for passed in (True, False, False, True):
        harness.end(harness.run(), passed=passed)
    await harness.watch.poll_and_deliver()
    assert harness.watch.told == ["❌ Library #2 failed", "✅ Library #4 succeeded"]


async def test_a_series_is_one_card_that_changes(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY, NotificationRule(style=DeliveryStyle.CARD))
    for passed in (True, False, False):
        harness.end(harness.run(), passed=passed)
        await harness.watch.poll_and_deliver()
    [broken] = harness.watch.told
    assert broken == "🔴 Library on `main` is broken"
    harness.end(harness.run(), passed=True)
    await harness.watch.poll_and_deliver()
    [mended] = harness.watch.told
    assert mended.startswith("🟢 Library on `main` is green again")
