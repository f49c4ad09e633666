"""The main user flows on the page, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture
from tests.browser.page_actions import find_message, send_message

pytestmark = pytest.mark.browser


async def start_build(page: Page) -> None:
    await page.get_by_role("button", name="Start a build", exact=True).click()


async def test_a_user_subscribes_is_notified_and_reads_the_log(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise subscribe android branch:main,release/*")
    await expect(find_message(page, "subscribed to")).to_be_visible()
    await start_build(page)
    await page.get_by_role("button", name="Skip 1 min").click()
    await page.get_by_role("button", name="Skip 1 min").click()
    await page.get_by_role("button", name="Fail Sample Android #4").click()
    notification = find_message(page, "Sample Android #4 failed")
    await expect(notification).to_contain_text("40s preparing")
    await page.get_by_role("button", name="Skip 1 min").click()
    await expect(notification).to_contain_text("Failed in gradle-unit-test@1.0.7")
    await expect(notification).to_contain_text("First failure. Last passed: #3")
    await screenshot(page, "notification")
    await notification.get_by_role("button", name="View log").click()
    log = find_message(page, "Only visible to you")
    await expect(log).to_contain_text("118 tests completed, 1 failed")
    await expect(log.get_by_text("1 failed")).to_be_in_viewport()
    await screenshot(page, "log")
    # Ben cannot see Anna's log.
    await page.get_by_label("You are").select_option("Ben Okafor")
    await expect(find_message(page, "Sample Android #4 failed")).to_be_visible()
    await expect(find_message(page, "Only visible to you")).to_have_count(0)


async def test_a_build_is_aborted_with_a_reason_from_the_modal(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    build = environment.bitrise.start_build(environment.bitrise.android)
    environment.bitrise.start_running(build)
    await send_message(page, "/bitrise build android #4")
    card = find_message(page, "Sample Android #4 is running")
    await card.get_by_role("button", name="Abort…").click()
    dialog = page.get_by_role("dialog", name="Abort a build")
    await dialog.get_by_label("Reason").select_option("Wrong branch or commit")
    await dialog.get_by_label("Your own words").fill("meant main")
    await dialog.get_by_label("No Git status").check()
    await screenshot(page, "abort")
    await dialog.get_by_role("button", name="Abort build").click()
    await expect(dialog).to_have_count(0)
    await expect(
        find_message(page, "aborted Sample Android #4: Wrong branch or commit: meant main")
    ).to_be_visible()
    await expect(find_message(page, "was aborted")).to_contain_text("Rebuild")
    assert build.result == "aborted"


async def test_a_validation_error_keeps_the_input(environment: SandboxEnvironment, page: Page) -> None:
    build = environment.bitrise.start_build(environment.bitrise.android)
    environment.bitrise.start_running(build)
    await send_message(page, "/bitrise build android #4")
    await find_message(page, "#4 is running").get_by_role("button", name="Abort…").click()
    dialog = page.get_by_role("dialog", name="Abort a build")
    await dialog.get_by_label("Your own words").fill("too late for this")
    environment.bitrise.finish(build)
    await dialog.get_by_role("button", name="Abort build").click()
    await expect(dialog.get_by_role("alert").filter(has_text="Build already finished")).to_be_visible()
    await expect(dialog.get_by_label("Your own words")).to_have_value("too late for this")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def test_an_artifact_link_can_be_downloaded(page: Page, screenshot: Picture) -> None:
    await send_message(page, "/bitrise artifacts android #3")
    listed = find_message(page, "2 artifacts from")
    await listed.get_by_role("button", name="Get a link to sample-android.apk").click()
    link = find_message(page, "Anyone with the download link can use it")
    await expect(link.get_by_role("button", name="Download")).to_be_visible()
    await screenshot(page, "artifacts")


async def test_a_user_pages_through_builds(environment: SandboxEnvironment, page: Page) -> None:
    for _ in range(15):
        environment.bitrise.finish(environment.bitrise.start_build(environment.bitrise.android))
    await send_message(page, "/bitrise builds android")
    first = find_message(page, "all builds, newest first")
    await expect(first).to_contain_text("#18")
    await first.get_by_role("button", name="Show older builds").click()
    await expect(find_message(page, "all builds, newest first")).to_contain_text("#8")


async def test_a_confirm_dialog_can_be_declined(environment: SandboxEnvironment, page: Page) -> None:
    await send_message(page, "/bitrise build android #3")
    card = find_message(page, "Sample Android #3 passed")
    before = len(environment.bitrise.state.builds)
    await card.get_by_role("button", name="Rebuild").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(environment.bitrise.state.builds) == before
    await card.get_by_role("button", name="Rebuild").click()
    await page.get_by_role("dialog").get_by_role("button", name="Rebuild").click()
    await expect(find_message(page, "started Sample Android #4")).to_be_visible()


async def test_commands_are_offered_and_completed_by_keyboard(page: Page) -> None:
    field = page.get_by_role("combobox", name="Message")
    await field.press_sequentially("/bi")
    offered = page.get_by_role("option").filter(has_text="/bitrise")
    await expect(offered).to_contain_text("Ask about Bitrise builds")
    await field.press("Tab")
    await expect(field).to_have_value("/bitrise ")
    await field.press_sequentially("whoami")
    await field.press("Enter")
    await expect(find_message(page, "uses your own token")).to_be_visible()
    await field.fill("/nonsense")
    await field.press("Enter")
    await expect(
        page.get_by_role("alert").filter(has_text="/nonsense is not a valid command")
    ).to_be_visible()
    await expect(field).to_have_value("/nonsense")


async def test_threads_unread_counts_and_direct_messages_work(
    environment: SandboxEnvironment, page: Page
) -> None:
    await send_message(page, "/invite @buildbell")
    await expect(page.get_by_text("is not in this channel")).to_have_count(0)
    await send_message(page, "@buildbell status ios")
    question = find_message(page, "status ios")
    await question.get_by_role("button", name="1 reply").click()
    await expect(find_message(page, "nothing is running")).to_be_visible()
    await page.get_by_role("button", name="Back to the channel").click()
    await page.get_by_role("button", name="random").click()
    await environment.slack.users.command("anna", "builds", "/bitrise help")
    await expect(page.get_by_role("button", name="builds 1 unread")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("button", name="buildbell").click()
    await send_message(page, "whoami")
    await expect(find_message(page, "uses your own token")).to_be_visible()


async def test_faults_and_violations_are_shown_in_the_inspector(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await page.get_by_role("button", name="Bitrise: expired token").click()
    await send_message(page, "/bitrise apps")
    await expect(find_message(page, "rejected your token")).to_be_visible()
    await page.get_by_role("button", name="Clear faults").click()
    await page.get_by_role("button", name="Inspector 0 violations").click()
    await page.get_by_role("searchbox", name="Filter by name").fill("v0.1/apps")
    entry = page.get_by_role("listitem").filter(has_text="GET /v0.1/apps").first
    await expect(entry).to_contain_text("401")
    await entry.locator("summary").click()
    await expect(entry).to_contain_text("Unauthorized")
    await screenshot(page, "inspector")
    bad = environment.slack.request_log.open_entry("app → Slack", "chat.postMessage", {})
    environment.slack.request_log.close_entry(bad, {}, violations=["invalid_blocks: a test's own"])
    await expect(page.get_by_role("button", name="Inspector 1 violations")).to_be_visible()
    environment.slack.request_log.violations.clear()


async def test_every_fault_can_be_enabled_and_all_can_be_cleared(
    environment: SandboxEnvironment, page: Page
) -> None:
    on = page.get_by_label("Active faults").get_by_role("listitem")
    for name, text in (
        ("Slack: 429 on posting", "Slack: ratelimited for chat.postMessage, 3 left"),
        ("Slack: down", "Slack: status for *, 20 left"),
        ("Slack: answer lost", "Slack: answer_lost for chat.postMessage, 1 left"),
        ("Bitrise: 500", "Bitrise: status for *"),
        ("Bitrise: slow", "Bitrise: slow for *"),
    ):
        await page.get_by_role("button", name=name).click()
        await expect(on.filter(has_text=text).first).to_be_visible()
        await page.get_by_role("button", name="Clear faults").click()
        await expect(on).to_have_count(0)
    count = page.locator(".connections")
    await expect(count).to_have_text("2 connections")
    opened = environment.slack.sockets.opened
    await page.get_by_role("button", name="Socket: disconnect").click()
    await environment.slack.sockets.wait_for_opened(opened + 2, 20)
    await expect(count).to_have_text("2 connections")
    await page.get_by_role("button", name="Socket: break").click()
    await environment.slack.sockets.wait_for_opened(opened + 4, 20)
    await expect(count).to_have_text("2 connections")


async def test_a_build_hangs_crashes_and_is_aborted_from_the_builds_panel(
    environment: SandboxEnvironment, page: Page
) -> None:
    builds_panel = page.locator("#builds")
    for _ in range(2):
        await start_build(page)
    await builds_panel.get_by_role("button", name="Hang Sample Android #4").click()
    await expect(builds_panel.get_by_role("listitem").filter(has_text="#4")).to_contain_text("hanging")
    await page.get_by_role("button", name="Skip 10 min").click()
    await expect(builds_panel.get_by_role("listitem").filter(has_text="#4")).to_contain_text("hanging")
    await expect(builds_panel.get_by_role("listitem").filter(has_text="#5")).to_contain_text("succeeded")
    await builds_panel.get_by_role("button", name="Abort Sample Android #4 on Bitrise").click()
    await expect(builds_panel.get_by_role("listitem").filter(has_text="#4")).to_contain_text("aborted")
    await start_build(page)
    await builds_panel.get_by_role("button", name="Crash Sample Android #6").click()
    await page.get_by_role("button", name="Skip 1 min").click()
    await send_message(page, "/bitrise log android #6")
    await expect(find_message(page, "SIGSEGV")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_every_width_and_is_accessible(
    environment: SandboxEnvironment, page: Page, screenshot: Picture, width: int, scheme: str
) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await send_message(page, "/bitrise status android")
    await expect(find_message(page, "nothing is running")).to_be_visible()
    too_wide = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert too_wide <= 0
    await screenshot(page, f"sandbox-{width}-{scheme}")


async def test_the_page_stays_fast_with_two_thousand_messages(
    environment: SandboxEnvironment, page: Page
) -> None:
    from sandbox.slack.models import Channel, Post

    workspace = environment.slack.workspace
    for number in range(20):
        identity = f"C1{number:03d}"
        workspace.channels[identity] = Channel(identity, f"team-{number}", members=set(workspace.users))
        for line in range(100):
            workspace.post(
                workspace.channels[identity], Post(workspace.new_ts(), "U0BEN", f"message {line} in {number}")
            )
    await page.get_by_role("button", name="team-7 100 unread").click()
    await expect(find_message(page, "message 99 in 7")).to_be_visible()
    assert await page.get_by_role("article").count() <= 60
    await page.get_by_role("button", name="Earlier messages").click()
    await expect(page.get_by_role("article").filter(has_text="message 0 in 7")).to_have_count(1)
    for line in range(1000):
        workspace.post(workspace.channels["C1007"], Post(workspace.new_ts(), "U0BEN", f"later {line}"))
    await expect(find_message(page, "later 999")).to_be_visible()
    kept = await page.evaluate("[...window.sandbox.state.posts.values()].map((posts) => posts.size)")
    assert max(kept) <= 300
    assert await page.evaluate("window.sandbox.state.entries.size") <= 200
    assert await page.locator("*").count() < 5000


async def test_a_build_io_app_is_deployed_fails_and_crash_loops_from_the_page(
    environment: SandboxEnvironment, page: Page
) -> None:
    pane = page.get_by_role("region", name="Build.io")
    shop = pane.get_by_role("listitem").filter(has=page.get_by_text("shop main", exact=True))
    await expect(shop).to_contain_text("v1 ✅ succeeded")
    await pane.get_by_role("button", name="Deploy shop (fail)").click()
    await expect(shop).to_contain_text("v2 ⏸ pending")
    await page.get_by_role("button", name="Skip 10 min").click()
    await expect(shop).to_contain_text("v2 ❌ failed")
    await expect(shop).to_contain_text("1 of 118 tests failed")
    await pane.get_by_role("button", name="Crash shop web.2 in a loop").click()
    await expect(shop).to_contain_text("web.2 ❌ crashed ⏳ loops")
    await pane.get_by_role("button", name="Keep shop web.2 up").click()
    await page.get_by_role("button", name="Skip 1 min").click()
    await expect(shop).to_contain_text("web.2 ✅ up ×1")
    await pane.get_by_role("button", name="Deploy shop", exact=True).click()
    await pane.get_by_role("button", name="Finish the deployment of shop", exact=True).click()
    await expect(shop).to_contain_text("v3 ✅ succeeded")
