"""Links that come alive, for those who may see what they lead to, and for nobody else."""

from __future__ import annotations

import pytest

from domain.commands.shared_commands import BuildRef
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


async def nothing_unfurled(harness: BotHarness, post: Post) -> None:
    links = [
        one
        for one in harness.slack.workspace.find_channel("builds").posts
        if "<https://" in one.text and not one.by_bot
    ]
    await harness.wait_for_commands("link", len(links))
    assert post.attachments == []


async def test_a_builds_link_shows_its_card_with_buttons_that_work(harness: BotHarness, build: Build) -> None:
    post = harness.users.say("ben", "builds", f"look: https://app.bitrise.io/build/{build.slug}?tab=log !")
    await wait_for_preview(harness, post, "Sample Android #1 succeeded")
    assert post.text.startswith("look:")
    started = await harness.press(post, "Rebuild", "anna started Sample Android")
    assert started.only_for is None
    # Refresh changes what stands below the link, and leaves the person's own words alone.
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


async def test_guests_and_shared_channels_unfurl_only_what_the_channel_follows(
    harness: BotHarness, build: Build
) -> None:
    link = f"https://app.bitrise.io/app/{build.app.slug}/build/{build.slug}"
    await nothing_unfurled(harness, harness.users.say("carla", "builds", link))
    harness.slack.workspace.find_channel("builds").shared_outside = True
    await nothing_unfurled(harness, harness.users.say("ben", "builds", link))
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    await wait_for_preview(harness, harness.users.say("carla", "builds", link), "Sample Android #1 succeeded")
    web = harness.bitrise.start_build(harness.bitrise.web)
    await nothing_unfurled(
        harness, harness.users.say("carla", "builds", f"https://app.bitrise.io/build/{web.slug}")
    )


async def test_a_link_that_leads_nowhere_stays_a_link(harness: BotHarness, build: Build) -> None:
    for link in (f"https://app.bitrise.io/build/{SLUG}", "https://app.bitrise.io/dashboard"):
        await nothing_unfurled(harness, harness.users.say("ben", "builds", link))


async def test_links_that_lead_nowhere_cost_few_requests_and_none_again(
    harness: BotHarness, build: Build
) -> None:
    apps = [harness.bitrise.state.add_app(f"Service {number}", "acme", f"s{number}") for number in range(20)]
    harness.bitrise.state.start_build(apps[0], {"branch": "main"}, harness.clock())
    await harness.ask("/bitrise use android", "is this channel's app now")
    slugs = [f"{number}{SLUG}" for number in range(5)]
    words = " ".join(f"https://app.bitrise.io/build/{slug}" for slug in slugs)

    def asked() -> list[str]:
        return [one.path for one in harness.bitrise.requests if one.path.rpartition("/")[2] in slugs]

    await nothing_unfurled(harness, harness.users.say("ben", "builds", words))
    before = asked()
    assert len(before) == len(slugs), "each was looked for in the channel's app alone"
    harness.users.say("ben", "builds", f"again: {words}")
    await harness.wait_for_commands("link", 2)
    assert asked() == before
    # Somebody who asks for one by a command has it looked for in every app.
    await harness.ask(f"/bitrise build https://app.bitrise.io/build/{slugs[0]}", "Name the app too")
    assert len(asked()) > len(before) + len(apps)


def test_the_links_of_one_message_share_what_may_be_asked_for_them() -> None:
    limits = SearchLimits.for_links()
    assert sum(limits.take(10) for _ in range(5)) == REQUESTS_FOR_LINKS
    assert SearchLimits().take(10) == 10


@pytest.mark.parametrize(
    ("url", "leads_to"),
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
def test_what_a_link_leads_to(url: str, leads_to: object) -> None:
    assert read_link(url) == leads_to
