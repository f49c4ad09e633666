"""Subscribing: confirmation, refusals, and existing subscriptions."""

from __future__ import annotations

from sandbox.slack.models import TEAM, Post
from tests.support.bot_harness import BotHarness


async def test_a_subscribed_public_channel_is_joined_and_notified_once_despite_a_lost_response(
    harness: BotHarness,
) -> None:
    builds = harness.slack.workspace.find_channel("builds")
    bot = harness.slack.workspace.bot_user
    assert bot not in builds.members
    confirmed = harness.message_text(await harness.ask("/bitrise subscribe android", "subscribed"))
    assert bot in builds.members
    assert "/invite" not in confirmed
    harness.slack.fault("chat.postMessage", "answer_lost")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    post = await harness.wait_for_message("Sample Android #1 passed", person=None)
    await harness.wait_for_values("SELECT status FROM notifications", "told")
    assert harness.messages_with("#1 passed") == [post]

    # A repeated command is not announced in the channel.
    reply = await harness.ask("/bitrise subscribe android", "Already subscribed: 1.")
    assert reply.only_for is not None
    listed = await harness.ask("/bitrise subscriptions", "Edit")
    await harness.users.click("anna", listed, "Edit")
    await harness.slack.wait_for_modal("anna", "Edit subscription")
    await harness.users.submit("anna", {})
    await harness.slack.wait_until_closed("anna")
    await harness.users.click("anna", listed, "Edit")
    modal = await harness.slack.wait_for_modal("anna", "Edit subscription")
    await harness.users.submit("anna", {"more": "style:card status:failed"})
    assert "style:card posts failures and fixes" in modal.errors["more"]
    await harness.users.submit("anna", {"more": "branch:main status:failed"})
    await harness.slack.wait_until_closed("anna")
    changed = harness.message_text(await harness.wait_for_message("changed a subscription", person=None))
    assert "Now: Sample Android: all failures on branch `main`" in changed
    assert len(harness.messages_with("changed a subscription")) == 1

    for words, problem in (
        ("at:9:00", "`at:` is the time of a summary"),
        ("on:mon", "`on:` is the day of a weekly summary"),
        ("style:daily at:9:00 on:mon", "`style:daily` posts every day"),
        ("zone:Europe/Berlin", "`zone:` is the time zone of"),
    ):
        await harness.ask(f"/bitrise subscribe android {words}", problem)


async def test_the_bot_explains_that_it_could_not_join_the_channel(harness: BotHarness) -> None:
    harness.slack.installations.get(TEAM).scopes -= {"channels:join"}
    confirmed = harness.message_text(await harness.ask("/bitrise subscribe android", "subscribed"))
    assert "Buildbell isn't a member of this channel" in confirmed
    assert "/invite @buildbell" in confirmed
    harness.users.invite("random")
    confirmed = harness.message_text(
        await harness.ask("/bitrise subscribe android", "subscribed", channel="random")
    )
    assert "/invite" not in confirmed
    refused = await harness.ask("/bitrise subscribe android", "/invite @buildbell", channel="release")
    assert "subscribed" not in harness.message_text(refused)
    harness.users.invite("release")
    confirmed = harness.message_text(
        await harness.ask("/bitrise subscribe android", "subscribed", channel="release")
    )
    assert "isn't a member" not in confirmed
    # The bot calls conversations.join without the scope too, since only Slack knows what it may do.
    assert {
        violation for violation in harness.slack.violations if "conversations.join" not in violation
    } == set()
    harness.slack.violations.clear()


async def test_each_button_refreshes_its_list_also_an_outdated_one(
    harness: BotHarness,
) -> None:
    long = " ".join(f"branch:release/{number}/*" for number in range(20))
    await harness.ask(f"/bitrise subscribe android {long}", "subscribed")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    old = await harness.ask("/bitrise subscriptions", "[Pause]")
    assert "`release/19/*`" in harness.message_text(old)
    listed = await harness.ask("/bitrise subscriptions", "[Pause]")

    async def wait_for_text(post: Post, text: str, *, without: str = "") -> None:
        def check() -> bool | None:
            reply = harness.message_text(post)
            return (text in reply and (not without or without not in reply)) or None

        await harness.slack.workspace.wait_for(check, 30, text)

    await harness.users.click("anna", listed, "Pause")
    await wait_for_text(listed, "⏸️ Paused.")
    await harness.users.click("anna", listed, "Resume")
    await wait_for_text(listed, "[Pause]", without="Paused")
    await harness.users.click("anna", listed, "Unsubscribe")
    await wait_for_text(listed, harness.bitrise.ios.title, without="Sample Android")
    await harness.press(old, "Unsubscribe", "This subscription no longer exists")
    await wait_for_text(old, harness.bitrise.ios.title, without="Sample Android")


async def test_subscriptions_are_numbered_per_channel(harness: BotHarness) -> None:
    for app in ("android", "ios"):
        await harness.ask(f"/bitrise subscribe {app}", "subscribed", channel="random")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "[Pause]")
    reply = harness.message_text(listed)
    assert reply.index(f"1. {harness.bitrise.ios.title}: all") < reply.index("2. Sample Android: all")
    await harness.ask("/bitrise unsubscribe 3", "No such subscription here")
    await harness.ask("/bitrise unsubscribe 1", f"removed a subscription to {harness.bitrise.ios.title}")
    # The remaining subscription keeps its number, which users may already know.
    reply = harness.message_text(await harness.ask("/bitrise subscriptions", "[Pause]"))
    assert "2. Sample Android: all finished builds" in reply
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscriptions", "3. Sample Android: all failures")
    assert len(await harness.rows("SELECT 1 FROM subscriptions WHERE channel_id = 'C0RANDOM'")) == 2
