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
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as opened:
        await opened.connect("anna", "ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


async def test_a_subscription_stops_when_its_maker_sees_the_app_no_more_and_the_channel_hears_why(
    harness: BotHarness,
) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #1") == []
    listed = await harness.ask(
        "/bitrise subscriptions", "Whoever made it can't see the app any more", person="ben"
    )
    await harness.press(listed, "Tell again", "Bitrise knows no such thing", person="ben")


async def test_somebody_who_sees_the_app_can_take_it_over(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    listed = await harness.ask("/bitrise subscriptions", "Whoever made it can't see the app any more")
    await harness.press(listed, "Tell again", "anna let this channel be told again")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #1 succeeded", person=None)
    assert await harness.rows("SELECT created_by, stopped_reason FROM subscriptions") == [("U0ANNA", None)]


async def test_it_is_said_once_and_not_again_after_a_restart(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    await harness.stop_bot()
    await harness.start_bot()
    await harness.ask("/bitrise subscriptions", "Stopped")
    assert len(harness.messages_with("can't see the app at Bitrise any more")) == 1


async def test_a_token_that_is_refused_is_given_a_day(harness: BotHarness) -> None:
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.wait_for_message("Bitrise does not take your token any more", person="ben", channel="D0BEN")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #1 succeeded", person=None)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = NULL", LONG_AGO)
    await harness.start_bot()
    await harness.wait_for_message(
        "Bitrise does not take the token any more of the one who made it", person=None
    )


async def test_bitrise_being_away_stops_nothing(harness: BotHarness) -> None:
    harness.bitrise.fault("GET /v0.1/apps/*", "status", status=503, times=30)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET checked_at = NULL")
    await harness.start_bot()
    await harness.wait_until(
        lambda: sum(one.member == "ben-okafor" and one.status == 200 for one in harness.bitrise.requests) > 3
    )
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


async def test_the_end_of_ones_own_builds_comes_only_from_apps_that_one_sees(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe web", "subscribed")
    await harness.ask("/bitrise me ends:on", "I send you the end of your own builds", person="ben")
    for app in (harness.bitrise.web, harness.bitrise.ios):
        harness.bitrise.finish(harness.bitrise.start_build(app, by="manual-ben-okafor"))
    await harness.wait_for_message("Sample iOS #1 succeeded", person="ben", channel="D0BEN")
    await harness.wait_for_message("Web Shop #1 succeeded", person=None)
    assert harness.messages_with("Web Shop", channel="D0BEN") == []


async def test_whoever_left_while_the_bot_was_away_is_noticed(harness: BotHarness) -> None:
    await harness.stop_bot()
    harness.users.deactivate("ben")
    await harness.execute("UPDATE accounts SET checked_at = ?, connected_at = ?", LONG_AGO, LONG_AGO)
    harness.slack.delivery.retries_after = (600.0, 600.0, 600.0)
    await harness.start_bot()
    await harness.wait_for_message("has unlinked their account, or has left", person="anna")
    assert await harness.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_a_testers_subscription_tells_no_more_than_a_tester_may_read(harness: BotHarness) -> None:
    await harness.connect("carla")
    failed = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.bitrise.finish(failed, "error")
    for person, channel in (("anna", "builds"), ("carla", "random")):
        await harness.ask("/bitrise subscribe android", "subscribed", person=person, channel=channel)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("Sample Android #2 failed", person=None)
    harness.clock.skip(timedelta(minutes=1))
    told = await harness.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    assert "LoginTest" in harness.message_text(told)
    [of_tester] = harness.messages_with("Sample Android #2 failed", channel="random")
    await harness.wait_for_poll()
    assert "gradle-unit-test" not in harness.message_text(of_tester)
    harness.bitrise.add_build_request(harness.bitrise.android, 7)
    await harness.wait_for_message("waits for somebody's approval", person=None)
    assert harness.messages_with("waits for somebody's approval", channel="random") == []


async def pause(harness: BotHarness) -> None:
    listed = await harness.ask("/bitrise subscriptions", "every build's end", person="ben")
    await harness.users.click("ben", listed, "Pause")
    await harness.wait_for_message("paused", person=None)


async def test_a_paused_one_shows_the_app_again_once_its_maker_sees_it_again(harness: BotHarness) -> None:
    role = harness.bitrise.members["ben-okafor"].roles[harness.bitrise.ios.slug]
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await pause(harness)
    await harness.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST, 1)
    await harness.ask("/bitrise build #1", ONLY_FOLLOWED, person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, role)
    await harness.wait_for_values(LOST, 0)
    await harness.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
    assert harness.messages_with("can't see the app at Bitrise any more") == []


async def test_one_of_an_archived_channel_is_lost_too(harness: BotHarness) -> None:
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET stopped_reason = 'is_archived'")
    await harness.start_bot()
    await harness.ask("/bitrise builds", "", person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST, 1)
    await harness.ask("/bitrise builds", ONLY_FOLLOWED, person="carla")


async def test_what_was_known_counts_for_a_day(harness: BotHarness) -> None:
    """The bot was away, and Bitrise can't be asked yet."""
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET confirmed_at = ?", LONG_AGO)
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    await harness.start_bot()
    await harness.ask("/bitrise build #1", ONLY_FOLLOWED, person="carla")
    await harness.wait_for_values("SELECT stopped_reason FROM subscriptions", None)
    harness.bitrise.faults.clear()
    await harness.wait_for_values("SELECT confirmed_at > '2026-02' FROM subscriptions", 1)
    await harness.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")


async def test_one_that_can_not_be_asked_about_keeps_none_of_the_others_from_it(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    harness.bitrise.set_role("anna-berg", harness.bitrise.android, None)
    await harness.wait_for_message("not told any more of every build's end in Sample Android", person=None)
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [(None,), ("unseen",)]


async def test_one_about_which_bitrise_says_nothing_while_it_answers_others_is_given_a_day(
    harness: BotHarness,
) -> None:
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    await harness.wait_for_values("SELECT unsure_since IS NOT NULL FROM subscriptions", 1)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET unsure_since = ?", LONG_AGO)
    await harness.start_bot()
    await harness.wait_for_message(
        "Bitrise has not said for a day whether the one who made it still sees the app", person=None
    )


async def test_after_a_day_in_which_bitrise_was_away_it_is_asked_and_nothing_stopped(
    harness: BotHarness,
) -> None:
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    await harness.wait_for_values("SELECT unsure_since IS NOT NULL FROM subscriptions", 1)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = ?", LONG_AGO, LONG_AGO)
    await harness.start_bot()
    await harness.wait_for_values("SELECT unsure_since > '2026-02' FROM subscriptions", 1)
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


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


async def test_whoever_has_no_account_takes_no_subscription_over(harness: BotHarness) -> None:
    await pause(harness)
    listed = await harness.ask("/bitrise subscriptions", "every build's end", person="carla")
    await harness.press(listed, "Tell again", "/bitrise connect", person="carla")
    await harness.ask("/bitrise subscribe ios", "/bitrise connect", person="carla")
    assert await harness.rows("SELECT created_by, seen_as, stopped_reason FROM subscriptions") == [
        ("U0BEN", "own", "paused")
    ]


async def test_one_from_when_the_bots_token_acted_for_all_shows_what_its_maker_is_found_to_see(
    harness: BotHarness,
) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.ask("/bitrise subscribe web", "subscribed", channel="random")
    await harness.stop_bot()
    await harness.execute(
        "UPDATE subscriptions SET seen_as = 'service', confirmed_at = NULL, checked_at = NULL"
    )
    await harness.execute("UPDATE subscriptions SET created_by = 'U0DORA' WHERE channel_id = 'C0RANDOM'")
    await harness.start_bot()
    await harness.wait_for_values("SELECT seen_as FROM subscriptions", "own", "service")
    await harness.ask("/bitrise build #1", "Sample iOS #1 succeeded", person="carla")
    await harness.ask("/bitrise builds web", ONLY_FOLLOWED, person="carla", channel="random")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    await harness.wait_for_message("Web Shop #1 succeeded", person=None, channel="random")


async def test_tell_me_shows_whoever_has_no_account_one_build_for_as_long_as_their_channels_follow_it(
    harness: BotHarness,
) -> None:
    running = harness.bitrise.start_build(harness.bitrise.ios, ends_as=None)
    card = await harness.ask("/bitrise build #1", "#1", person="carla")
    await harness.press(card, "Tell me", "I'll send you a direct message", person="carla")
    await harness.ask("/bitrise builds ios", ONLY_FOLLOWED, person="carla", channel="D0CARLA")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message(
        "no channel that its maker is in follows the app any more", person="carla", channel="D0CARLA"
    )
    harness.bitrise.finish(running)
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #1", channel="D0CARLA") == []


async def test_the_end_of_ones_own_builds_comes_without_an_account_from_what_ones_channels_follow(
    harness: BotHarness,
) -> None:
    harness.slack.workspace.find_channel("G0RELEASE").members.discard("U0CARLA")
    harness.users.invite("G0RELEASE")
    await harness.ask("/bitrise subscribe ios", "subscribed", channel="G0RELEASE")
    said = "I send you the end of your own builds"
    await harness.ask("/bitrise me name:octo ends:on", said, person="carla", channel="D0CARLA")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios, by="webhook-github/octo"))
    await harness.wait_for_message("Sample iOS #1 succeeded", person="carla", channel="D0CARLA")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    await harness.wait_for_values("SELECT apps FROM subscriptions WHERE channel_id = 'D0CARLA'", "[]")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios, by="webhook-github/octo"))
    await harness.wait_for_message("Sample iOS #2 succeeded", person="anna", channel="G0RELEASE")
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #2", channel="D0CARLA") == []


async def test_what_was_told_to_a_tester_shows_no_lines_of_logs_after_its_subscription_has_ended(
    harness: BotHarness,
) -> None:
    await harness.connect("carla")
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.bitrise.start_running(build)
    card = await harness.ask("/bitrise build android #1", "#1", person="carla")
    await harness.press(card, "Tell me", "I'll send you a direct message", person="carla")
    harness.bitrise.finish(build, "error")
    told = await harness.wait_for_message("Sample Android #1 failed", person="carla", channel="D0CARLA")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions WHERE channel_id = 'D0CARLA'", 0)
    harness.clock.skip(timedelta(minutes=1))
    await harness.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    await harness.users.click("carla", told, "Refresh")
    await harness.wait_for_commands(action_ids.BUILD_REFRESH)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "gradle-unit-test" not in harness.message_text(told)


async def test_what_was_told_before_the_app_was_lost_stays_as_it_is(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe ios", "subscribed", channel="random")
    await harness.ask("/bitrise subscribe ios style:live", "subscribed", person="ben")
    running = harness.bitrise.start_build(harness.bitrise.ios, ends_as=None)
    live = await harness.wait_for_message("Sample iOS #1 is on hold", person=None)
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST, 1, 0, 1)
    harness.bitrise.finish(running, "error")
    await harness.wait_for_message("Sample iOS #1 failed", person=None, channel="random")
    # Whatever makes a message out of date, such as what is found in a log, and whatever wakes whoever sends it.
    await harness.execute("UPDATE messages SET stale = 1 WHERE subject LIKE 'live %'")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #2 succeeded", person=None, channel="random")
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "failed" not in harness.message_text(live)
    said = "its messages stay as they are"
    await harness.press(live, "Refresh", said)
    await harness.press(live, "Refresh", ONLY_FOLLOWED, person="carla")
    assert "failed" not in harness.message_text(live)
