"""Builds that are named only by their slug or link, and apps that are in no list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from tests.providers.bitrise.test_link_previews import wait_for_preview
from tests.support.bot_harness import BotHarness

# More builds than the search in the list of all builds reads.
NEWER = 210
MANY = 10**6


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """A bot that is not started yet, where users act with their own accounts."""
    opened = BotHarness(tmp_path, settings={"service_token_acts": "0"})
    await opened.open()
    try:
        opened.users.invite("builds")
        yield opened
    finally:
        await opened.close()


def start_build_with_newer_ones(harness: BotHarness) -> Build:
    """Start a build of the Android app, and then many of another app."""
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(build)
    for _ in range(NEWER):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    return build


def build_link(build: Build) -> str:
    return f"https://app.bitrise.io/build/{build.slug}"


def requests_of(harness: BotHarness, member: str) -> list[str]:
    """Return the requests to Bitrise with the member's token."""
    return [
        f"{request.method} {request.path.removeprefix('/v0.1')}"
        for request in harness.bitrise.requests
        if request.member == member
    ]


async def test_a_link_is_searched_in_nearby_apps_before_all_builds(harness: BotHarness) -> None:
    build = start_build_with_newer_ones(harness)
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask("/bitrise use android", "set this channel's app to")
    card = f"/apps/{build.app.slug}/builds/{build.slug}"
    for words in (build_link(build), build.slug):
        await harness.ask(f"/bitrise build {words}", "Sample Android #1 passed")
    post = harness.users.say("ben", "builds", f"see {build_link(build)}")
    await wait_for_preview(harness, post, "Sample Android #1 passed")
    await harness.users.shortcut("ben", "about_build", post)
    await harness.slack.wait_for_modal("ben", "Sample Android #1 passed")
    for person in ("anna-berg", "ben-okafor"):
        assert f"GET {card}" in requests_of(harness, person)
        assert "GET /builds" not in requests_of(harness, person), "the list of all builds is the last resort"
    # In another channel the app is near because some channel subscribes to it; for users without access to the app,
    # Bitrise is not called.
    await harness.ask("/bitrise subscribe android", "subscribed to")
    await harness.ask(f"/bitrise build {build_link(build)}", "Sample Android #1 passed", channel="D0ANNA")
    await harness.users.shortcut("anna", "find_build")
    await harness.slack.wait_for_modal("anna", "Find a build")
    await harness.users.submit("anna", {"words": build_link(build)})
    await harness.slack.wait_for_modal("anna", "Sample Android #1 passed")
    assert "GET /builds" not in requests_of(harness, "anna-berg")
    await harness.ask(
        f"/bitrise build {build_link(build)}", "/bitrise connect", person="carla", channel="D0CARLA"
    )


async def test_a_build_is_found_in_any_app_with_the_documented_endpoints_only(
    harness: BotHarness,
) -> None:
    build = start_build_with_newer_ones(harness)
    hidden = harness.bitrise.start_build(harness.bitrise.web)
    harness.bitrise.finish(hidden)
    harness.bitrise.fault("GET /v0.1/builds", "status", status=404, times=MANY)
    harness.bitrise.fault("GET /v0.1/apps", "status", status=404, times=MANY)
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask(f"/bitrise build {build_link(build)}", "Sample Android #1 passed")
    # Ben can't see the web shop: he is told so, and Bitrise is not called for it with his token.
    await harness.ask(f"/bitrise build {build_link(hidden)}", "Name the app too", person="ben")
    assert not any(harness.bitrise.web.slug in request for request in requests_of(harness, "ben-okafor"))
    await harness.ask(f"/bitrise build {build_link(hidden)}", "/bitrise connect", person="carla")
    harness.bitrise.fault(f"GET */builds/{hidden.slug}", "status", status=503, times=MANY)
    await harness.ask(f"/bitrise build {build_link(hidden)}", "can't be reached right now")


async def test_an_app_in_no_list_is_found_by_its_slug(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    android = harness.bitrise.android

    def hide_android(requests_of: str, body: bytes) -> bytes:
        if requests_of != "GET /v0.1/apps":
            return body
        listed = json.loads(body)
        listed["data"] = [request for request in listed["data"] if request["slug"] != android.slug]
        return json.dumps(listed).encode()

    harness.bitrise.response_rewriter = hide_android
    await harness.start_bot()
    await harness.connect("anna", "ben")
    await harness.ask(f"/bitrise status {android.slug}", "Sample Android")
    await harness.ask(f"/bitrise use {android.slug}", "set this channel's app to")
    await harness.ask("/bitrise build #1", "Sample Android #1 passed")
    await harness.ask(f"/bitrise status {harness.bitrise.web.slug}", "No app named", person="ben")
    # A possible token is put into no URL.
    await harness.ask("/bitrise status bitpat_of-nobody-0000000000", "")
    assert not any("bitpat" in request.path for request in harness.bitrise.requests)
