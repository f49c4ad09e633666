"""A channel is told no more than the maker of its subscription can see, for as long as they can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.bitrise import BEN_TOKEN
from tests.town import Town, open_town

LONG_AGO = "2026-01-01T00:00:00.000000+00:00"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as opened:
        await opened.connect("anna", "ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


async def test_a_subscription_stops_when_its_maker_sees_the_app_no_more_and_the_channel_hears_why(
    town: Town,
) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.told("can't see the app at Bitrise any more", person=None)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.looked()
    assert town.telling("Sample iOS #1") == []
    listed = await town.ask(
        "/bitrise subscriptions", "Whoever made it can't see the app any more", person="ben"
    )
    await town.press(listed, "Tell again", "Bitrise knows no such thing", person="ben")


async def test_somebody_who_sees_the_app_can_take_it_over(town: Town) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.told("can't see the app at Bitrise any more", person=None)
    listed = await town.ask("/bitrise subscriptions", "Whoever made it can't see the app any more")
    await town.press(listed, "Tell again", "anna let this channel be told again")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.told("Sample iOS #1 succeeded", person=None)
    assert await town.rows("SELECT created_by, stopped_reason FROM subscriptions") == [("U0ANNA", None)]


async def test_it_is_said_once_and_not_again_after_a_restart(town: Town) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.told("can't see the app at Bitrise any more", person=None)
    await town.stop_bot()
    await town.start_bot()
    await town.ask("/bitrise subscriptions", "Stopped")
    assert len(town.telling("can't see the app at Bitrise any more")) == 1


async def test_a_token_that_is_refused_is_given_a_day(town: Town) -> None:
    town.bitrise.revoke(BEN_TOKEN)
    await town.told("Bitrise does not take your token any more", person="ben", channel="D0BEN")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.told("Sample iOS #1 succeeded", person=None)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = NULL", LONG_AGO)
    await town.start_bot()
    await town.told("Bitrise does not take the token any more of the one who made it", person=None)


async def test_bitrise_being_away_stops_nothing(town: Town) -> None:
    town.bitrise.fault("GET /v0.1/apps/*", "status", status=503, times=30)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET checked_at = NULL")
    await town.start_bot()
    await town.until(
        lambda: sum(one.member == "ben-okafor" and one.status == 200 for one in town.bitrise.requests) > 3
    )
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


async def test_the_end_of_ones_own_builds_comes_only_from_apps_that_one_sees(town: Town) -> None:
    await town.ask("/bitrise subscribe web", "subscribed")
    await town.ask("/bitrise me ends:on", "I send you the end of your own builds", person="ben")
    for app in (town.bitrise.web, town.bitrise.ios):
        town.bitrise.finish(town.bitrise.start_build(app, by="manual-ben-okafor"))
    await town.told("Sample iOS #1 succeeded", person="ben", channel="D0BEN")
    await town.told("Web Shop #1 succeeded", person=None)
    assert town.telling("Web Shop", channel="D0BEN") == []


async def test_whoever_left_while_the_bot_was_away_is_noticed(town: Town) -> None:
    await town.stop_bot()
    town.people.leave("ben")
    await town.execute("UPDATE accounts SET checked_at = ?, connected_at = ?", LONG_AGO, LONG_AGO)
    town.slack.delivery.retries_after = (600.0, 600.0, 600.0)
    await town.start_bot()
    await town.told("has unlinked their account, or has left", person="anna")
    assert await town.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_a_testers_subscription_tells_no_more_than_a_tester_may_read(town: Town) -> None:
    await town.connect("carla")
    failed = town.bitrise.start_build(town.bitrise.android, ends_as="error")
    town.bitrise.finish(failed, "error")
    for person, channel in (("anna", "builds"), ("carla", "random")):
        await town.ask("/bitrise subscribe android", "subscribed", person=person, channel=channel)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
    await town.told("Sample Android #2 failed", person=None)
    town.clock.skip(timedelta(minutes=1))
    told = await town.told("Failed in `gradle-unit-test@1.0.7`", person=None)
    assert "LoginTest" in town.words(told)
    [of_tester] = town.telling("Sample Android #2 failed", channel="random")
    await town.looked()
    assert "gradle-unit-test" not in town.words(of_tester)
    town.bitrise.hold(town.bitrise.android, 7)
    await town.told("waits for somebody's approval", person=None)
    assert town.telling("waits for somebody's approval", channel="random") == []
