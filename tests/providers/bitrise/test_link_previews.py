"""Link previews, shown only if everyone in the channel may see the app."""

from __future__ import annotations

import pytest

from domain.commands.arguments import BuildRef
from providers.bitrise.links import AppLink, ArtifactLink, BuildLink, PipelineLink, read_link
from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from services.request.finder import REQUESTS_FOR_LINKS, SearchLimits
from tests.support.bot_harness import BotHarness

SLUG = "aaaabbbbccccdddd"


@pytest.fixture
def build(harness: BotHarness) -> Build:
    harness.users.invite("builds")
    started = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(started)
    return started


async def wait_for_preview(harness: BotHarness, post: Post, text: str) -> Post:
    return await harness.slack.workspace.wait_for(
        lambda: post if text in harness.message_text(post) else None, 30, f"{text!r} below the link"
    )


async def check_no_preview(harness: BotHarness, post: Post) -> None:
    links = [
        post
        for post in harness.slack.workspace.find_channel("builds").posts
        if "<https://" in post.text and not post.by_bot
    ]
    await harness.wait_for_commands("link", len(links))
    assert post.attachments == []


async def test_a_builds_link_shows_its_card_with_buttons_that_work(harness: BotHarness, build: Build) -> None:
    post = harness.users.say("ben", "builds", f"look: https://app.bitrise.io/build/{build.slug}?tab=log !")
    await wait_for_preview(harness, post, "Sample Android #1 passed")
    assert post.text.startswith("look:")
    started = await harness.press(post, "Rebuild", "anna started Sample Android")
    assert started.only_for is None
    # Refresh changes the preview below the link, but not the text of the user's message.
    build.result = "error"
    await harness.users.click("anna", post, "Refresh")
    await wait_for_preview(harness, post, "Sample Android #1 failed")
    assert post.text.startswith("look:")
    assert len(post.attachments) == 1


async def test_links_to_apps_artifacts_and_the_artifacts_tab(harness: BotHarness, build: Build) -> None:
    base = "https://app.bitrise.io"
    app = harness.users.say("ben", "builds", f"{base}/app/{build.app.slug}")
    await wait_for_preview(harness, app, "nothing is running")
    tab = harness.users.say("ben", "builds", f"{base}/build/{build.slug}?tab=artifacts")
    await wait_for_preview(harness, tab, "test-results.xml")
    apk = build.artifacts[0]
    page = harness.users.say("ben", "builds", f"{base}/artifact/{apk.slug}/p/{SLUG}")
    await wait_for_preview(harness, page, "sample-android.apk")


async def test_guests_and_shared_channels_get_previews_only_of_apps_that_the_channel_subscribed_to(
    harness: BotHarness, build: Build
) -> None:
    link = f"https://app.bitrise.io/app/{build.app.slug}/build/{build.slug}"
    await check_no_preview(harness, harness.users.say("carla", "builds", link))
    harness.slack.workspace.find_channel("builds").shared_outside = True
    await check_no_preview(harness, harness.users.say("ben", "builds", link))
    await harness.ask("/bitrise subscribe android", "subscribed to")
    await wait_for_preview(harness, harness.users.say("carla", "builds", link), "Sample Android #1 passed")
    web = harness.bitrise.start_build(harness.bitrise.web)
    await check_no_preview(
        harness, harness.users.say("carla", "builds", f"https://app.bitrise.io/build/{web.slug}")
    )


async def test_a_link_to_an_unknown_page_gets_no_preview(harness: BotHarness, build: Build) -> None:
    for link in (f"https://app.bitrise.io/build/{SLUG}", "https://app.bitrise.io/dashboard"):
        await check_no_preview(harness, harness.users.say("ben", "builds", link))


async def test_links_to_unknown_builds_cost_few_requests_and_none_when_repeated(
    harness: BotHarness, build: Build
) -> None:
    apps = [harness.bitrise.state.add_app(f"Service {number}", "acme", f"s{number}") for number in range(20)]
    harness.bitrise.state.start_build(apps[0], {"branch": "main"}, harness.clock())
    await harness.ask("/bitrise use android", "set this channel's app to")
    slugs = [f"{number}{SLUG}" for number in range(5)]
    links = " ".join(f"https://app.bitrise.io/build/{slug}" for slug in slugs)

    def requested_paths() -> list[str]:
        paths = [request.path for request in harness.bitrise.requests]
        return [path for path in paths if path.rpartition("/")[2] in slugs]

    await check_no_preview(harness, harness.users.say("ben", "builds", links))
    before = requested_paths()
    assert len(before) == len(slugs), "each was searched in the channel's app only"
    harness.users.say("ben", "builds", f"again: {links}")
    await harness.wait_for_commands("link", 2)
    assert requested_paths() == before
    # A command searches every app for the build.
    await harness.ask(f"/bitrise build https://app.bitrise.io/build/{slugs[0]}", "Name the app too")
    assert len(requested_paths()) > len(before) + len(apps)


def test_the_links_of_one_message_share_a_request_limit() -> None:
    limits = SearchLimits.for_links()
    assert sum(limits.take(10) for _ in range(5)) == REQUESTS_FOR_LINKS
    assert SearchLimits().take(10) == 10


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://app.bitrise.io/build/{SLUG}", BuildLink(ref=BuildRef(slug=SLUG))),
        (f"https://www.bitrise.io/build/{SLUG}#?tab=log", BuildLink(ref=BuildRef(slug=SLUG))),
        (
            f"https://app.bitrise.io/app/a-1/build/{SLUG}?tab=artifacts",
            BuildLink(ref=BuildRef(slug=SLUG, app_slug="a-1"), tab="artifacts"),
        ),
        ("https://app.bitrise.io/app/a-1", AppLink(app="a-1")),
        ("https://app.bitrise.io/app/a-1/builds", AppLink(app="a-1")),
        ("https://app.bitrise.io/app/a-1/pipelines/p-1", PipelineLink(app="a-1", pipeline="p-1")),
        ("https://app.bitrise.io/artifact/f-1/p/secret", ArtifactLink(artifact="f-1")),
        ("https://app.bitrise.io/app/a-1/workflow_editor", None),
        (f"https://app.bitrise.io.evil.example/build/{SLUG}", None),
        (f"https://evil.example/build/{SLUG}", None),
        (f"ftp://app.bitrise.io/build/{SLUG}", None),
        ("https://app.bitrise.io/build/../me", None),
        ("https://[", None),
    ],
)
def test_a_link_is_parsed_into_the_page_that_it_leads_to(url: str, expected: object) -> None:
    assert read_link(url) == expected
