"""The cluster credential: off unless a rule allows it, then a file for one person that expires."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from providers.buildio.provider import BUILDIO
from sandbox.slack.models import Post
from tests.providers.buildio.conftest import HarnessWithRules
from tests.providers.buildio.test_run_commands import direct_message_channel
from tests.support.bot_harness import BotHarness

ON = """
[[rule]]
allow = ["login"]
who = ["U0ANNA", "U0BEN"]
"""
SECOND = (
    ON
    + """
[[rule]]
protect = ["login"]
who = ["U0ANNA", "U0BEN"]
"""
)


def requested_regions(harness: BotHarness) -> list[str]:
    return [
        request.query["region"]
        for request in harness.buildio.requests
        if request.path.endswith("/oidc-login")
    ]


def posts_with_files(harness: BotHarness, channel: str) -> list[Post]:
    return [post for post in harness.slack.posts(channel) if post.files]


async def test_cluster_login_is_off_by_default(harness: BotHarness) -> None:
    await harness.ask("/buildio login eu", "No one can log in to clusters here. It's off until")
    assert requested_regions(harness) == []


async def test_the_credential_is_a_file_for_the_person_alone(
    harness_with_rules: HarnessWithRules, capfd: pytest.CaptureFixture[str]
) -> None:
    async with harness_with_rules(ON) as harness:
        post = await harness.ask("/buildio login eu", "anna got a credential for the cluster in `eu`")
        assert posts_with_files(harness, "builds") == []
        [file_post] = posts_with_files(harness, direct_message_channel("anna"))
        assert "only visible to you" in harness.message_text(file_post)
        [content] = harness.slack.workspace.files.values()
        token = json.loads(content)["status"]["token"]
        assert token
        assert token not in harness.message_text(post)
        await harness.stop_bot()
        assert token.encode() not in harness.stored_bytes()
        printed = capfd.readouterr()
        assert token not in printed.out + printed.err


async def test_the_file_is_deleted_when_it_expires_also_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(ON)
    hours = [utc_now()]
    harness = BotHarness(
        tmp_path, now=lambda: hours[0], settings={"policy_file": str(tmp_path / "policy.toml")}
    )
    await harness.open()
    try:
        await harness.start_bot()
        await harness.connect("anna", provider=BUILDIO)
        await harness.ask("/buildio login eu", "The file is deleted")
        assert len(harness.slack.workspace.files) == 1
        await harness.stop_bot()
        hours[0] += timedelta(minutes=11)
        await harness.start_bot()
        await harness.wait_until(lambda: not harness.slack.workspace.files)
    finally:
        await harness.close()


async def test_a_person_whom_no_rule_names_is_refused(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.ask(
            "/buildio login eu", "Only Anna Berg and Ben Okafor can log in to clusters", person="carla"
        )
        assert requested_regions(harness) == []


async def test_after_an_approval_the_credential_goes_to_the_requester(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(SECOND) as harness:
        before = harness.last("builds", None)
        await harness.users.command("ben", "builds", "/buildio login eu")
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert requested_regions(harness) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben got a credential", person=None)
        assert len(posts_with_files(harness, direct_message_channel("ben"))) == 1
        assert posts_with_files(harness, direct_message_channel("anna")) == []


async def test_an_unknown_region_is_refused_with_build_ios_error(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.ask("/buildio login mars", "Build.io rejected this")
        assert requested_regions(harness) == ["mars"]
