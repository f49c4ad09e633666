"""Across both: what Bitrise built goes live at Build.io, by a press on its card."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.provider import Provider
from sandbox.bitrise.state import Build
from sandbox.buildio.members import Role
from sandbox.buildio.state import App as BuildioApp
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.multi_workspace_harness import multi_workspace_harness

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OFFER = "Deploy to shop-staging on Build.io"
TIE = "/buildio link shop-staging to bitrise:android branch:main"
PRODUCTION = """
[[rule]]
protect = ["deploy"]
stages = ["production"]
who = ["U0ANNA", "U0BEN"]
"""
NOT_THERE = """
[[rule]]
allow = ["deploy"]
apps = ["shop-live"]
who = "nobody"
"""
MAIN = """
[[rule]]
protect = ["deploy"]
branches = ["main"]
who = ["U0ANNA", "U0BEN"]
"""
NOBODY_TIES = """
[[rule]]
allow = ["subscribe"]
providers = ["buildio"]
who = ["U0ANNA"]
"""


@asynccontextmanager
async def both(folder: Path, rules: str = "") -> AsyncIterator[BotHarness]:
    """A town where Anna and Ben have accounts at both, and a channel that is told of Sample Android."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    async with bot_harness(folder, service_token_acts="0", policy_file=policy) as town:
        await town.connect("anna", "ben")
        await town.connect("anna", "ben", provider=Provider.BUILDIO)
        await town.ask("/bitrise subscribe android", "subscribed this channel")
        yield town
        assert town.slack.violations == []
        assert town.buildio.violations == []


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with both(tmp_path) as opened:
        yield opened


def built(
    harness: BotHarness, result: Any = "success", *, by: str = "webhook-github/octo", **params: Any
) -> Build:
    """A build that has just ended."""
    build = harness.bitrise.start_build(
        harness.bitrise.android, by=by, params={"commit_hash": COMMIT, **params}
    )
    harness.bitrise.finish(build, result)
    return build


async def told(harness: BotHarness, number: int = 1) -> Post:
    return await harness.wait_for_message(f"Sample Android #{number} ", person=None)


def started(app: BuildioApp) -> int:
    """How many deployments were started since the town was opened."""
    return len(app.deployments) - 1


def button_of(post: Post, text: str) -> dict[str, Any]:
    [found] = [
        one
        for block in post.blocks
        for one in block.get("elements", ())
        if one.get("type") == "button" and one["text"]["text"] == text
    ]
    return dict(found)


def forge(post: Post, text: str, **changed: Any) -> None:
    """Let a button carry something else, as whoever knows how Slack's requests look could send it."""
    for block in post.blocks:
        for one in block.get("elements", ()):
            if one.get("type") == "button" and one["text"]["text"] == text:
                one["value"] = json.dumps(json.loads(one["value"]) | changed)


async def test_a_told_build_goes_live_as_it_was_built_in_the_name_of_whoever_presses(
    harness: BotHarness,
) -> None:
    said = await harness.ask(TIE, "anna tied shop-staging to Bitrise's Sample Android, branch `main`")
    assert said.only_for is None
    built(harness)
    post = await told(harness)
    answer = await harness.press(post, OFFER, "ben deploys shop-staging v2 at `01234567`", person="ben")
    assert answer.only_for is None
    assert "Bitrise build #1 of Sample Android" in harness.message_text(answer)
    made = harness.buildio.staging.deployments[-1]
    assert (made.commit, made.branch, made.by) == (COMMIT, "main", "ben-okafor@acme.example")
    [build] = harness.bitrise.state.builds
    assert made.description == (
        f"Bitrise build #1 of Sample Android: https://app.bitrise.io/build/{build.slug}"
    )


async def test_the_audit_log_names_both_the_build_and_the_app(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    build = built(harness)
    await harness.press(await told(harness), OFFER, "ben deploys", person="ben")
    entries = [json.loads(str(body)) for (body,) in await harness.rows("SELECT body FROM audit ORDER BY seq")]
    done = [one for one in entries if one["act"] == "deploy" and one["event"] == "done"]
    assert [one["app"] for one in done] == [harness.buildio.staging.id]
    assert done[0]["about"] == {
        "branch": "main",
        "commit": COMMIT,
        "build": build.slug,
        "label": "Bitrise build #1 of Sample Android",
    }
    tied = [one for one in entries if one["act"] == "tie"]
    assert [one["about"]["bitrise"] for one in tied] == [harness.bitrise.android.slug]


async def test_a_deployment_is_followed_to_its_end_and_its_channel_notified_once_where_it_follows_the_app(
    harness: BotHarness,
) -> None:
    await harness.ask(TIE, "tied")
    await harness.ask("/buildio subscribe shop-staging", "subscribed this channel")
    built(harness)
    answer = await harness.press(await told(harness), OFFER, "ben deploys shop-staging v2", person="ben")
    harness.buildio.finish(harness.buildio.staging)
    await harness.wait_until(lambda: "deployment v2 succeeded" in harness.message_text(answer))
    told_once = await harness.wait_for_message(
        "shop-staging deployment v2 succeeded", person=None, after=answer
    )
    assert told_once.thread_ts == answer.ts


async def test_an_old_message_is_changed_by_refresh_alone(harness: BotHarness) -> None:
    built(harness)
    post = await told(harness)
    await harness.ask(TIE, "tied")
    built(harness)
    await told(harness, 2)
    assert OFFER not in harness.message_text(post)
    await harness.users.click("ben", post, "Refresh")
    await harness.wait_until(lambda: OFFER in harness.message_text(post))
    await harness.confirm("/buildio unlink shop-staging", "Untie", "anna untied shop-staging")
    assert OFFER in harness.message_text(post)
    await harness.users.click("ben", post, "Refresh")
    await harness.wait_until(lambda: OFFER not in harness.message_text(post))


async def test_a_card_that_was_asked_for_offers_it_where_it_is_tied_and_nowhere_else(
    harness: BotHarness,
) -> None:
    await harness.ask(TIE, "tied")
    built(harness)
    card = await harness.ask("/bitrise build android #1", OFFER)
    await harness.press(card, OFFER, "anna deploys shop-staging")
    assert started(harness.buildio.staging) == 1
    other = await harness.ask("/bitrise build android #1", "Sample Android #1", channel="random")
    assert OFFER not in harness.message_text(other)


async def test_another_channel_that_is_told_of_the_same_build_sees_no_button(harness: BotHarness) -> None:
    harness.users.invite("random")
    await harness.ask("/bitrise subscribe android", "subscribed this channel", channel="random")
    await harness.ask(TIE, "tied")
    built(harness)
    assert OFFER in harness.message_text(await told(harness))
    post = await harness.wait_for_message("Sample Android #1 ", person=None, channel="random")
    assert OFFER not in harness.message_text(post)


@pytest.mark.parametrize(
    ("result", "params"),
    [
        ("error", {}),
        ("success", {"commit_hash": None}),
        ("success", {"branch": "develop"}),
        ("success", {"pull_request_id": 7, "branch_dest": "main"}),
    ],
    ids=["failed", "no commit", "another branch", "pull request"],
)
async def test_what_can_not_be_deployed_is_not_offered(
    harness: BotHarness, result: str, params: dict[str, Any]
) -> None:
    await harness.ask(TIE, "tied")
    built(harness, result, **params)
    assert OFFER not in harness.message_text(await told(harness))


async def test_without_an_account_of_ones_own_it_is_refused_and_written_down(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    built(harness)
    await harness.press(
        await told(harness),
        OFFER,
        "I do this with your own Build.io account. Type `/buildio connect`",
        person="carla",
    )
    assert started(harness.buildio.staging) == 0
    [entry] = [
        one
        for (body,) in await harness.rows("SELECT body FROM audit")
        if (one := json.loads(str(body)))["event"] == "refused"
    ]
    assert (entry["act"], entry["app"]) == ("deploy", harness.buildio.staging.id)


async def test_whoever_may_only_look_at_build_io_deploys_nothing(harness: BotHarness) -> None:
    harness.buildio.set_role("ben-okafor", harness.buildio.acme, Role.VIEWER)
    await harness.ask(TIE, "tied")
    built(harness)
    await harness.press(await told(harness), OFFER, "Build.io", person="ben")
    assert started(harness.buildio.staging) == 0


async def test_production_needs_a_second_person(tmp_path: Path) -> None:
    async with both(tmp_path, PRODUCTION) as town:
        await town.ask("/buildio link shop to bitrise:android", "tied")
        await town.ask(TIE, "tied")
        built(town)
        post = await told(town)
        await town.press(post, OFFER, "ben deploys shop-staging", person="ben")
        await town.users.click("ben", post, "Deploy to shop on Build.io")
        asked = await town.wait_for_message("Somebody else must agree", person=None)
        said = town.message_text(asked)
        assert "ben wants to deploy shop" in said
        assert "Bitrise build #1 of Sample Android" in said
        assert started(town.buildio.shop) == 0
        await town.press(asked, "Agree", "a second person is the point of it", person="ben")
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben deploys shop v2", person=None)
        made = town.buildio.shop.deployments[-1]
        assert (made.commit, made.by) == (COMMIT, "ben-okafor@acme.example")


async def test_a_built_commit_counts_as_one_of_a_protected_branch_whatever_the_build_says(
    tmp_path: Path,
) -> None:
    async with both(tmp_path, MAIN) as town:
        await town.ask("/buildio link shop-staging to bitrise:android", "tied")
        for number, by in enumerate(("webhook-github/octo", "manual-somebody"), 1):
            built(town, branch="develop", by=by)
            before = town.last("builds", None)
            await town.users.click("ben", await told(town, number), OFFER)
            await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert started(town.buildio.staging) == 0
        await town.ask(
            "/buildio deploy shop-staging branch:develop", "ben deploys shop-staging", person="ben"
        )


async def test_rules_are_asked_about_the_app_as_it_is_called_now(tmp_path: Path) -> None:
    async with both(tmp_path, NOT_THERE) as town:
        await town.ask(TIE, "tied")
        town.buildio.staging.name = "shop-live"
        built(town)
        await town.press(await told(town), OFFER, "Nobody may deploy of shop-live", person="ben")
        assert started(town.buildio.staging) == 0


async def test_what_was_untied_meanwhile_is_not_deployed(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    built(harness)
    post = await told(harness)
    await harness.confirm("/buildio unlink", "Untie", "anna untied shop-staging")
    await harness.press(post, OFFER, "That app is not tied here any more", person="ben")
    await harness.ask(TIE, "tied")
    await harness.press(post, OFFER, "That app is not tied here any more", person="ben")
    assert started(harness.buildio.staging) == 0


async def test_a_build_that_is_not_what_it_was_is_not_deployed(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    build = built(harness)
    post = await told(harness)
    build.params["branch"] = "develop"
    await harness.press(post, OFFER, "any more, since its branch is develop", person="ben")
    del build.params["commit_hash"]
    await harness.press(post, OFFER, "Bitrise does not say which commit was built", person="ben")
    harness.bitrise.state.builds.remove(build)
    await harness.press(post, OFFER, "Bitrise", person="ben")
    assert started(harness.buildio.staging) == 0


async def test_an_app_that_has_gone_from_build_io_is_said_so(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    built(harness)
    post = await told(harness)
    harness.buildio.state.apps.remove(harness.buildio.staging)
    await harness.press(post, OFFER, "Your account at Build.io does not see shop-staging", person="ben")
    await harness.confirm("/buildio unlink staging", "Untie", "anna untied shop-staging")


async def test_a_button_that_was_made_up_deploys_nothing(harness: BotHarness) -> None:
    harness.users.invite("random")
    await harness.ask("/buildio link shop to bitrise:ios", "tied", channel="random")
    await harness.ask(TIE, "tied")
    await harness.ask("/buildio link shop-pr-42 to bitrise:ios", "tied")
    failed = built(harness, "error")
    built(harness)
    post = await told(harness, 2)
    value = json.loads(button_of(post, OFFER)["value"])
    numbers = {
        str(title): number for title, number in await harness.rows("SELECT buildio_title, id FROM ties")
    }
    forge(post, OFFER, tie=numbers["shop"])
    await harness.press(post, OFFER, "That app is not tied here any more", person="ben")
    forge(post, OFFER, tie=numbers["shop-pr-42"])
    await harness.press(post, OFFER, "another version of me", person="ben")
    forge(post, OFFER, **value | {"build": failed.slug})
    await harness.press(post, OFFER, "since it did not succeed", person="ben")
    forge(post, OFFER, **value | {"app": "../me"})
    await harness.press(post, OFFER, "another version of me", person="ben")
    assert [
        started(app) for app in (harness.buildio.shop, harness.buildio.staging, harness.buildio.review)
    ] == [
        0,
        0,
        0,
    ]


async def test_more_than_two_apps_are_picked_from_a_list(harness: BotHarness) -> None:
    for app in ("shop", "shop-staging", "shop-pr-42"):
        await harness.ask(f"/buildio link {app} to bitrise:android", f"tied {app} to")
    built(harness)
    post = await told(harness)
    assert OFFER not in harness.message_text(post)
    numbers = {
        str(title): number for title, number in await harness.rows("SELECT buildio_title, id FROM ties")
    }
    await harness.users.click("ben", post, "buildio_offer", str(numbers["shop-pr-42"]))
    await harness.wait_for_message("ben deploys shop-pr-42", person=None)
    assert [
        started(app) for app in (harness.buildio.shop, harness.buildio.staging, harness.buildio.review)
    ] == [
        0,
        0,
        1,
    ]


async def test_what_is_tied_is_listed_and_untied_by_a_button(harness: BotHarness) -> None:
    await harness.ask("/buildio link", "No app of Build.io is tied")
    await harness.ask("/buildio link shop-staging to bitrise:android branch:main,release/*", "tied")
    listed = await harness.ask("/buildio link", "Tied in this channel")
    assert "shop-staging to Bitrise's Sample Android, branch `main` or `release/*`" in harness.message_text(
        listed
    )
    for command in ("/bitrise", "/buildio"):
        await harness.ask(f"{command} subscriptions", "Tied in this channel")
    untied = await harness.press(listed, "Untie", "anna untied shop-staging")
    assert untied.only_for is None
    await harness.press(listed, "Untie", "not tied any more")
    await harness.ask("/buildio link", "No app of Build.io is tied")


async def test_one_of_several_ties_is_untied_by_name(harness: BotHarness) -> None:
    await harness.ask("/buildio link shop to bitrise:android", "tied")
    await harness.ask("/buildio link shop to bitrise:ios", "tied")
    await harness.ask("/buildio link shop-staging to bitrise:android", "tied")
    await harness.ask("/buildio unlink", "Which app?")
    await harness.ask("/buildio unlink ledger", "ledger is not tied here")
    await harness.ask("/buildio unlink shop-staging bitrise:ios", "ios is not tied here")
    said = await harness.confirm(
        "/buildio unlink shop bitrise:ios", "Untie", "anna untied shop to Bitrise's Sample iOS"
    )
    assert "Sample Android" not in harness.message_text(said)
    rows = await harness.rows("SELECT buildio_title, bitrise_title FROM ties ORDER BY id")
    assert rows == [("shop", "Sample Android"), ("shop-staging", "Sample Android")]


async def test_only_what_one_sees_at_both_can_be_tied(harness: BotHarness) -> None:
    await harness.ask(
        "/buildio link ledger to bitrise:android", "I don't know an app called ledger", person="ben"
    )
    await harness.ask(
        "/buildio link shop to bitrise:nothing", "I don't know an app called nothing", person="ben"
    )
    await harness.ask("/buildio link shop to bitrise:android", "/buildio connect", person="carla")
    harness.buildio.set_role("ben-okafor", harness.buildio.acme, None)
    await harness.ask("/buildio link shop to bitrise:android", "⚠️", person="ben")
    assert await harness.rows("SELECT * FROM ties") == []


async def test_whoever_may_not_change_what_the_channel_is_told_may_not_tie(tmp_path: Path) -> None:
    async with both(tmp_path, NOBODY_TIES) as town:
        await town.ask(TIE, "Only Anna Berg may change subscriptions", person="ben")
        await town.ask(TIE, "anna tied")
        await town.ask("/buildio unlink shop-staging", "Only Anna Berg may", person="ben")
        listed = await town.ask("/buildio link", "Tied in this channel", person="ben")
        await town.press(listed, "Untie", "Only Anna Berg may", person="ben")
        assert len(await town.rows("SELECT * FROM ties")) == 1


async def test_a_mended_series_offers_the_build_that_mended_it(harness: BotHarness) -> None:
    await harness.ask(TIE, "tied")
    await harness.ask("/bitrise unsubscribe android", "ended")
    await harness.ask("/bitrise subscribe android style:card", "subscribed this channel")
    built(harness, "error")
    post = await harness.wait_for_message("is broken", person=None)
    assert OFFER not in harness.message_text(post)
    built(harness)
    await harness.wait_until(lambda: OFFER in harness.message_text(post))
    await harness.press(post, OFFER, "Bitrise build #2 of Sample Android", person="ben")


async def test_another_workspace_sees_no_button_and_can_press_none(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as town:
        await town.install_everywhere()
        for place in (town, town.twin):
            await place.connect("anna", "ben")
            await place.connect("anna", "ben", provider=Provider.BUILDIO)
            await place.ask("/bitrise subscribe android", "subscribed this channel")
        await town.ask(TIE, "tied")
        built(town)
        post = await told(town)
        theirs = await town.twin.wait_for_message("Sample Android #1 ", person=None)
        assert OFFER not in town.twin.message_text(theirs)
        await town.twin.ask("/buildio link", "No app of Build.io is tied")
        theirs.blocks = json.loads(json.dumps(post.blocks))
        await town.twin.press(theirs, OFFER, "That app is not tied here any more", person="ben")
        await town.press(post, OFFER, "ben deploys shop-staging", person="ben")
        assert started(town.buildio.staging) == 1
