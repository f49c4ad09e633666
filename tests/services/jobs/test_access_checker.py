"""A channel is told no more than the maker of its subscription can see, for as long as they can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlite_utils

from bot.app import utc_now
from messages.kit import action_ids
from sandbox.bitrise.members import BEN_TOKEN
from storage.encryption import SecretBox
from storage.personal_data import erase_everywhere
from tests.support.bot_harness import SECRET_KEY, BotHarness, bot_harness

LONG_AGO = "2026-01-01T00:00:00.000000+00:00"
ONLY_FOLLOWED = "only what this channel follows"
LOST = "SELECT unseen_at IS NOT NULL FROM subscriptions ORDER BY id"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as opened:
        await opened.connect("anna", "ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


async def test_a_subscription_stops_when_its_maker_sees_the_app_no_more_and_the_channel_hears_why(
    town: BotHarness,
) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message("can't see the app at Bitrise any more", person=None)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.wait_for_poll()
    assert town.messages_with("Sample iOS #1") == []
    listed = await town.ask(
        "/bitrise subscriptions", "Whoever made it can't see the app any more", person="ben"
    )
    await town.press(listed, "Tell again", "Bitrise knows no such thing", person="ben")


async def test_somebody_who_sees_the_app_can_take_it_over(town: BotHarness) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message("can't see the app at Bitrise any more", person=None)
    listed = await town.ask("/bitrise subscriptions", "Whoever made it can't see the app any more")
    await town.press(listed, "Tell again", "anna let this channel be told again")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.wait_for_message("Sample iOS #1 succeeded", person=None)
    assert await town.rows("SELECT created_by, stopped_reason FROM subscriptions") == [("U0ANNA", None)]


async def test_it_is_said_once_and_not_again_after_a_restart(town: BotHarness) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message("can't see the app at Bitrise any more", person=None)
    await town.stop_bot()
    await town.start_bot()
    await town.ask("/bitrise subscriptions", "Stopped")
    assert len(town.messages_with("can't see the app at Bitrise any more")) == 1


async def test_a_token_that_is_refused_is_given_a_day(town: BotHarness) -> None:
    town.bitrise.revoke(BEN_TOKEN)
    await town.wait_for_message("Bitrise does not take your token any more", person="ben", channel="D0BEN")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.wait_for_message("Sample iOS #1 succeeded", person=None)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = NULL", LONG_AGO)
    await town.start_bot()
    await town.wait_for_message(
        "Bitrise does not take the token any more of the one who made it", person=None
    )


async def test_bitrise_being_away_stops_nothing(town: BotHarness) -> None:
    town.bitrise.fault("GET /v0.1/apps/*", "status", status=503, times=30)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET checked_at = NULL")
    await town.start_bot()
    await town.wait_until(
        lambda: sum(one.member == "ben-okafor" and one.status == 200 for one in town.bitrise.requests) > 3
    )
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


async def test_the_end_of_ones_own_builds_comes_only_from_apps_that_one_sees(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe web", "subscribed")
    await town.ask("/bitrise me ends:on", "I send you the end of your own builds", person="ben")
    for app in (town.bitrise.web, town.bitrise.ios):
        town.bitrise.finish(town.bitrise.start_build(app, by="manual-ben-okafor"))
    await town.wait_for_message("Sample iOS #1 succeeded", person="ben", channel="D0BEN")
    await town.wait_for_message("Web Shop #1 succeeded", person=None)
    assert town.messages_with("Web Shop", channel="D0BEN") == []


async def test_whoever_left_while_the_bot_was_away_is_noticed(town: BotHarness) -> None:
    await town.stop_bot()
    town.people.leave("ben")
    await town.execute("UPDATE accounts SET checked_at = ?, connected_at = ?", LONG_AGO, LONG_AGO)
    town.slack.delivery.retries_after = (600.0, 600.0, 600.0)
    await town.start_bot()
    await town.wait_for_message("has unlinked their account, or has left", person="anna")
    assert await town.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_a_testers_subscription_tells_no_more_than_a_tester_may_read(town: BotHarness) -> None:
    await town.connect("carla")
    failed = town.bitrise.start_build(town.bitrise.android, ends_as="error")
    town.bitrise.finish(failed, "error")
    for person, channel in (("anna", "builds"), ("carla", "random")):
        await town.ask("/bitrise subscribe android", "subscribed", person=person, channel=channel)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
    await town.wait_for_message("Sample Android #2 failed", person=None)
    town.clock.skip(timedelta(minutes=1))
    told = await town.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    assert "LoginTest" in town.message_text(told)
    [of_tester] = town.messages_with("Sample Android #2 failed", channel="random")
    await town.wait_for_poll()
    assert "gradle-unit-test" not in town.message_text(of_tester)
    town.bitrise.hold(town.bitrise.android, 7)
    await town.wait_for_message("waits for somebody's approval", person=None)
    assert town.messages_with("waits for somebody's approval", channel="random") == []


async def pause(town: BotHarness) -> None:
    listed = await town.ask("/bitrise subscriptions", "every build's end", person="ben")
    await town.people.click("ben", listed, "Pause")
    await town.wait_for_message("paused", person=None)


async def test_a_paused_one_shows_the_app_again_once_its_maker_sees_it_again(town: BotHarness) -> None:
    role = town.bitrise.members["ben-okafor"].roles[town.bitrise.ios.slug]
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await pause(town)
    await town.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.holds(LOST, 1)
    await town.ask("/bitrise build #1", ONLY_FOLLOWED, person="carla")
    town.bitrise.let("ben-okafor", town.bitrise.ios, role)
    await town.holds(LOST, 0)
    await town.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
    assert town.messages_with("can't see the app at Bitrise any more") == []


async def test_one_of_an_archived_channel_is_lost_too(town: BotHarness) -> None:
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET stopped_reason = 'is_archived'")
    await town.start_bot()
    await town.ask("/bitrise builds", "", person="carla")
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.holds(LOST, 1)
    await town.ask("/bitrise builds", ONLY_FOLLOWED, person="carla")


async def test_what_was_known_counts_for_a_day(town: BotHarness) -> None:
    """The bot was away, and Bitrise can't be asked yet."""
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET confirmed_at = ?", LONG_AGO)
    ios = f"GET /v0.1/apps/{town.bitrise.ios.slug}"
    town.bitrise.fault(ios, "status", status=409, times=10_000)
    await town.start_bot()
    await town.ask("/bitrise build #1", ONLY_FOLLOWED, person="carla")
    await town.holds("SELECT stopped_reason FROM subscriptions", None)
    town.bitrise.faults.clear()
    await town.holds("SELECT confirmed_at > '2026-02' FROM subscriptions", 1)
    await town.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")


async def test_one_that_can_not_be_asked_about_keeps_none_of_the_others_from_it(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    ios = f"GET /v0.1/apps/{town.bitrise.ios.slug}"
    town.bitrise.fault(ios, "status", status=409, times=10_000)
    town.bitrise.let("anna-berg", town.bitrise.android, None)
    await town.wait_for_message("not told any more of every build's end in Sample Android", person=None)
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [(None,), ("unseen",)]


async def test_one_about_which_bitrise_says_nothing_while_it_answers_others_is_given_a_day(
    town: BotHarness,
) -> None:
    ios = f"GET /v0.1/apps/{town.bitrise.ios.slug}"
    town.bitrise.fault(ios, "status", status=409, times=10_000)
    await town.holds("SELECT unsure_since IS NOT NULL FROM subscriptions", 1)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET unsure_since = ?", LONG_AGO)
    await town.start_bot()
    await town.wait_for_message(
        "Bitrise has not said for a day whether the one who made it still sees the app", person=None
    )


async def test_after_a_day_in_which_bitrise_was_away_it_is_asked_and_nothing_stopped(
    town: BotHarness,
) -> None:
    ios = f"GET /v0.1/apps/{town.bitrise.ios.slug}"
    town.bitrise.fault(ios, "status", status=409, times=10_000)
    await town.holds("SELECT unsure_since IS NOT NULL FROM subscriptions", 1)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = ?", LONG_AGO, LONG_AGO)
    await town.start_bot()
    await town.holds("SELECT unsure_since > '2026-02' FROM subscriptions", 1)
    assert await town.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


async def test_what_showed_what_somebody_saw_ends_at_once_when_they_are_erased_beside_the_bot(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
        await town.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
        db = sqlite_utils.Database(town.folder / "buildbell.db")
        with db.conn:
            erase_everywhere(db, "T0SANDBOX", "U0BEN", SecretBox([SECRET_KEY]), utc_now())
        db.close()
        await town.ask("/bitrise build #1", ONLY_FOLLOWED, person="carla")


async def test_whoever_has_no_account_takes_no_subscription_over(town: BotHarness) -> None:
    await pause(town)
    listed = await town.ask("/bitrise subscriptions", "every build's end", person="carla")
    await town.press(listed, "Tell again", "/bitrise connect", person="carla")
    await town.ask("/bitrise subscribe ios", "/bitrise connect", person="carla")
    assert await town.rows("SELECT created_by, seen_as, stopped_reason FROM subscriptions") == [
        ("U0BEN", "own", "paused")
    ]


async def test_one_from_when_the_bots_token_acted_for_all_shows_what_its_maker_is_found_to_see(
    town: BotHarness,
) -> None:
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.ask("/bitrise subscribe web", "subscribed", channel="random")
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET seen_as = 'service', confirmed_at = NULL, checked_at = NULL")
    await town.execute("UPDATE subscriptions SET created_by = 'U0DORA' WHERE channel_id = 'C0RANDOM'")
    await town.start_bot()
    await town.holds("SELECT seen_as FROM subscriptions", "own", "service")
    await town.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    await town.ask("/bitrise builds web", ONLY_FOLLOWED, person="carla", channel="random")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.web))
    await town.wait_for_message("Web Shop #1 succeeded", person=None, channel="random")


async def test_tell_me_shows_whoever_has_no_account_one_build_for_as_long_as_their_channels_follow_it(
    town: BotHarness,
) -> None:
    running = town.bitrise.start_build(town.bitrise.ios, ends_as=None)
    card = await town.ask("/bitrise build #1", "#1", person="carla")
    await town.press(card, "Tell me", "I'll send you a direct message", person="carla")
    await town.ask("/bitrise builds ios", ONLY_FOLLOWED, person="carla", channel="D0CARLA")
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message(
        "no channel that its maker is in follows the app any more", person="carla", channel="D0CARLA"
    )
    town.bitrise.finish(running)
    await town.wait_for_poll()
    assert town.messages_with("Sample iOS #1", channel="D0CARLA") == []


async def test_the_end_of_ones_own_builds_comes_without_an_account_from_what_ones_channels_follow(
    town: BotHarness,
) -> None:
    town.slack.workspace.channel("G0RELEASE").members.discard("U0CARLA")
    town.people.invite("G0RELEASE")
    await town.ask("/bitrise subscribe ios", "subscribed", channel="G0RELEASE")
    said = "I send you the end of your own builds"
    await town.ask("/bitrise me name:octo ends:on", said, person="carla", channel="D0CARLA")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios, by="webhook-github/octo"))
    await town.wait_for_message("Sample iOS #1 succeeded", person="carla", channel="D0CARLA")
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.wait_for_message("can't see the app at Bitrise any more", person=None)
    await town.holds("SELECT apps FROM subscriptions WHERE channel_id = 'D0CARLA'", "[]")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios, by="webhook-github/octo"))
    await town.wait_for_message("Sample iOS #2 succeeded", person="anna", channel="G0RELEASE")
    await town.wait_for_poll()
    assert town.messages_with("Sample iOS #2", channel="D0CARLA") == []


async def test_what_was_told_to_a_tester_shows_no_lines_of_logs_after_its_subscription_has_ended(
    town: BotHarness,
) -> None:
    await town.connect("carla")
    await town.ask("/bitrise subscribe android", "subscribed")
    build = town.bitrise.start_build(town.bitrise.android, ends_as="error")
    town.bitrise.run(build)
    card = await town.ask("/bitrise build android #1", "#1", person="carla")
    await town.press(card, "Tell me", "I'll send you a direct message", person="carla")
    town.bitrise.finish(build, "error")
    told = await town.wait_for_message("Sample Android #1 failed", person="carla", channel="D0CARLA")
    await town.holds("SELECT COUNT(*) FROM subscriptions WHERE channel_id = 'D0CARLA'", 0)
    town.clock.skip(timedelta(minutes=1))
    await town.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    await town.people.click("carla", told, "Refresh")
    await town.wait_for_commands(action_ids.BUILD_REFRESH)
    await town.holds("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "gradle-unit-test" not in town.message_text(told)


async def test_what_was_told_before_the_app_was_lost_stays_as_it_is(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe ios", "subscribed", channel="random")
    await town.ask("/bitrise subscribe ios style:live", "subscribed", person="ben")
    running = town.bitrise.start_build(town.bitrise.ios, ends_as=None)
    live = await town.wait_for_message("Sample iOS #1 is on hold", person=None)
    town.bitrise.let("ben-okafor", town.bitrise.ios, None)
    await town.holds(LOST, 1, 0, 1)
    town.bitrise.finish(running, "error")
    await town.wait_for_message("Sample iOS #1 failed", person=None, channel="random")
    # Whatever makes a message out of date, such as what is found in a log, and whatever wakes whoever sends it.
    await town.execute("UPDATE messages SET stale = 1 WHERE subject LIKE 'live %'")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.wait_for_message("Sample iOS #2 succeeded", person=None, channel="random")
    await town.holds("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "failed" not in town.message_text(live)
    said = "its messages stay as they are"
    await town.press(live, "Refresh", said)
    await town.press(live, "Refresh", ONLY_FOLLOWED, person="carla")
    assert "failed" not in town.message_text(live)
