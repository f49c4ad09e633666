"""Subscribing: what a channel gets, what is refused, and what is there already."""

from __future__ import annotations

from sandbox.slack.workspace import TEAM, Post
from tests.support.bot_harness import BotHarness


async def test_a_public_channel_that_subscribes_is_joined_and_told_once_also_where_an_answer_gets_lost(
    town: BotHarness,
) -> None:
    builds = town.slack.workspace.channel("builds")
    bot = town.slack.workspace.bot_user
    assert bot not in builds.members
    confirmed = town.message_text(await town.ask("/bitrise subscribe android", "subscribed"))
    assert bot in builds.members
    assert "/invite" not in confirmed
    town.slack.fault("chat.postMessage", "answer_lost")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    post = await town.wait_for_message("Sample Android #1 succeeded", person=None)
    await town.holds("SELECT status FROM notifications", "told")
    assert town.messages_with("#1 succeeded") == [post]

    # The same once more is no news for the channel.
    said = await town.ask("/bitrise subscribe android", "already has this subscription")
    assert said.only_for is not None
    listed = await town.ask("/bitrise subscriptions", "Edit")
    await town.people.click("anna", listed, "Edit")
    await town.slack.wait_for_modal("anna", "Edit a subscription")
    await town.people.submit("anna", {})
    await town.slack.wait_until_closed("anna")
    await town.people.click("anna", listed, "Edit")
    modal = await town.slack.wait_for_modal("anna", "Edit a subscription")
    await town.people.submit("anna", {"more": "style:card status:failed"})
    assert "style:card tells what breaks" in modal.errors["more"]
    await town.people.submit("anna", {"more": "branch:main status:failed"})
    await town.slack.wait_until_closed("anna")
    changed = town.message_text(await town.wait_for_message("changed a subscription", person=None))
    assert "now every failure in Sample Android on branch `main`" in changed
    assert len(town.messages_with("changed a subscription")) == 1

    for words, problem in (
        ("at:9:00", "at: is the time of a digest"),
        ("on:mon", "on: is the day of a weekly digest"),
        ("style:daily at:9:00 on:mon", "style:daily comes every day"),
        ("zone:Europe/Berlin", "zone: is the time zone of"),
    ):
        await town.ask(f"/bitrise subscribe android {words}", problem)


async def test_where_the_bot_may_not_join_it_says_what_that_means(town: BotHarness) -> None:
    town.slack.installations.by_id(TEAM).scopes -= {"channels:join"}
    confirmed = town.message_text(await town.ask("/bitrise subscribe android", "subscribed"))
    assert "Buildbell isn't a member of this channel" in confirmed
    assert "/invite @buildbell" in confirmed
    town.people.invite("random")
    confirmed = town.message_text(
        await town.ask("/bitrise subscribe android", "subscribed", channel="random")
    )
    assert "/invite" not in confirmed
    refused = await town.ask("/bitrise subscribe android", "/invite @buildbell", channel="release")
    assert "subscribed" not in town.message_text(refused)
    town.people.invite("release")
    confirmed = town.message_text(
        await town.ask("/bitrise subscribe android", "subscribed", channel="release")
    )
    assert "isn't a member" not in confirmed
    # An app that was installed before asks all the same, since only Slack knows what it may.
    assert {one for one in town.slack.violations if "conversations.join" not in one} == set()
    town.slack.violations.clear()


async def test_a_list_is_up_to_date_after_each_of_its_buttons_and_an_old_one_says_what_is_so(
    town: BotHarness,
) -> None:
    long = " ".join(f"branch:release/{number}/*" for number in range(20))
    await town.ask(f"/bitrise subscribe android {long}", "subscribed")
    await town.ask("/bitrise subscribe ios", "subscribed")
    old = await town.ask("/bitrise subscriptions", "[Pause]")
    assert "`release/19/*`" in town.message_text(old)
    listed = await town.ask("/bitrise subscriptions", "[Pause]")

    async def says(post: Post, text: str, *, without: str = "") -> None:
        def look() -> bool | None:
            said = town.message_text(post)
            return (text in said and (not without or without not in said)) or None

        await town.slack.workspace.wait_for(look, 30, text)

    await town.people.click("anna", listed, "Pause")
    await says(listed, "⏸️ Paused.")
    await town.people.click("anna", listed, "Tell again")
    await says(listed, "[Pause]", without="Paused")
    await town.people.click("anna", listed, "Unsubscribe")
    await says(listed, town.bitrise.ios.title, without="Sample Android")
    await town.press(old, "Unsubscribe", "This channel has no such subscription any more")
    await says(old, town.bitrise.ios.title, without="Sample Android")


async def test_a_channel_counts_its_own_subscriptions_from_one(town: BotHarness) -> None:
    for app in ("android", "ios"):
        await town.ask(f"/bitrise subscribe {app}", "subscribed", channel="random")
    await town.ask("/bitrise subscribe ios", "subscribed")
    await town.ask("/bitrise subscribe android", "subscribed")
    listed = await town.ask("/bitrise subscriptions", "[Pause]")
    said = town.message_text(listed)
    assert said.index("1. every") < said.index(town.bitrise.ios.title) < said.index("2. every")
    await town.ask("/bitrise unsubscribe 3", "no such subscription")
    await town.ask("/bitrise unsubscribe 1", f"ended the subscription to {town.bitrise.ios.title}")
    # What is left keeps its number, by which people may know it already; buttons mean what they stand at.
    said = town.message_text(await town.ask("/bitrise subscriptions", "[Pause]"))
    assert "2. every build's end in Sample Android" in said
    await town.ask("/bitrise subscribe android status:failed", "subscribed")
    await town.ask("/bitrise subscriptions", "3. every failure in Sample Android")
    assert len(await town.rows("SELECT 1 FROM subscriptions WHERE channel_id = 'C0RANDOM'")) == 2
