"""Builds that are named by their slug or link alone, and apps that stand in no list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from tests.providers.bitrise.test_link_previews import unfurled
from tests.support.bot_harness import BotHarness

# More than the search in the list of all builds reads.
NEWER = 210
MANY = 10**6


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Where people act with their own accounts, and Bitrise is older than the bot."""
    opened = BotHarness(tmp_path, settings={"service_token_acts": "0"})
    await opened.open()
    try:
        opened.people.invite("builds")
        yield opened
    finally:
        await opened.close()


def begin(town: BotHarness) -> Build:
    """A build of the Android app with many newer ones of another app."""
    wanted = town.bitrise.start_build(town.bitrise.android)
    town.bitrise.finish(wanted)
    for _ in range(NEWER):
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.web))
    return wanted


def link_to(build: Build) -> str:
    return f"https://app.bitrise.io/build/{build.slug}"


def asked(town: BotHarness, member: str) -> list[str]:
    """What was read at Bitrise in somebody's name, or with the bot's own token for them, but for the poller."""
    return [
        f"{one.method} {one.path.removeprefix('/v0.1')}"
        for one in town.bitrise.requests
        if one.member == member
    ]


async def test_a_link_is_looked_up_in_the_apps_that_are_near_before_all_builds(town: BotHarness) -> None:
    wanted = begin(town)
    await town.start_bot()
    await town.connect("anna", "ben")
    await town.ask("/bitrise use android", "is this channel's app now")
    card = f"/apps/{wanted.app.slug}/builds/{wanted.slug}"
    for words in (link_to(wanted), wanted.slug):
        await town.ask(f"/bitrise build {words}", "Sample Android #1 succeeded")
    post = town.people.say("ben", "builds", f"see {link_to(wanted)}")
    await unfurled(town, post, "Sample Android #1 succeeded")
    await town.people.shortcut("ben", "about_build", post)
    await town.slack.wait_for_modal("ben", "Sample Android #1 succeeded")
    for person in ("anna-berg", "ben-okafor"):
        assert f"GET {card}" in asked(town, person)
        assert "GET /builds" not in asked(town, person), "the list of all builds is the last resort"
    # From elsewhere it is near because some channel follows it; whoever may not see the app is asked for nothing.
    await town.ask("/bitrise subscribe android", "subscribed this channel")
    await town.ask(f"/bitrise build {link_to(wanted)}", "Sample Android #1 succeeded", channel="D0ANNA")
    await town.people.shortcut("anna", "find_build")
    await town.slack.wait_for_modal("anna", "Find a build")
    await town.people.submit("anna", {"words": link_to(wanted)})
    await town.slack.wait_for_modal("anna", "Sample Android #1 succeeded")
    assert "GET /builds" not in asked(town, "anna-berg")
    await town.ask(f"/bitrise build {link_to(wanted)}", "/bitrise connect", person="carla", channel="D0CARLA")


async def test_a_server_with_the_endpoints_of_the_documents_alone_finds_a_build_in_any_app(
    town: BotHarness,
) -> None:
    wanted = begin(town)
    hidden = town.bitrise.start_build(town.bitrise.web)
    town.bitrise.finish(hidden)
    town.bitrise.fault("GET /v0.1/builds", "status", status=404, times=MANY)
    town.bitrise.fault("GET /v0.1/apps", "status", status=404, times=MANY)
    await town.start_bot()
    await town.connect("anna", "ben")
    await town.ask(f"/bitrise build {link_to(wanted)}", "Sample Android #1 succeeded")
    # Ben does not see the web shop: he is told so, and Bitrise is not asked for it in his name.
    await town.ask(f"/bitrise build {link_to(hidden)}", "Name the app too", person="ben")
    assert not any(town.bitrise.web.slug in one for one in asked(town, "ben-okafor"))
    await town.ask(f"/bitrise build {link_to(hidden)}", "/bitrise connect", person="carla")
    town.bitrise.fault(f"GET */builds/{hidden.slug}", "status", status=503, times=MANY)
    await town.ask(f"/bitrise build {link_to(hidden)}", "can't be reached right now")


async def test_an_app_that_no_list_shows_is_asked_for_by_its_slug(town: BotHarness) -> None:
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    android = town.bitrise.android

    def twist(asked: str, body: bytes) -> bytes:
        if asked != "GET /v0.1/apps":
            return body
        listed = json.loads(body)
        listed["data"] = [one for one in listed["data"] if one["slug"] != android.slug]
        return json.dumps(listed).encode()

    town.bitrise.twist = twist
    await town.start_bot()
    await town.connect("anna", "ben")
    await town.ask(f"/bitrise status {android.slug}", "Sample Android")
    await town.ask(f"/bitrise use {android.slug}", "is this channel's app now")
    await town.ask("/bitrise build #1", "Sample Android #1 succeeded")
    await town.ask(f"/bitrise status {town.bitrise.web.slug}", "I don't know an app called", person="ben")
    # What could be a token is put into no address.
    await town.ask("/bitrise status bitpat_of-nobody-0000000000", "")
    assert not any("bitpat" in one.path for one in town.bitrise.requests)
