"""Builds that are named by their slug or link alone, and apps that stand in no list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from tests.providers.bitrise.test_link_previews import wait_for_preview
from tests.support.bot_harness import BotHarness

# More than the search in the list of all builds reads.
NEWER = 210
MANY = 10**6


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Where people act with their own accounts, and Bitrise is older than the bot."""
    opened = BotHarness(tmp_path, settings={"service_token_acts": "0"})
    await opened.open()
    try:
        opened.users.invite("builds")
        yield opened
    finally:
        await opened.close()


def begin(harness: BotHarness) -> Build:
    """A build of the Android app with many newer ones of another app."""
    wanted = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(wanted)
    for _ in range(NEWER):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    return wanted


def link_to(build: Build) -> str:
    return f"https://app.bitrise.io/build/{build.slug}"


def asked(harness: BotHarness, member: str) -> list[str]:
    """What was read at Bitrise in somebody's name, or with the bot's own token for them, but for the poller."""
    return [
        f"{one.method} {one.path.removeprefix('/v0.1')}"
        for one in harness.bitrise.requests
        if one.member == member
    ]


async def test_a_link_is_looked_up_in_the_apps_that_are_near_before_all_builds(harness: BotHarness) -> None:
    wanted = begin(harness)
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask("/bitrise use android", "is this channel's app now")
    card = f"/apps/{wanted.app.slug}/builds/{wanted.slug}"
    for words in (link_to(wanted), wanted.slug):
        await harness.ask(f"/bitrise build {words}", "Sample Android #1 succeeded")
    post = harness.users.say("ben", "builds", f"see {link_to(wanted)}")
    await wait_for_preview(harness, post, "Sample Android #1 succeeded")
    await harness.users.shortcut("ben", "about_build", post)
    await harness.slack.wait_for_modal("ben", "Sample Android #1 succeeded")
    for person in ("anna-berg", "ben-okafor"):
        assert f"GET {card}" in asked(harness, person)
        assert "GET /builds" not in asked(harness, person), "the list of all builds is the last resort"
    # From elsewhere it is near because some channel follows it; whoever may not see the app is asked for nothing.
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    await harness.ask(f"/bitrise build {link_to(wanted)}", "Sample Android #1 succeeded", channel="D0ANNA")
    await harness.users.shortcut("anna", "find_build")
    await harness.slack.wait_for_modal("anna", "Find a build")
    await harness.users.submit("anna", {"words": link_to(wanted)})
    await harness.slack.wait_for_modal("anna", "Sample Android #1 succeeded")
    assert "GET /builds" not in asked(harness, "anna-berg")
    await harness.ask(
        f"/bitrise build {link_to(wanted)}", "/bitrise connect", person="carla", channel="D0CARLA"
    )


async def test_a_server_with_the_endpoints_of_the_documents_alone_finds_a_build_in_any_app(
    harness: BotHarness,
) -> None:
    wanted = begin(harness)
    hidden = harness.bitrise.start_build(harness.bitrise.web)
    harness.bitrise.finish(hidden)
    harness.bitrise.fault("GET /v0.1/builds", "status", status=404, times=MANY)
    harness.bitrise.fault("GET /v0.1/apps", "status", status=404, times=MANY)
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask(f"/bitrise build {link_to(wanted)}", "Sample Android #1 succeeded")
    # Ben does not see the web shop: he is told so, and Bitrise is not asked for it in his name.
    await harness.ask(f"/bitrise build {link_to(hidden)}", "Name the app too", person="ben")
    assert not any(harness.bitrise.web.slug in one for one in asked(harness, "ben-okafor"))
    await harness.ask(f"/bitrise build {link_to(hidden)}", "/bitrise connect", person="carla")
    harness.bitrise.fault(f"GET */builds/{hidden.slug}", "status", status=503, times=MANY)
    await harness.ask(f"/bitrise build {link_to(hidden)}", "can't be reached right now")


async def test_an_app_that_no_list_shows_is_asked_for_by_its_slug(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    android = harness.bitrise.android

    def twist(asked: str, body: bytes) -> bytes:
        if asked != "GET /v0.1/apps":
            return body
        listed = json.loads(body)
        listed["data"] = [one for one in listed["data"] if one["slug"] != android.slug]
        return json.dumps(listed).encode()

    harness.bitrise.response_rewriter = twist
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask(f"/bitrise status {android.slug}", "Sample Android")
    await harness.ask(f"/bitrise use {android.slug}", "is this channel's app now")
    await harness.ask("/bitrise build #1", "Sample Android #1 succeeded")
    await harness.ask(
        f"/bitrise status {harness.bitrise.web.slug}", "I don't know an app called", person="ben"
    )
    # What could be a token is put into no address.
    await harness.ask("/bitrise status bitpat_of-nobody-0000000000", "")
    assert not any("bitpat" in one.path for one in harness.bitrise.requests)
