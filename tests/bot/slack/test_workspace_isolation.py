"""Two workspaces with the same user and channel ids: everything works in both, and their data stays separate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.slack.models import Post
from sandbox.slack.transcript import home_text
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import TWIN, MultiWorkspaceHarness, multi_workspace_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path) as opened:
        await opened.install_everywhere()
        yield opened


@pytest.fixture
async def own_accounts_harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    """Run a harness in which people act only with their own accounts."""
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as opened:
        await opened.install_everywhere()
        yield opened


async def wait_for_text(workspace: WorkspaceHarness, post: Post, text: str) -> None:
    await workspace.slack.workspace.wait_for(
        lambda: True if text in workspace.message_text(post) else None,
        30,
        f"{text!r} in\n{workspace.message_text(post)}",
    )


async def wait_for_home(
    workspace: WorkspaceHarness, *texts: str, without: str = "", person: str = "U0ANNA"
) -> str:
    def find_home() -> str | None:
        shown = workspace.slack.workspace.homes.get(person)
        home = home_text(shown, workspace.slack.workspace.mention_names) if shown else ""
        return (
            home
            if shown and all(text in home for text in texts) and (not without or without not in home)
            else None
        )

    return await workspace.slack.workspace.wait_for(find_home, 30, f"{texts} on the Home")


def bot_messages(workspace: WorkspaceHarness) -> list[str]:
    return [
        workspace.message_text(post)
        for channel in workspace.slack.workspace.channels.values()
        for post in channel.posts
        if post.by_bot
    ]


async def test_every_surface_works_in_both_and_posts_nothing_in_the_other(
    harness: MultiWorkspaceHarness,
) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(build, "error")
    for workspace, other in ((harness, harness.twin), (harness.twin, harness)):
        before = bot_messages(other)
        workspace.users.invite("builds")
        card = await workspace.ask("/bitrise build android #1", "#1 failed")
        await workspace.press(card, "Rebuild", "anna started Sample Android")
        await workspace.users.click("anna", card, "View log")
        await workspace.wait_for_message("Last lines of", after=card)
        await workspace.users.shortcut("ben", "find_build")
        await workspace.slack.wait_for_modal("ben", "Find a build")
        await workspace.users.submit(
            "ben", {"app": (await workspace.users.options("ben", "pick_app", "andr"))[0], "words": "#1"}
        )
        await workspace.slack.wait_for_modal("ben", "#1 failed")
        workspace.users.say("ben", "builds", "@buildbell build android #1")
        await workspace.wait_for_message("#1 failed", person=None)
        workspace.users.say("ben", "D0BEN", "build android #1")
        await workspace.wait_for_message("#1 failed", person="ben", channel="D0BEN")
        workspace.users.open_home("anna")
        await wait_for_home(workspace, "[Subscribe…]")
        linked = workspace.users.say("ben", "builds", f"look: https://app.bitrise.io/build/{build.slug}")
        await wait_for_text(workspace, linked, "#1 failed")
        assert bot_messages(other) == before


async def test_each_workspace_is_called_with_its_own_token(harness: MultiWorkspaceHarness) -> None:
    for workspace in (harness, harness.twin):
        post = await workspace.ask("/bitrise apps", "3 apps")
        assert post.to_json()["team"] == workspace.slack.workspace.team
        direct = workspace.slack.workspace.find_channel("D0ANNA")
        workspace.users.say("anna", "D0ANNA", "help")
        answer = await workspace.wait_for_message("Commands", channel="D0ANNA")
        assert answer in direct.posts
        assert answer.user == workspace.slack.workspace.bot_user


async def test_builds_are_notified_only_where_they_are_subscribed(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(build)
    await harness.wait_for_message("Sample Android #1 passed", person=None)
    await harness.twin.ask("/bitrise subscribe android status:failed", "subscribed to")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    for workspace in (harness, harness.twin):
        await workspace.wait_for_message("Sample Android #2 failed", person=None)
    await harness.ask("/bitrise why android #2", "Posted here")
    await harness.twin.ask("/bitrise why android #1", "all failures")
    await harness.ask("/bitrise unsubscribe android", "removed a subscription")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.twin.wait_for_message("Sample Android #3 failed", person=None)
    assert not harness.messages_with("#3")
    assert not harness.twin.messages_with("#1 passed")


async def test_subscriptions_of_the_other_workspace_can_not_be_changed_by_number(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    listed = await harness.ask("/bitrise subscriptions", "Sample Android")
    assert "1" in harness.message_text(listed)
    await harness.twin.ask("/bitrise unsubscribe 1", "No such subscription here")
    nothing = await harness.twin.ask("/bitrise subscriptions")
    assert "Sample Android" not in harness.twin.message_text(nothing)
    # A button of one workspace, pressed in the other, as Slack would never send it.
    forged = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000001", "U0", "x", listed.blocks, by_bot=True),
    )
    await harness.twin.press(forged, "Unsubscribe", "This subscription no longer exists")
    await harness.ask("/bitrise subscriptions", "Sample Android")


async def test_default_apps_and_last_triggers_belong_to_a_workspace(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise use android", "Sample Android")
    await harness.twin.ask("/bitrise builds", "Which app?")
    await harness.twin.ask("/bitrise use web", "Web Shop")
    await harness.ask("/bitrise trigger branch:main workflow:deploy", "anna started Sample Android")
    for workspace, remembered in ((harness, True), (harness.twin, False)):
        await workspace.users.shortcut("anna", "start_build")
        opened = await workspace.slack.wait_for_modal("anna", "Workflow or pipeline")
        assert ("deploy" in workspace.slack.modal_text(opened)) is remembered


async def test_claimed_names_and_own_builds_belong_to_a_workspace(harness: MultiWorkspaceHarness) -> None:
    await harness.ask("/bitrise me name:octo", "`octo`")
    await harness.ask("/bitrise me name:octo", "Someone else here already has the name", person="ben")
    await harness.twin.ask("/bitrise me name:octo", "`octo`", person="ben")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    for workspace, mine in ((harness, True), (harness.twin, False)):
        text = workspace.message_text(await workspace.ask("/bitrise mine"))
        assert ("#1" in text) is mine
        workspace.users.open_home("anna")
        shown = await wait_for_home(workspace, "Sample Android #1 is")
        # Once among the running builds, and once more among the user's own.
        assert shown.count("Sample Android #1") == 1 + mine


async def test_only_the_person_who_started_a_build_is_notified_of_its_end(
    harness: MultiWorkspaceHarness,
) -> None:
    for workspace in (harness, harness.twin):
        await workspace.ask("/bitrise me ends:on", "Direct messages when your builds finish: on")
        await workspace.ask("/bitrise subscribe android by:bot", "subscribed to")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[0])
    await harness.wait_for_message("Sample Android #1 passed", channel="D0ANNA")
    await harness.twin.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[-1])
    await harness.twin.wait_for_message("Sample Android #2 passed", channel="D0ANNA")
    assert not harness.messages_with("#2 passed", "D0ANNA")
    assert not harness.twin.messages_with("#1 passed", "D0ANNA")


async def test_a_card_is_claimed_in_one_workspace_and_names_nobody_of_the_other(
    harness: MultiWorkspaceHarness,
) -> None:
    for workspace in (harness, harness.twin):
        await workspace.ask("/bitrise subscribe android style:card", "one card per failure streak")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[0], "error")
    cards = [
        await workspace.wait_for_message("is failing", person=None) for workspace in (harness, harness.twin)
    ]
    assert "by @anna" in harness.message_text(cards[0])
    assert "by @" not in harness.twin.message_text(cards[1])
    await harness.users.click("ben", cards[0], "I'm on it")
    await wait_for_text(harness, cards[0], "@ben is on it")
    harness.bitrise.finish(
        harness.bitrise.start_build(harness.bitrise.android, params=harness.bitrise.state.builds[0].params),
        "error",
    )
    await wait_for_text(harness.twin, cards[1], "2 builds failed in a row")
    assert "on it" not in harness.twin.message_text(cards[1]).replace("[I'm on it]", "")


async def test_threads_belong_to_a_workspace(harness: MultiWorkspaceHarness) -> None:
    for workspace in (harness, harness.twin):
        await workspace.ask("/bitrise subscribe android style:thread", "one thread per branch")
    for _ in range(2):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    for workspace in (harness, harness.twin):
        head = await workspace.wait_for_message("🧵 Sample Android: branch", person=None)
        for number in (1, 2):
            reply = await workspace.wait_for_message(f"#{number} passed", person=None, after=head)
            assert reply.thread_ts == head.ts
        assert len(workspace.messages_with("🧵")) == 1


async def test_an_approver_is_named_only_in_their_own_workspace(harness: MultiWorkspaceHarness) -> None:
    for workspace in (harness, harness.twin):
        await workspace.ask("/bitrise subscribe android", "subscribed to")
    harness.bitrise.add_build_request(harness.bitrise.android, 12)
    messages = [
        await workspace.wait_for_message("Approval needed to build", person=None)
        for workspace in (harness, harness.twin)
    ]
    await harness.users.click("ben", messages[0], "Approve")
    await wait_for_text(harness, messages[0], "@ben approved")
    await wait_for_text(harness.twin, messages[1], "no longer needs approval")
    assert "ben" not in harness.twin.message_text(messages[1])


async def test_accounts_belong_to_a_workspace(own_accounts_harness: MultiWorkspaceHarness) -> None:
    harness = own_accounts_harness
    await harness.connect("anna")
    await harness.ask("/bitrise whoami", "anna-berg")
    text = harness.twin.message_text(await harness.twin.ask("/bitrise whoami"))
    assert "anna-berg" not in text
    await harness.twin.ask("/bitrise trigger android branch:main", "/bitrise connect")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    # Anna of the other workspace sees neither the app nor its builds.
    await harness.ask("/bitrise subscribe android", "subscribed to")
    await harness.twin.ask("/bitrise builds android", "/bitrise connect")
    harness.twin.users.open_home("anna")
    assert "Sample Android" not in await wait_for_home(harness.twin, "Connect Bitrise to see your apps")
    assert not await audit_log_contains(harness.twin, "started")
    await harness.twin.connect("ben")
    await harness.twin.ask("/bitrise whoami", "ben-okafor", person="ben")
    await harness.disconnect()
    await harness.twin.ask("/bitrise builds android", "Sample Android", person="ben")


async def audit_log_contains(workspace: WorkspaceHarness, text: str) -> bool:
    post = await workspace.ask("/bitrise audit all")
    return text in workspace.message_text(post)


async def test_rules_and_pending_actions_belong_to_a_workspace(harness: MultiWorkspaceHarness) -> None:
    shown = await harness.ask("/bitrise policy android", "Who can do what")
    await harness.users.click("anna", shown, "Add a rule…")
    await harness.fill_in_rule(kind="Require approval", acts=["Start builds"], branches="main", minutes="30")
    await harness.wait_for_message("New access rule: Approval", person=None)
    await harness.twin.ask(
        "/bitrise trigger android branch:main", "anna started Sample Android", person="anna"
    )
    await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
    messages = await harness.wait_for_message("ben requests approval to start Sample Android", person=None)
    # The button of one workspace has no effect in the other.
    forged = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000001", "U0", "x", messages.blocks, by_bot=True),
    )
    await harness.twin.press(forged, "Approve", "This button isn't valid")
    assert len(harness.bitrise.state.builds) == 1
    rules = await harness.ask("/bitrise policy android", "Rules of this workspace")
    forged_rules = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000002", "U0", "x", rules.blocks, by_bot=True),
    )
    await harness.twin.press(forged_rules, "Delete", "already deleted")
    await harness.users.click("anna", messages, "Approve")
    await harness.wait_for_message("ben started Sample Android", person=None)
    assert await audit_log_contains(harness, "requested approval to")
    assert not await audit_log_contains(harness.twin, "requested approval to")


async def test_the_same_event_id_in_two_workspaces_is_two_deliveries(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.slack import payloads

    original = payloads.event_envelope

    def envelope_with_same_id(*arguments: Any, **options: Any) -> dict[str, Any]:
        return original(*arguments, **options) | {"event_id": "Ev0SAME"}

    monkeypatch.setattr(payloads, "event_envelope", envelope_with_same_id)
    for workspace in (harness, harness.twin):
        workspace.users.say("anna", "D0ANNA", "help")
    for workspace in (harness, harness.twin):
        await workspace.wait_for_message("Commands", channel="D0ANNA")


async def test_followed_logs_are_limited_per_workspace(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, seconds={"follow_seconds": 0.05}) as harness:
        await harness.install_everywhere()
        builds = [harness.bitrise.start_build(harness.bitrise.android) for _ in range(5)]
        for build in builds:
            harness.bitrise.start_running(build)
        for workspace in (harness, harness.twin):
            for person, number, words in (
                ("anna", 1, "Following the log"),
                ("anna", 2, "Following the log"),
                ("anna", 3, "You already follow 2 logs"),
                ("ben", 3, "Following the log"),
                ("ben", 4, "Following the log"),
            ):
                card = await workspace.ask(f"/bitrise log android #{number}", f"#{number}", person=person)
                await workspace.press(card, "Follow", words, person=person)


async def test_an_external_user_of_a_shared_channel_is_answered_by_the_workspace_with_the_app(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack may name the other company's workspace in the envelope of an event; its authorization names the app's."""
    from sandbox.slack import payloads

    original = payloads.event_envelope

    def external_envelope(inner: Any, **more: Any) -> dict[str, Any]:
        return original(inner, **more) | {"team_id": TWIN, "is_ext_shared_channel": True}

    monkeypatch.setattr(payloads, "event_envelope", external_envelope)
    harness.users.invite("builds")
    harness.users.say("ben", "builds", "@buildbell help")
    await harness.wait_for_message("Commands", person=None)
    assert bot_messages(harness.twin) == []
