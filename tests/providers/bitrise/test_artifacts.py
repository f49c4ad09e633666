"""The artifacts of a build: list, links, install page, QR code."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness


@pytest.fixture
def build(harness: BotHarness) -> Build:
    started = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(started)
    return started


async def list_artifacts(harness: BotHarness) -> Post:
    return await harness.ask("/bitrise artifacts android #1", "2 artifacts from")


async def test_artifacts_are_listed_by_type_with_their_sizes(harness: BotHarness, build: Build) -> None:
    text = harness.message_text(await list_artifacts(harness))
    assert text.index("Android apps") < text.index("sample-android.apk") < text.index("Files")
    assert "2 artifacts from Sample Android #1 (" in text


async def test_an_expired_link_is_renewed_with_one_click(harness: BotHarness, build: Build) -> None:
    link = await harness.press(await list_artifacts(harness), "Get link", "expires in 10 minutes")
    old_blocks = str(link.blocks)
    harness.clock.skip(timedelta(minutes=11))
    await harness.users.click("anna", link, "Renew link")
    await harness.slack.workspace.wait_for(
        lambda: True if str(link.blocks) != old_blocks else None, 30, "a new link in the same message"
    )
    assert link.only_for == "U0ANNA"


async def test_several_links_are_fetched_at_once(harness: BotHarness, build: Build) -> None:
    post = await list_artifacts(harness)
    await harness.press(post, "Get links", "Pick artifacts")
    await harness.users.click(
        "anna", post, "artifacts_pick", [artifact.title for artifact in build.artifacts]
    )
    links = await harness.press(post, "Get links", "Links to 2 artifacts")
    assert links.only_for == "U0ANNA"
    assert harness.message_text(links).count("[Download]") == 2


async def test_an_install_page_is_made_private_and_public_and_the_channel_is_notified(
    harness: BotHarness, build: Build
) -> None:
    link = await harness.press(
        await list_artifacts(harness), "Get link", "Anyone with the link to the install page can use it"
    )
    message = await harness.press(
        link, "Make private", "anna made the install page of sample-android.apk private"
    )
    assert message.only_for is None
    assert build.artifacts[0].public is False
    await harness.users.click("anna", link, "Renew link")
    await harness.slack.workspace.wait_for(
        lambda: True if "[Make public]" in harness.message_text(link) else None, 30, "the other button"
    )
    assert "[Show QR code]" not in harness.message_text(link)
    await harness.press(link, "Make public", "sample-android.apk public")
    assert build.artifacts[0].public is True


async def test_bitrises_refusal_to_change_an_install_page_is_shown(harness: BotHarness, build: Build) -> None:
    link = await harness.press(await list_artifacts(harness), "Get link", "expires in 10 minutes")
    harness.bitrise.fault("PATCH *", "status", status=403)
    await harness.press(link, "Make private", "Bitrise token isn't allowed to do this")


async def test_the_qr_code_of_an_install_page_is_a_picture_with_a_comment_and_alt_text(
    harness: BotHarness, build: Build
) -> None:
    link = await harness.press(await list_artifacts(harness), "Get link", "expires in 10 minutes")
    await harness.press(link, "Show QR code", "QR code sent to your DMs")
    [post] = [post for post in harness.slack.workspace.find_channel("D0ANNA").posts if post.files]
    assert next(iter(harness.slack.workspace.files.values())).startswith(b"\x89PNG")
    assert (
        "Scan to install sample-android.apk from Sample Android #1, or open the install page"
        in harness.message_text(post)
    )
    assert post.files[0]["alt_txt"] == "QR code of the install page of sample-android.apk"
