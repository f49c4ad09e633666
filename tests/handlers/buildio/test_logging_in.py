"""The credential of a cluster: nobody's unless a rule says who, then a file for one person that expires."""

from __future__ import annotations

import json

import pytest

from sandbox.slack import Post
from tests.handlers.buildio.conftest import Governed
from tests.handlers.buildio.test_running import dm
from tests.town import Town

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


def asked(town: Town) -> list[str]:
    return [one.query["region"] for one in town.buildio.requests if one.path.endswith("/oidc-login")]


def with_files(town: Town, channel: str) -> list[Post]:
    return [one for one in town.slack.posts(channel) if one.files]


async def test_it_is_off_by_default(town: Town) -> None:
    await town.ask("/buildio login eu", "Nobody may log in to clusters here: that is off")
    assert asked(town) == []


async def test_the_credential_is_a_file_for_the_person_alone(
    governed: Governed, capfd: pytest.CaptureFixture[str]
) -> None:
    async with governed(ON) as town:
        said = await town.ask("/buildio login eu", "anna got a Kubernetes credential for the cluster in `eu`")
        assert with_files(town, "builds") == []
        [handed] = with_files(town, dm(town, "anna"))
        assert "for you alone" in town.words(handed)
        [file] = handed.files
        content = file.content
        token = json.loads(content)["status"]["token"]
        assert token
        assert token not in town.words(said)
        await town.stop_bot()
        assert token.encode() not in town.kept()
        written = capfd.readouterr()
        assert token not in written.out + written.err


async def test_the_file_is_noted_to_be_deleted_before_anybody_sees_it(governed: Governed) -> None:
    async with governed(ON) as town:
        await town.ask("/buildio login eu", "I delete the file there")
        [(count,)] = await town.rows("SELECT COUNT(*) FROM passing_files")
        assert count == 1


async def test_who_is_not_named_may_not(governed: Governed) -> None:
    async with governed(ON) as town:
        await town.ask(
            "/buildio login eu", "Only Anna Berg and Ben Okafor may log in to clusters", person="carla"
        )
        assert asked(town) == []


async def test_a_second_person_agrees_and_the_credential_goes_to_the_one_who_asked(
    governed: Governed,
) -> None:
    async with governed(SECOND) as town:
        before = town.last("builds", None)
        await town.people.command("ben", "builds", "/buildio login eu")
        wanted = await town.told("Somebody else must agree", person=None, after=before)
        assert asked(town) == []
        await town.people.click("anna", wanted, "Agree")
        await town.told("ben got a Kubernetes credential", person=None)
        assert len(with_files(town, dm(town, "ben"))) == 1
        assert dm(town, "anna") == "none" or with_files(town, dm(town, "anna")) == []


async def test_a_region_that_is_not_there_is_refused_in_build_ios_words(governed: Governed) -> None:
    async with governed(ON) as town:
        await town.ask("/buildio login mars", "Build.io refuses")
        assert asked(town) == ["mars"]
