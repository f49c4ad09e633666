"""Both providers: a Bitrise build is deployed at Build.io with a button on its card."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.buildio.provider import BUILDIO
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
async def open_both_providers(folder: Path, rules: str = "") -> AsyncIterator[BotHarness]:
    """Open a harness where Anna and Ben have accounts at both providers, and a channel subscribed to Sample Android."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    async with bot_harness(folder, service_token_acts="0", policy_file=policy) as harness:
        await harness.connect("anna", "ben")
        await harness.connect("anna", "ben", provider=BUILDIO)
        await harness.ask("/bitrise subscribe android", "subscribed to")
        yield harness
        assert harness.slack.violations == []
        assert harness.buildio.violations == []


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with open_both_providers(tmp_path) as opened:
        yield opened


def make_build(
    harness: BotHarness, result: Any = "success", *, by: str = "webhook-github/octo", **params: Any
) -> Build:
    """A build that has just ended."""
    build = harness.bitrise.start_build(
        harness.bitrise.android, by=by, params={"commit_hash": COMMIT, **params}
    )
    harness.bitrise.finish(build, result)
    return build


async def wait_for_build_message(harness: BotHarness, number: int = 1) -> Post:
    return await harness.wait_for_message(f"Sample Android #{number} ", person=None)


def count_deployments(app: BuildioApp) -> int:
    """Return how many deployments were started since the harness was opened."""
    return len(app.deployments) - 1


def find_button(post: Post, text: str) -> dict[str, Any]:
    [found] = [
        element
        for block in post.blocks
        for element in block.get("elements", ())
        if element.get("type") == "button" and element["text"]["text"] == text
    ]
    return dict(found)


def forge_button(post: Post, text: str, **changed: Any) -> None:
    """Change a button's value, as anyone could who forges a request."""
    for block in post.blocks:
        for element in block.get("elements", ()):
            if element.get("type") == "button" and element["text"]["text"] == text:
                element["value"] = json.dumps(json.loads(element["value"]) | changed)


async def test_a_notified_build_is_deployed_at_its_commit_as_the_person_who_presses(
    harness: BotHarness,
) -> None:
    link_post = await harness.ask(TIE, "anna linked shop-staging to Bitrise's Sample Android, branch `main`")
    assert link_post.only_for is None
    make_build(harness)
    post = await wait_for_build_message(harness)
    answer = await harness.press(
        post, OFFER, "ben started deploying shop-staging v2 at `01234567`", person="ben"
    )
    assert answer.only_for is None
    assert "Bitrise build #1 of Sample Android" in harness.message_text(answer)
    made = harness.buildio.staging.deployments[-1]
    assert (made.commit, made.branch, made.by) == (COMMIT, "main", "ben-okafor@acme.example")
    [build] = harness.bitrise.state.builds
    assert made.description == (
        f"Bitrise build #1 of Sample Android: https://app.bitrise.io/build/{build.slug}"
    )


async def test_the_audit_log_names_both_the_build_and_the_app(harness: BotHarness) -> None:
    await harness.ask(TIE, "linked")
    build = make_build(harness)
    await harness.press(await wait_for_build_message(harness), OFFER, "ben started deploying", person="ben")
    entries = [json.loads(str(body)) for (body,) in await harness.rows("SELECT body FROM audit ORDER BY seq")]
    done = [entry for entry in entries if entry["act"] == "deploy" and entry["event"] == "done"]
    assert [entry["app"] for entry in done] == [harness.buildio.staging.id]
    assert done[0]["about"] == {
        "branch": "main",
        "commit": COMMIT,
        "build": build.slug,
        "label": "Bitrise build #1 of Sample Android",
    }
    link_entries = [entry for entry in entries if entry["act"] == "tie"]
    assert [entry["about"]["bitrise"] for entry in link_entries] == [harness.bitrise.android.slug]


async def test_a_deployment_is_followed_to_its_end_and_a_subscribed_channel_is_notified_once(
    harness: BotHarness,
) -> None:
    await harness.ask(TIE, "linked")
    await harness.ask("/buildio subscribe shop-staging", "subscribed to")
    make_build(harness)
    post = await harness.press(
        await wait_for_build_message(harness), OFFER, "ben started deploying shop-staging v2", person="ben"
    )
    harness.buildio.finish(harness.buildio.staging)
    await harness.wait_until(lambda: "deployment v2 succeeded" in harness.message_text(post))
    told_once = await harness.wait_for_message(
        "shop-staging deployment v2 succeeded", person=None, after=post
    )
    assert told_once.thread_ts == post.ts


async def test_an_old_message_gets_the_button_only_by_refresh(harness: BotHarness) -> None:
    make_build(harness)
    post = await wait_for_build_message(harness)
    await harness.ask(TIE, "linked")
    make_build(harness)
    await wait_for_build_message(harness, 2)
    assert OFFER not in harness.message_text(post)
    await harness.users.click("ben", post, "Refresh")
    await harness.wait_until(lambda: OFFER in harness.message_text(post))
    await harness.confirm(
        "/buildio unlink shop-staging", "Remove", "anna removed the deploy link shop-staging"
    )
    assert OFFER in harness.message_text(post)
    await harness.users.click("ben", post, "Refresh")
    await harness.wait_until(lambda: OFFER not in harness.message_text(post))


async def test_a_requested_card_has_the_deploy_button_only_in_the_channel_of_the_link(
    harness: BotHarness,
) -> None:
    await harness.ask(TIE, "linked")
    make_build(harness)
    card = await harness.ask("/bitrise build android #1", OFFER)
    await harness.press(card, OFFER, "anna started deploying shop-staging")
    assert count_deployments(harness.buildio.staging) == 1
    other = await harness.ask("/bitrise build android #1", "Sample Android #1", channel="random")
    assert OFFER not in harness.message_text(other)


async def test_another_channel_with_the_same_build_has_no_button(harness: BotHarness) -> None:
    harness.users.invite("random")
    await harness.ask("/bitrise subscribe android", "subscribed to", channel="random")
    await harness.ask(TIE, "linked")
    make_build(harness)
    assert OFFER in harness.message_text(await wait_for_build_message(harness))
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
async def test_a_build_that_can_not_be_deployed_has_no_button(
    harness: BotHarness, result: str, params: dict[str, Any]
) -> None:
    await harness.ask(TIE, "linked")
    make_build(harness, result, **params)
    assert OFFER not in harness.message_text(await wait_for_build_message(harness))


async def test_deploying_without_an_own_account_is_refused_and_audited(harness: BotHarness) -> None:
    await harness.ask(TIE, "linked")
    make_build(harness)
    await harness.press(
        await wait_for_build_message(harness),
        OFFER,
        "Connect your Build.io account to do this: type `/buildio connect`",
        person="carla",
    )
    assert count_deployments(harness.buildio.staging) == 0
    [entry] = [
        one
        for (body,) in await harness.rows("SELECT body FROM audit")
        if (one := json.loads(str(body)))["event"] == "refused"
    ]
    assert (entry["act"], entry["app"]) == ("deploy", harness.buildio.staging.id)


async def test_a_viewer_at_build_io_deploys_nothing(harness: BotHarness) -> None:
    harness.buildio.set_role("ben-okafor", harness.buildio.acme, Role.VIEWER)
    await harness.ask(TIE, "linked")
    make_build(harness)
    await harness.press(await wait_for_build_message(harness), OFFER, "Build.io", person="ben")
    assert count_deployments(harness.buildio.staging) == 0


async def test_production_needs_a_second_approver(tmp_path: Path) -> None:
    async with open_both_providers(tmp_path, PRODUCTION) as harness:
        await harness.ask("/buildio link shop to bitrise:android", "linked")
        await harness.ask(TIE, "linked")
        make_build(harness)
        post = await wait_for_build_message(harness)
        await harness.press(post, OFFER, "ben started deploying shop-staging", person="ben")
        await harness.users.click("ben", post, "Deploy to shop on Build.io")
        pending_post = await harness.wait_for_message("requests approval to", person=None)
        text = harness.message_text(pending_post)
        assert "ben requests approval to deploy shop" in text
        assert "Bitrise build #1 of Sample Android" in text
        assert count_deployments(harness.buildio.shop) == 0
        await harness.press(pending_post, "Approve", "You can't decide your own request", person="ben")
        await harness.users.click("anna", pending_post, "Approve")
        await harness.wait_for_message("ben started deploying shop v2", person=None)
        made = harness.buildio.shop.deployments[-1]
        assert (made.commit, made.by) == (COMMIT, "ben-okafor@acme.example")


async def test_a_built_commit_may_be_of_a_protected_branch_whatever_the_build_says(
    tmp_path: Path,
) -> None:
    async with open_both_providers(tmp_path, MAIN) as harness:
        await harness.ask("/buildio link shop-staging to bitrise:android", "linked")
        for number, by in enumerate(("webhook-github/octo", "manual-somebody"), 1):
            make_build(harness, branch="develop", by=by)
            before = harness.last("builds", None)
            await harness.users.click("ben", await wait_for_build_message(harness, number), OFFER)
            await harness.wait_for_message("requests approval to", person=None, after=before)
        assert count_deployments(harness.buildio.staging) == 0
        await harness.ask(
            "/buildio deploy shop-staging branch:develop", "ben started deploying shop-staging", person="ben"
        )


async def test_rules_apply_to_the_current_name_of_the_app(tmp_path: Path) -> None:
    async with open_both_providers(tmp_path, NOT_THERE) as harness:
        await harness.ask(TIE, "linked")
        harness.buildio.staging.name = "shop-live"
        make_build(harness)
        await harness.press(
            await wait_for_build_message(harness), OFFER, "No one can deploy in shop-live", person="ben"
        )
        assert count_deployments(harness.buildio.staging) == 0


async def test_a_removed_deploy_link_deploys_nothing(harness: BotHarness) -> None:
    await harness.ask(TIE, "linked")
    make_build(harness)
    post = await wait_for_build_message(harness)
    await harness.confirm("/buildio unlink", "Remove", "anna removed the deploy link shop-staging")
    await harness.press(post, OFFER, "This deploy link no longer exists", person="ben")
    await harness.ask(TIE, "linked")
    await harness.press(post, OFFER, "This deploy link no longer exists", person="ben")
    assert count_deployments(harness.buildio.staging) == 0


async def test_a_build_that_has_changed_is_not_deployed(harness: BotHarness) -> None:
    await harness.ask(TIE, "linked")
    build = make_build(harness)
    post = await wait_for_build_message(harness)
    build.params["branch"] = "develop"
    await harness.press(
        post, OFFER, "can't be deployed to shop-staging, since its branch is develop", person="ben"
    )
    del build.params["commit_hash"]
    await harness.press(post, OFFER, "Bitrise doesn't say which commit was built", person="ben")
    harness.bitrise.state.builds.remove(build)
    await harness.press(post, OFFER, "Bitrise", person="ben")
    assert count_deployments(harness.buildio.staging) == 0


async def test_an_app_that_no_longer_exists_at_build_io_is_explained(harness: BotHarness) -> None:
    await harness.ask(TIE, "linked")
    make_build(harness)
    post = await wait_for_build_message(harness)
    harness.buildio.state.apps.remove(harness.buildio.staging)
    await harness.press(post, OFFER, "Your Build.io account can't see shop-staging", person="ben")
    await harness.confirm("/buildio unlink staging", "Remove", "anna removed the deploy link shop-staging")


async def test_a_forged_button_deploys_nothing(harness: BotHarness) -> None:
    harness.users.invite("random")
    await harness.ask("/buildio link shop to bitrise:ios", "linked", channel="random")
    await harness.ask(TIE, "linked")
    await harness.ask("/buildio link shop-pr-42 to bitrise:ios", "linked")
    failed = make_build(harness, "error")
    make_build(harness)
    post = await wait_for_build_message(harness, 2)
    value = json.loads(find_button(post, OFFER)["value"])
    numbers = {
        str(title): number for title, number in await harness.rows("SELECT buildio_title, id FROM ties")
    }
    forge_button(post, OFFER, tie=numbers["shop"])
    await harness.press(post, OFFER, "This deploy link no longer exists", person="ben")
    forge_button(post, OFFER, tie=numbers["shop-pr-42"])
    await harness.press(post, OFFER, "another version of Buildbell", person="ben")
    forge_button(post, OFFER, **value | {"build": failed.slug})
    await harness.press(post, OFFER, "since it didn't pass", person="ben")
    forge_button(post, OFFER, **value | {"app": "../me"})
    await harness.press(post, OFFER, "another version of Buildbell", person="ben")
    assert [
        count_deployments(app)
        for app in (harness.buildio.shop, harness.buildio.staging, harness.buildio.review)
    ] == [
        0,
        0,
        0,
    ]


async def test_more_than_two_apps_are_picked_from_a_list(harness: BotHarness) -> None:
    for app in ("shop", "shop-staging", "shop-pr-42"):
        await harness.ask(f"/buildio link {app} to bitrise:android", f"linked {app} to")
    make_build(harness)
    post = await wait_for_build_message(harness)
    assert OFFER not in harness.message_text(post)
    numbers = {
        str(title): number for title, number in await harness.rows("SELECT buildio_title, id FROM ties")
    }
    await harness.users.click("ben", post, "buildio_offer", str(numbers["shop-pr-42"]))
    await harness.wait_for_message("ben started deploying shop-pr-42", person=None)
    assert [
        count_deployments(app)
        for app in (harness.buildio.shop, harness.buildio.staging, harness.buildio.review)
    ] == [
        0,
        0,
        1,
    ]


async def test_deploy_links_are_listed_and_removed_by_a_button(harness: BotHarness) -> None:
    await harness.ask("/buildio link", "No deploy links in this channel")
    await harness.ask("/buildio link shop-staging to bitrise:android branch:main,release/*", "linked")
    post = await harness.ask("/buildio link", "Deploy links in this channel")
    assert "shop-staging to Bitrise's Sample Android, branch `main` or `release/*`" in harness.message_text(
        post
    )
    for command in ("/bitrise", "/buildio"):
        await harness.ask(f"{command} subscriptions", "Deploy links in this channel")
    removed_post = await harness.press(post, "Remove", "anna removed the deploy link shop-staging")
    assert removed_post.only_for is None
    await harness.press(post, "Remove", "This deploy link no longer exists")
    await harness.ask("/buildio link", "No deploy links in this channel")


async def test_one_of_several_deploy_links_is_removed_by_name(harness: BotHarness) -> None:
    await harness.ask("/buildio link shop to bitrise:android", "linked")
    await harness.ask("/buildio link shop to bitrise:ios", "linked")
    await harness.ask("/buildio link shop-staging to bitrise:android", "linked")
    await harness.ask("/buildio unlink", "Which app?")
    await harness.ask("/buildio unlink ledger", "No deploy link for `ledger` here")
    await harness.ask("/buildio unlink shop-staging bitrise:ios", "No deploy link for `ios` here")
    post = await harness.confirm(
        "/buildio unlink shop bitrise:ios",
        "Remove",
        "anna removed the deploy link shop to Bitrise's Sample iOS",
    )
    assert "Sample Android" not in harness.message_text(post)
    rows = await harness.rows("SELECT buildio_title, bitrise_title FROM ties ORDER BY id")
    assert rows == [("shop", "Sample Android"), ("shop-staging", "Sample Android")]


async def test_only_apps_that_the_person_sees_at_both_providers_can_be_linked(harness: BotHarness) -> None:
    await harness.ask("/buildio link ledger to bitrise:android", "No app named `ledger`", person="ben")
    await harness.ask("/buildio link shop to bitrise:nothing", "No app named `nothing`", person="ben")
    await harness.ask("/buildio link shop to bitrise:android", "/buildio connect", person="carla")
    harness.buildio.set_role("ben-okafor", harness.buildio.acme, None)
    await harness.ask("/buildio link shop to bitrise:android", "⚠️", person="ben")
    assert await harness.rows("SELECT * FROM ties") == []


async def test_without_the_right_to_change_subscriptions_no_link_can_be_added(tmp_path: Path) -> None:
    async with open_both_providers(tmp_path, NOBODY_TIES) as harness:
        await harness.ask(TIE, "Only Anna Berg can change subscriptions", person="ben")
        await harness.ask(TIE, "anna linked")
        await harness.ask("/buildio unlink shop-staging", "Only Anna Berg can", person="ben")
        post = await harness.ask("/buildio link", "Deploy links in this channel", person="ben")
        await harness.press(post, "Remove", "Only Anna Berg can", person="ben")
        assert len(await harness.rows("SELECT * FROM ties")) == 1


async def test_a_recovered_failure_streak_offers_to_deploy_the_build_that_fixed_it(
    harness: BotHarness,
) -> None:
    await harness.ask(TIE, "linked")
    await harness.ask("/bitrise unsubscribe android", "removed a subscription")
    await harness.ask("/bitrise subscribe android style:card", "subscribed to")
    make_build(harness, "error")
    post = await harness.wait_for_message("is failing", person=None)
    assert OFFER not in harness.message_text(post)
    make_build(harness)
    await harness.wait_until(lambda: OFFER in harness.message_text(post))
    await harness.press(post, OFFER, "Bitrise build #2 of Sample Android", person="ben")


async def test_another_workspace_has_no_button_and_can_press_none(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as harness:
        await harness.install_everywhere()
        for workspace_harness in (harness, harness.twin):
            await workspace_harness.connect("anna", "ben")
            await workspace_harness.connect("anna", "ben", provider=BUILDIO)
            await workspace_harness.ask("/bitrise subscribe android", "subscribed to")
        await harness.ask(TIE, "linked")
        make_build(harness)
        post = await wait_for_build_message(harness)
        twin_post = await harness.twin.wait_for_message("Sample Android #1 ", person=None)
        assert OFFER not in harness.twin.message_text(twin_post)
        await harness.twin.ask("/buildio link", "No deploy links in this channel")
        twin_post.blocks = json.loads(json.dumps(post.blocks))
        await harness.twin.press(twin_post, OFFER, "This deploy link no longer exists", person="ben")
        await harness.press(post, OFFER, "ben started deploying shop-staging", person="ben")
        assert count_deployments(harness.buildio.staging) == 1
