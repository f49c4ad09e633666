"""Two workspaces with the very same ids of people and channels: everything works in both, and nothing mixes."""

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
async def strict(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    """People act with their own accounts alone."""
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as opened:
        await opened.install_everywhere()
        yield opened


async def says(place: WorkspaceHarness, post: Post, text: str) -> None:
    await place.slack.workspace.wait_for(
        lambda: True if text in place.message_text(post) else None,
        30,
        f"{text!r} in\n{place.message_text(post)}",
    )


async def wait_for_home(
    place: WorkspaceHarness, *texts: str, without: str = "", person: str = "U0ANNA"
) -> str:
    def look() -> str | None:
        shown = place.slack.workspace.homes.get(person)
        said = home_text(shown, place.slack.workspace.mention_names) if shown else ""
        return (
            said
            if shown and all(one in said for one in texts) and (not without or without not in said)
            else None
        )

    return await place.slack.workspace.wait_for(look, 30, f"{texts} on the Home")


def said_by_bot(place: WorkspaceHarness) -> list[str]:
    return [
        place.message_text(post)
        for channel in place.slack.workspace.channels.values()
        for post in channel.posts
        if post.by_bot
    ]


async def test_every_surface_works_in_both_and_says_nothing_in_the_other(
    harness: MultiWorkspaceHarness,
) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(build, "error")
    for place, other in ((harness, harness.twin), (harness.twin, harness)):
        before = said_by_bot(other)
        place.users.invite("builds")
        card = await place.ask("/bitrise build android #1", "#1 failed")
        await place.press(card, "Rebuild", "anna started Sample Android")
        await place.users.click("anna", card, "Log")
        await place.wait_for_message("The end of", after=card)
        await place.users.shortcut("ben", "find_build")
        await place.slack.wait_for_modal("ben", "Find a build")
        await place.users.submit(
            "ben", {"app": (await place.users.options("ben", "pick_app", "andr"))[0], "words": "#1"}
        )
        await place.slack.wait_for_modal("ben", "#1 failed")
        place.users.say("ben", "builds", "@buildbell build android #1")
        await place.wait_for_message("#1 failed", person=None)
        place.users.say("ben", "D0BEN", "build android #1")
        await place.wait_for_message("#1 failed", person="ben", channel="D0BEN")
        place.users.open_home("anna")
        await wait_for_home(place, "[Subscribe…]")
        linked = place.users.say("ben", "builds", f"look: https://app.bitrise.io/build/{build.slug}")
        await says(place, linked, "#1 failed")
        assert said_by_bot(other) == before


async def test_each_workspace_is_asked_with_its_own_token(harness: MultiWorkspaceHarness) -> None:
    for place in (harness, harness.twin):
        post = await place.ask("/bitrise apps", "3 apps")
        assert post.to_json()["team"] == place.slack.workspace.team
        direct = place.slack.workspace.find_channel("D0ANNA")
        place.users.say("anna", "D0ANNA", "help")
        answer = await place.wait_for_message("What you can type", channel="D0ANNA")
        assert answer in direct.posts
        assert answer.user == place.slack.workspace.bot_user


async def test_builds_are_told_where_they_were_asked_for_and_nowhere_else(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(build)
    await harness.wait_for_message("Sample Android #1 succeeded", person=None)
    await harness.twin.ask("/bitrise subscribe android status:failed", "subscribed this channel")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    for place in (harness, harness.twin):
        await place.wait_for_message("Sample Android #2 failed", person=None)
    await harness.ask("/bitrise why android #2", "it told this build here")
    await harness.twin.ask("/bitrise why android #1", "every failure")
    await harness.ask("/bitrise unsubscribe android", "ended the subscription")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.twin.wait_for_message("Sample Android #3 failed", person=None)
    assert not harness.messages_with("#3")
    assert not harness.twin.messages_with("#1 succeeded")


async def test_subscriptions_of_the_other_one_can_not_be_reached_by_their_number(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    listed = await harness.ask("/bitrise subscriptions", "Sample Android")
    assert "1" in harness.message_text(listed)
    await harness.twin.ask("/bitrise unsubscribe 1", "has no such subscription")
    nothing = await harness.twin.ask("/bitrise subscriptions")
    assert "Sample Android" not in harness.twin.message_text(nothing)
    # A button of the one, pressed in the other: as Slack would never send it.
    forged = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000001", "U0", "x", listed.blocks, by_bot=True),
    )
    await harness.twin.press(forged, "Unsubscribe", "has no such subscription")
    await harness.ask("/bitrise subscriptions", "Sample Android")


async def test_default_apps_and_what_was_started_last_are_each_workspaces_own(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.ask("/bitrise use android", "Sample Android")
    await harness.twin.ask("/bitrise builds", "Which app?")
    await harness.twin.ask("/bitrise use web", "Web Shop")
    await harness.ask("/bitrise trigger branch:main workflow:deploy", "anna started Sample Android")
    for place, remembered in ((harness, True), (harness.twin, False)):
        await place.users.shortcut("anna", "start_build")
        opened = await place.slack.wait_for_modal("anna", "Workflow or pipeline")
        assert ("deploy" in place.slack.modal_text(opened)) is remembered


async def test_claimed_names_and_whose_builds_are_whose(harness: MultiWorkspaceHarness) -> None:
    await harness.ask("/bitrise me name:octo", "`octo`")
    await harness.ask("/bitrise me name:octo", "claimed by somebody else", person="ben")
    await harness.twin.ask("/bitrise me name:octo", "`octo`", person="ben")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    for place, mine in ((harness, True), (harness.twin, False)):
        said = place.message_text(await place.ask("/bitrise mine"))
        assert ("#1" in said) is mine
        place.users.open_home("anna")
        shown = await wait_for_home(place, "Sample Android #1 is")
        # Once among those that run, and once more among one's own.
        assert shown.count("Sample Android #1") == 1 + mine


async def test_who_is_told_of_their_own_builds_is_the_one_who_started_them(
    harness: MultiWorkspaceHarness,
) -> None:
    for place in (harness, harness.twin):
        await place.ask("/bitrise me ends:on", "I send you")
        await place.ask("/bitrise subscribe android by:bot", "subscribed this channel")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[0])
    await harness.wait_for_message("Sample Android #1 succeeded", channel="D0ANNA")
    await harness.twin.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[-1])
    await harness.twin.wait_for_message("Sample Android #2 succeeded", channel="D0ANNA")
    assert not harness.messages_with("#2 succeeded", "D0ANNA")
    assert not harness.twin.messages_with("#1 succeeded", "D0ANNA")


async def test_a_card_is_claimed_in_one_and_names_nobody_of_the_other(harness: MultiWorkspaceHarness) -> None:
    for place in (harness, harness.twin):
        await place.ask("/bitrise subscribe android style:card", "one card a broken series")
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    harness.bitrise.finish(harness.bitrise.state.builds[0], "error")
    cards = [await place.wait_for_message("is broken", person=None) for place in (harness, harness.twin)]
    assert "by @anna" in harness.message_text(cards[0])
    assert "by @" not in harness.twin.message_text(cards[1])
    await harness.users.click("ben", cards[0], "I'm on it")
    await says(harness, cards[0], "@ben is on it")
    harness.bitrise.finish(
        harness.bitrise.start_build(harness.bitrise.android, params=harness.bitrise.state.builds[0].params),
        "error",
    )
    await says(harness.twin, cards[1], "2 builds have failed in a row")
    assert "on it" not in harness.twin.message_text(cards[1]).replace("[I'm on it]", "")


async def test_threads_are_each_workspaces_own(harness: MultiWorkspaceHarness) -> None:
    for place in (harness, harness.twin):
        await place.ask("/bitrise subscribe android style:thread", "one thread a branch")
    for _ in range(2):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    for place in (harness, harness.twin):
        head = await place.wait_for_message("🧵 Sample Android: branch", person=None)
        for number in (1, 2):
            reply = await place.wait_for_message(f"#{number} succeeded", person=None, after=head)
            assert reply.thread_ts == head.ts
        assert len(place.messages_with("🧵")) == 1


async def test_who_approves_is_named_in_their_own_workspace_only(harness: MultiWorkspaceHarness) -> None:
    for place in (harness, harness.twin):
        await place.ask("/bitrise subscribe android", "subscribed this channel")
    harness.bitrise.add_build_request(harness.bitrise.android, 12)
    asked = [
        await place.wait_for_message("waits for somebody's approval", person=None)
        for place in (harness, harness.twin)
    ]
    await harness.users.click("ben", asked[0], "Approve")
    await says(harness, asked[0], "@ben approved")
    await says(harness.twin, asked[1], "does not wait any more")
    assert "ben" not in harness.twin.message_text(asked[1])


async def test_accounts_are_each_workspaces_own(strict: MultiWorkspaceHarness) -> None:
    town = strict
    await town.connect("anna")
    await town.ask("/bitrise whoami", "anna-berg")
    said = town.twin.message_text(await town.twin.ask("/bitrise whoami"))
    assert "anna-berg" not in said
    await town.twin.ask("/bitrise trigger android branch:main", "/bitrise connect")
    await town.ask("/bitrise trigger android branch:main", "anna started Sample Android")
    # What the one sees with her own account, the other does not: neither the app nor its builds.
    await town.ask("/bitrise subscribe android", "subscribed this channel")
    await town.twin.ask("/bitrise builds android", "/bitrise connect")
    town.twin.users.open_home("anna")
    assert "Sample Android" not in await wait_for_home(town.twin, "You have not linked")
    assert not await said_of_audit(town.twin, "started")
    await town.twin.connect("ben")
    await town.twin.ask("/bitrise whoami", "ben-okafor", person="ben")
    await town.disconnect()
    await town.twin.ask("/bitrise builds android", "Sample Android", person="ben")


async def said_of_audit(place: WorkspaceHarness, text: str) -> bool:
    post = await place.ask("/bitrise audit all")
    return text in place.message_text(post)


async def test_rules_and_proposals_are_each_workspaces_own(harness: MultiWorkspaceHarness) -> None:
    shown = await harness.ask("/bitrise policy android", "Who may do what")
    await harness.users.click("anna", shown, "Add a rule…")
    await harness.fill_in_rule(
        kind="Needs a second person", acts=["Start builds"], branches="main", minutes="30"
    )
    await harness.wait_for_message("A new rule: Starting builds", person=None)
    await harness.twin.ask(
        "/bitrise trigger android branch:main", "anna started Sample Android", person="anna"
    )
    await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
    asked = await harness.wait_for_message("ben wants to start Sample Android", person=None)
    # The very button of the one, pressed in the other, carries nothing there.
    forged = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000001", "U0", "x", asked.blocks, by_bot=True),
    )
    await harness.twin.press(forged, "Agree", "not one of mine")
    assert len(harness.bitrise.state.builds) == 1
    rules = await harness.ask("/bitrise policy android", "Rules of this workspace")
    there = harness.twin.slack.workspace.post(
        harness.twin.slack.workspace.find_channel("builds"),
        Post("1.000002", "U0", "x", rules.blocks, by_bot=True),
    )
    await harness.twin.press(there, "Remove", "no such rule")
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_for_message("ben started Sample Android", person=None)
    assert await said_of_audit(harness, "asked for agreement")
    assert not await said_of_audit(harness.twin, "asked for agreement")


async def test_the_same_delivery_name_in_two_workspaces_is_two_deliveries(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.slack import payloads

    original = payloads.event_envelope

    def same(*given: Any, **more: Any) -> dict[str, Any]:
        return original(*given, **more) | {"event_id": "Ev0SAME"}

    monkeypatch.setattr(payloads, "event_envelope", same)
    for place in (harness, harness.twin):
        place.users.say("anna", "D0ANNA", "help")
    for place in (harness, harness.twin):
        await place.wait_for_message("What you can type", channel="D0ANNA")


async def test_logs_that_are_followed_in_one_leave_the_other_its_own(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, seconds={"follow_seconds": 0.05}) as town:
        await town.install_everywhere()
        builds = [town.bitrise.start_build(town.bitrise.android) for _ in range(5)]
        for one in builds:
            town.bitrise.start_running(one)
        for place in (town, town.twin):
            for person, number, words in (
                ("anna", 1, "I follow"),
                ("anna", 2, "I follow"),
                ("anna", 3, "You follow 2 logs already"),
                ("ben", 3, "I follow"),
                ("ben", 4, "I follow"),
            ):
                card = await place.ask(f"/bitrise log android #{number}", f"#{number}", person=person)
                await place.press(card, "Follow", words, person=person)


async def test_a_stranger_of_a_shared_channel_is_answered_by_the_workspace_that_has_the_app(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack may name the other company's workspace in an event's envelope; its authorization says whose app it is."""
    from sandbox.slack import payloads

    original = payloads.event_envelope

    def from_outside(inner: Any, **more: Any) -> dict[str, Any]:
        return original(inner, **more) | {"team_id": TWIN, "is_ext_shared_channel": True}

    monkeypatch.setattr(payloads, "event_envelope", from_outside)
    harness.users.invite("builds")
    harness.users.say("ben", "builds", "@buildbell help")
    await harness.wait_for_message("What you can type", person=None)
    assert said_by_bot(harness.twin) == []


def test_the_workspace_of_a_request_is_whose_app_it_is() -> None:
    from services.request.context import workspace_id

    grid = {"enterprise_id": "E1", "team_id": None, "is_enterprise_install": True}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"team_id": "T1", "command": "/bitrise"}, "T1"),
        ({"type": "event_callback", "team_id": "T2", "authorizations": [{"team_id": "T1"}]}, "T1"),
        ({"type": "event_callback", "team_id": "T1", "authorizations": [grid]}, "T1"),
        (
            {"type": "event_callback", "team_id": "T2", "context_team_id": "T1", "authorizations": [grid]},
            "T1",
        ),
        (
            {"type": "event_callback", "team_id": "T1", "context_team_id": "E1", "authorizations": [grid]},
            "T1",
        ),
        ({"team": {"id": "T1"}, "user": {"team_id": "T2"}}, "T1"),
        (
            {
                "team": None,
                "user": {"team_id": "T1"},
                "view": {"team_id": "T1", "app_installed_team_id": "E1"},
            },
            "T1",
        ),
        ({"team": {"id": "T2"}, "user": {"team_id": "T2"}, "view": {"app_installed_team_id": "T1"}}, "T1"),
        ({"team": None, "user": {"id": "U1"}}, ""),
        ({}, ""),
    ]
    for body, team in cases:
        assert workspace_id(body) == team, body
