"""A subscription shows only what its creator has access to, for as long as they have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlite_utils

from bot.app import utc_now
from providers.bitrise import action_ids
from sandbox.bitrise.members import BEN_TOKEN
from storage.encryption import SecretBox
from storage.personal_data import erase_everywhere
from storage.sqlite_database import SqliteConnection
from tests.support.bot_harness import SECRET_KEY, BotHarness, bot_harness

LONG_AGO = "2026-01-01T00:00:00.000000+00:00"
NO_ACCESS = "apps that this channel subscribes to"
LOST_ACCESS = "SELECT unseen_at IS NOT NULL FROM subscriptions ORDER BY id"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, seconds={"access_check_seconds": 0.2}, service_token_acts="0") as opened:
        await opened.connect("anna", "ben")
        await opened.ask("/bitrise subscribe ios", "subscribed", person="ben")
        yield opened


async def test_a_subscription_stops_when_its_creator_loses_access_and_the_channel_is_notified_why(
    harness: BotHarness,
) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #1") == []
    listed = await harness.ask(
        "/bitrise subscriptions", "The person who added it can't see the app any more", person="ben"
    )
    await harness.press(listed, "Resume", "Bitrise can't find this", person="ben")


async def test_a_user_with_access_can_take_over_the_subscription(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    listed = await harness.ask("/bitrise subscriptions", "The person who added it can't see the app any more")
    await harness.press(listed, "Resume", "anna resumed notifications for")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #1 passed", person=None)
    assert await harness.rows("SELECT created_by, stopped_reason FROM subscriptions") == [("U0ANNA", None)]


async def test_the_loss_of_access_is_notified_once_and_not_again_after_a_restart(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    await harness.stop_bot()
    await harness.start_bot()
    await harness.ask("/bitrise subscriptions", "Stopped")
    assert len(harness.messages_with("can't see the app at Bitrise any more")) == 1


async def test_a_subscription_stops_after_a_day_of_a_refused_token(harness: BotHarness) -> None:
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.wait_for_message("Bitrise rejected your token", person="ben", channel="D0BEN")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #1 passed", person=None)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET unsure_since = ?, checked_at = NULL", LONG_AGO)
    await harness.start_bot()
    await harness.wait_for_message("Bitrise rejected the token of the person who added this", person=None)


async def test_an_outage_of_bitrise_stops_no_subscription(harness: BotHarness) -> None:
    harness.bitrise.fault("GET /v0.1/apps/*", "status", status=503, times=30)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET checked_at = NULL")
    await harness.start_bot()
    await harness.wait_until(
        lambda: (
            sum(
                request.member == "ben-okafor" and request.status == 200
                for request in harness.bitrise.requests
            )
            > 3
        )
    )
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [(None,)]


async def test_own_builds_are_notified_only_for_apps_with_access(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe web", "subscribed")
    await harness.ask("/bitrise me ends:on", "Direct messages when your builds finish: on", person="ben")
    for app in (harness.bitrise.web, harness.bitrise.ios):
        harness.bitrise.finish(harness.bitrise.start_build(app, by="manual-ben-okafor"))
    await harness.wait_for_message("Sample iOS #1 passed", person="ben", channel="D0BEN")
    await harness.wait_for_message("Web Shop #1 passed", person=None)
    assert harness.messages_with("Web Shop", channel="D0BEN") == []


async def test_a_user_who_left_while_the_bot_was_stopped_is_detected(harness: BotHarness) -> None:
    await harness.stop_bot()
    harness.users.deactivate("ben")
    await harness.execute("UPDATE accounts SET checked_at = ?, connected_at = ?", LONG_AGO, LONG_AGO)
    harness.slack.delivery.retries_after = (600.0, 600.0, 600.0)
    await harness.start_bot()
    await harness.wait_for_message("disconnected their account, or left", person="anna")
    assert await harness.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_a_testers_subscription_shows_no_more_than_a_tester_may_read(harness: BotHarness) -> None:
    await harness.connect("carla")
    failed = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.bitrise.finish(failed, "error")
    for person, channel in (("anna", "builds"), ("carla", "random")):
        await harness.ask("/bitrise subscribe android", "subscribed", person=person, channel=channel)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("Sample Android #2 failed", person=None)
    harness.clock.skip(timedelta(minutes=1))
    message = await harness.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    assert "LoginTest" in harness.message_text(message)
    [testers_message] = harness.messages_with("Sample Android #2 failed", channel="random")
    await harness.wait_for_poll()
    assert "gradle-unit-test" not in harness.message_text(testers_message)
    harness.bitrise.add_build_request(harness.bitrise.android, 7)
    await harness.wait_for_message("Approval needed to build", person=None)
    assert harness.messages_with("Approval needed to build", channel="random") == []


async def pause_subscription(harness: BotHarness) -> None:
    listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="ben")
    await harness.users.click("ben", listed, "Pause")
    await harness.wait_for_message("paused", person=None)


async def test_a_paused_subscription_shows_the_app_again_once_its_creator_has_access_again(
    harness: BotHarness,
) -> None:
    role = harness.bitrise.members["ben-okafor"].roles[harness.bitrise.ios.slug]
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await pause_subscription(harness)
    await harness.ask("/bitrise build #1", "Sample iOS #1 passed", person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST_ACCESS, 1)
    await harness.ask("/bitrise build #1", NO_ACCESS, person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, role)
    await harness.wait_for_values(LOST_ACCESS, 0)
    await harness.ask("/bitrise build #1", "Sample iOS #1 passed", person="carla")
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [("paused",)]
    assert harness.messages_with("can't see the app at Bitrise any more") == []


async def test_a_subscription_of_an_archived_channel_loses_access_too(harness: BotHarness) -> None:
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET stopped_reason = 'is_archived'")
    await harness.start_bot()
    await harness.ask("/bitrise builds", "", person="carla")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST_ACCESS, 1)
    await harness.ask("/bitrise builds", NO_ACCESS, person="carla")


async def test_access_that_cannot_be_checked_lasts_for_a_day(harness: BotHarness) -> None:
    """The bot was stopped for long, and Bitrise can't be asked yet."""
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET confirmed_at = ?", LONG_AGO)
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    await harness.start_bot()
    await harness.ask("/bitrise build #1", NO_ACCESS, person="carla")
    await harness.wait_for_values("SELECT stopped_reason FROM subscriptions", None)
    harness.bitrise.faults.clear()
    await harness.wait_for_values("SELECT confirmed_at > '2026-02' FROM subscriptions", 1)
    await harness.ask("/bitrise build #1", "Sample iOS #1 passed", person="carla")


async def test_a_subscription_that_cannot_be_checked_does_not_block_the_others(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    harness.bitrise.set_role("anna-berg", harness.bitrise.android, None)
    await harness.wait_for_message(
        "Notifications stopped for Sample Android: all finished builds", person=None
    )
    assert await harness.rows("SELECT stopped_reason FROM subscriptions") == [(None,), ("unseen",)]


async def test_a_subscription_stops_after_a_day_in_which_bitrise_does_not_answer_for_its_app(
    harness: BotHarness,
) -> None:
    ios = f"GET /v0.1/apps/{harness.bitrise.ios.slug}"
    harness.bitrise.fault(ios, "status", status=409, times=10_000)
    await harness.wait_for_values("SELECT unsure_since IS NOT NULL FROM subscriptions", 1)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET unsure_since = ?", LONG_AGO)
    await harness.start_bot()
    await harness.wait_for_message(
        "Bitrise hasn't confirmed for a day that the person who added this can see the app", person=None
    )


async def test_after_a_day_of_outage_bitrise_is_asked_again_and_nothing_stops(
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


async def test_access_through_a_subscription_ends_at_once_when_its_creator_is_erased_beside_the_bot(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
        await harness.ask("/bitrise build #1", "Sample iOS #1 passed", person="carla")
        db = sqlite_utils.Database(harness.folder / "buildbell.db")
        with db.conn:
            erase_everywhere(SqliteConnection(db), "T0SANDBOX", "U0BEN", SecretBox([SECRET_KEY]), utc_now())
        db.close()
        await harness.ask("/bitrise build #1", NO_ACCESS, person="carla")


async def test_a_user_without_an_account_cannot_take_over_a_subscription(harness: BotHarness) -> None:
    await pause_subscription(harness)
    listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="carla")
    await harness.press(listed, "Resume", "/bitrise connect", person="carla")
    await harness.ask("/bitrise subscribe ios", "/bitrise connect", person="carla")
    assert await harness.rows("SELECT created_by, seen_as, stopped_reason FROM subscriptions") == [
        ("U0BEN", "own", "paused")
    ]


async def test_a_subscription_made_with_the_bots_token_gets_its_creators_access(
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
    await harness.ask("/bitrise build #1", "Sample iOS #1 passed", person="carla")
    await harness.ask("/bitrise builds web", NO_ACCESS, person="carla", channel="random")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    await harness.wait_for_message("Web Shop #1 passed", person=None, channel="random")


async def test_tell_me_without_an_account_follows_a_build_while_a_channel_is_subscribed_to_its_app(
    harness: BotHarness,
) -> None:
    running = harness.bitrise.start_build(harness.bitrise.ios, ends_as=None)
    card = await harness.ask("/bitrise build #1", "#1", person="carla")
    await harness.press(card, "Notify me", "You'll get a direct message", person="carla")
    await harness.ask("/bitrise builds ios", NO_ACCESS, person="carla", channel="D0CARLA")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message(
        "No channel of the person who added this is subscribed to the app", person="carla", channel="D0CARLA"
    )
    harness.bitrise.finish(running)
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #1", channel="D0CARLA") == []


async def test_own_builds_are_notified_without_an_account_for_apps_of_the_users_channels(
    harness: BotHarness,
) -> None:
    harness.slack.workspace.find_channel("G0RELEASE").members.discard("U0CARLA")
    harness.users.invite("G0RELEASE")
    await harness.ask("/bitrise subscribe ios", "subscribed", channel="G0RELEASE")
    said = "Direct messages when your builds finish: on"
    await harness.ask("/bitrise me name:octo ends:on", said, person="carla", channel="D0CARLA")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios, by="webhook-github/octo"))
    await harness.wait_for_message("Sample iOS #1 passed", person="carla", channel="D0CARLA")
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
    await harness.wait_for_values("SELECT apps FROM subscriptions WHERE channel_id = 'D0CARLA'", "[]")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios, by="webhook-github/octo"))
    await harness.wait_for_message("Sample iOS #2 passed", person="anna", channel="G0RELEASE")
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #2", channel="D0CARLA") == []


async def test_a_testers_message_shows_no_log_lines_after_its_subscription_has_ended(
    harness: BotHarness,
) -> None:
    await harness.connect("carla")
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.bitrise.start_running(build)
    card = await harness.ask("/bitrise build android #1", "#1", person="carla")
    await harness.press(card, "Notify me", "You'll get a direct message", person="carla")
    harness.bitrise.finish(build, "error")
    message = await harness.wait_for_message("Sample Android #1 failed", person="carla", channel="D0CARLA")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions WHERE channel_id = 'D0CARLA'", 0)
    harness.clock.skip(timedelta(minutes=1))
    await harness.wait_for_message("Failed in `gradle-unit-test@1.0.7`", person=None)
    await harness.users.click("carla", message, "Refresh")
    await harness.wait_for_commands(action_ids.BUILD_REFRESH)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "gradle-unit-test" not in harness.message_text(message)


async def test_messages_from_before_the_loss_of_access_stay_as_they_are(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe ios", "subscribed", channel="random")
    await harness.ask("/bitrise subscribe ios style:live", "subscribed", person="ben")
    running = harness.bitrise.start_build(harness.bitrise.ios, ends_as=None)
    live = await harness.wait_for_message("Sample iOS #1 is on hold", person=None)
    harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
    await harness.wait_for_values(LOST_ACCESS, 1, 0, 1)
    harness.bitrise.finish(running, "error")
    await harness.wait_for_message("Sample iOS #1 failed", person=None, channel="random")
    # Mark the message as out of date, as a log's analysis would, and wake the dispatcher.
    await harness.execute("UPDATE messages SET stale = 1 WHERE subject LIKE 'live %'")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_message("Sample iOS #2 passed", person=None, channel="random")
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)
    assert "failed" not in harness.message_text(live)
    said = "its messages can't be updated"
    await harness.press(live, "Refresh", said)
    await harness.press(live, "Refresh", NO_ACCESS, person="carla")
    assert "failed" not in harness.message_text(live)
