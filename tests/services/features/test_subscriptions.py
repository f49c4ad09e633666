"""Subscribing: what a channel gets, what is refused, and what is there already."""

from __future__ import annotations

from sandbox.slack.models import TEAM, Post
from tests.support.bot_harness import BotHarness


async def test_a_public_channel_that_subscribes_is_joined_and_told_once_also_where_an_answer_gets_lost(
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
    post = await harness.wait_for_message("Sample Android #1 succeeded", person=None)
    await harness.wait_for_values("SELECT status FROM notifications", "told")
    assert harness.messages_with("#1 succeeded") == [post]

    # The same once more is no news for the channel.
    said = await harness.ask("/bitrise subscribe android", "already has this subscription")
    assert said.only_for is not None
    listed = await harness.ask("/bitrise subscriptions", "Edit")
    await harness.users.click("anna", listed, "Edit")
    await harness.slack.wait_for_modal("anna", "Edit a subscription")
    await harness.users.submit("anna", {})
    await harness.slack.wait_until_closed("anna")
    await harness.users.click("anna", listed, "Edit")
    modal = await harness.slack.wait_for_modal("anna", "Edit a subscription")
    await harness.users.submit("anna", {"more": "style:card status:failed"})
    assert "style:card tells what breaks" in modal.errors["more"]
    await harness.users.submit("anna", {"more": "branch:main status:failed"})
    await harness.slack.wait_until_closed("anna")
    changed = harness.message_text(await harness.wait_for_message("changed a subscription", person=None))
    assert "now every failure in Sample Android on branch `main`" in changed
    assert len(harness.messages_with("changed a subscription")) == 1

    for words, problem in (
        ("at:9:00", "at: is the time of a digest"),
        ("on:mon", "on: is the day of a weekly digest"),
        ("style:daily at:9:00 on:mon", "style:daily comes every day"),
        ("zone:Europe/Berlin", "zone: is the time zone of"),
    ):
        await harness.ask(f"/bitrise subscribe android {words}", problem)


async def test_where_the_bot_may_not_join_it_says_what_that_means(harness: BotHarness) -> None:
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
    # An app that was installed before asks all the same, since only Slack knows what it may.
    assert {one for one in harness.slack.violations if "conversations.join" not in one} == set()
    harness.slack.violations.clear()


async def test_a_list_is_up_to_date_after_each_of_its_buttons_and_an_old_one_says_what_is_so(
    harness: BotHarness,
) -> None:
    long = " ".join(f"branch:release/{number}/*" for number in range(20))
    await harness.ask(f"/bitrise subscribe android {long}", "subscribed")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    old = await harness.ask("/bitrise subscriptions", "[Pause]")
    assert "`release/19/*`" in harness.message_text(old)
    listed = await harness.ask("/bitrise subscriptions", "[Pause]")

    async def says(post: Post, text: str, *, without: str = "") -> None:
        def look() -> bool | None:
            said = harness.message_text(post)
            return (text in said and (not without or without not in said)) or None

        await harness.slack.workspace.wait_for(look, 30, text)

    await harness.users.click("anna", listed, "Pause")
    await says(listed, "⏸️ Paused.")
    await harness.users.click("anna", listed, "Tell again")
    await says(listed, "[Pause]", without="Paused")
    await harness.users.click("anna", listed, "Unsubscribe")
    await says(listed, harness.bitrise.ios.title, without="Sample Android")
    await harness.press(old, "Unsubscribe", "This channel has no such subscription any more")
    await says(old, harness.bitrise.ios.title, without="Sample Android")


async def test_a_channel_counts_its_own_subscriptions_from_one(harness: BotHarness) -> None:
    for app in ("android", "ios"):
        await harness.ask(f"/bitrise subscribe {app}", "subscribed", channel="random")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "[Pause]")
    said = harness.message_text(listed)
    assert said.index("1. every") < said.index(harness.bitrise.ios.title) < said.index("2. every")
    await harness.ask("/bitrise unsubscribe 3", "no such subscription")
    await harness.ask("/bitrise unsubscribe 1", f"ended the subscription to {harness.bitrise.ios.title}")
    # What is left keeps its number, by which people may know it already; buttons mean what they stand at.
    said = harness.message_text(await harness.ask("/bitrise subscriptions", "[Pause]"))
    assert "2. every build's end in Sample Android" in said
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.ask("/bitrise subscriptions", "3. every failure in Sample Android")
    assert len(await harness.rows("SELECT 1 FROM subscriptions WHERE channel_id = 'C0RANDOM'")) == 2
