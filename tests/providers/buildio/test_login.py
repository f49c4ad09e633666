"""The credential of a cluster: nobody's unless a rule says who, then a file for one person that expires."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from domain.provider import Provider
from sandbox.slack.models import Post
from tests.providers.buildio.conftest import Governed
from tests.providers.buildio.test_run_commands import dm
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


def asked(harness: BotHarness) -> list[str]:
    return [one.query["region"] for one in harness.buildio.requests if one.path.endswith("/oidc-login")]


def with_files(harness: BotHarness, channel: str) -> list[Post]:
    return [one for one in harness.slack.posts(channel) if one.files]


async def test_it_is_off_by_default(harness: BotHarness) -> None:
    await harness.ask("/buildio login eu", "Nobody may log in to clusters here: that is off")
    assert asked(harness) == []


async def test_the_credential_is_a_file_for_the_person_alone(
    harness_with_rules: Governed, capfd: pytest.CaptureFixture[str]
) -> None:
    async with harness_with_rules(ON) as town:
        said = await town.ask("/buildio login eu", "anna got a credential for the cluster in `eu`")
        assert with_files(town, "builds") == []
        [handed] = with_files(town, dm("anna"))
        assert "for you alone" in town.message_text(handed)
        [content] = town.slack.workspace.files.values()
        token = json.loads(content)["status"]["token"]
        assert token
        assert token not in town.message_text(said)
        await town.stop_bot()
        assert token.encode() not in town.stored_bytes()
        written = capfd.readouterr()
        assert token not in written.out + written.err


async def test_the_file_is_deleted_once_its_time_has_run_out_after_a_restart_too(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(ON)
    hours = [utc_now()]
    town = BotHarness(tmp_path, now=lambda: hours[0], settings={"policy_file": str(tmp_path / "policy.toml")})
    await town.open()
    try:
        await town.start_bot()
        await town.connect("anna", provider=Provider.BUILDIO)
        await town.ask("/buildio login eu", "I delete the file there")
        assert len(town.slack.workspace.files) == 1
        await town.stop_bot()
        hours[0] += timedelta(minutes=11)
        await town.start_bot()
        await town.wait_until(lambda: not town.slack.workspace.files)
    finally:
        await town.close()


async def test_who_is_not_named_may_not(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await town.ask(
            "/buildio login eu", "Only Anna Berg and Ben Okafor may log in to clusters", person="carla"
        )
        assert asked(town) == []


async def test_a_second_person_agrees_and_the_credential_goes_to_the_one_who_asked(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(SECOND) as town:
        before = town.last("builds", None)
        await town.users.command("ben", "builds", "/buildio login eu")
        wanted = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert asked(town) == []
        await town.users.click("anna", wanted, "Agree")
        await town.wait_for_message("ben got a credential", person=None)
        assert len(with_files(town, dm("ben"))) == 1
        assert with_files(town, dm("anna")) == []


async def test_a_region_that_is_not_there_is_refused_in_build_ios_words(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await town.ask("/buildio login mars", "Build.io refuses")
        assert asked(town) == ["mars"]
