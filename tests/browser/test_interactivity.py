"""Interactive features on the page: Home, modals, links, logs, pipelines and workflow steps."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture
from tests.browser.page_actions import find_message, send_message, switch_user

pytestmark = pytest.mark.browser


async def pick(dialog: Locator, label: str, typed: str, text: str) -> None:
    field = dialog.get_by_role("combobox", name=re.compile(f"^{label}"))
    await field.fill("")
    await field.press_sequentially(typed)
    await dialog.get_by_role("option", name=text, exact=True).click()


async def test_a_build_is_triggered_with_the_form(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await page.get_by_role("button", name="⚡ Start a build").click()
    dialog = page.get_by_role("dialog", name="Start a build")
    await pick(dialog, "App", "andr", "Sample Android")
    await pick(dialog, "Branch", "dev", "develop")
    await pick(dialog, "Workflow or pipeline", "dep", "deploy")
    await dialog.get_by_label("Message").fill("Try the new login")
    await dialog.get_by_role("button", name="Add a variable").click()
    await dialog.get_by_role("textbox", name="Variable 1").fill("DRY RUN=1")
    await expect(dialog.get_by_label("Message")).to_have_value("Try the new login")
    await dialog.get_by_role("button", name="Start", exact=True).click()
    await expect(dialog.get_by_role("alert").filter(has_text="NAME=value")).to_be_visible()
    await expect(dialog.get_by_label("Message")).to_have_value("Try the new login")
    await screenshot(page, "trigger-build")
    await dialog.get_by_role("textbox", name="Variable 1").fill("DRY_RUN=1")
    await dialog.get_by_role("button", name="Start", exact=True).click()
    await expect(dialog).to_have_count(0)
    build = environment.bitrise.state.builds_newest_first()[0]
    assert (build.branch, build.workflow) == ("develop", "deploy")


async def test_the_home_shows_running_builds_and_pauses_subscriptions(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise me name:octo")
    await send_message(page, "/bitrise subscribe android status:failed branch:main")
    await expect(find_message(page, "subscribed to")).to_be_visible()
    build = environment.bitrise.start_build(
        environment.bitrise.android,
        by="webhook-github/octo",
        at=environment.bitrise.now() - timedelta(minutes=3),
    )
    environment.bitrise.start_running(build)
    build.started_at = build.prepared_at = build.triggered_at
    await page.get_by_role("button", name="🏠 Home").click()
    home = page.get_by_label("Messages")
    await expect(home).to_contain_text("Sample Android #4 is running")
    await expect(home).to_contain_text(re.compile(r"running for 3m( \d+s)?, usually takes 5m"))
    await expect(home).to_contain_text("Sample Android: all failures")
    await screenshot(page, "home")
    await home.get_by_role("button", name="Pause").click()
    await expect(home).to_contain_text("Paused.")
    await home.get_by_role("button", name="Abort").click()
    dialog = page.get_by_role("dialog", name="Abort a build")
    await dialog.get_by_label("Your own words").fill("not now")
    await dialog.get_by_role("button", name="Abort build").click()
    await expect(home).to_contain_text("Nothing is running")
    await home.get_by_role("combobox", name="Search apps").press_sequentially("web")
    await home.get_by_role("option", name="Web Shop").click()
    await expect(page.get_by_role("dialog", name="App")).to_contain_text("Web Shop: nothing is running")


async def test_a_link_is_unfurled_and_the_message_shortcut_opens_its_build(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    build = environment.bitrise.state.builds_newest_first()[0]
    await send_message(page, f"who has seen this? https://app.bitrise.io/build/{build.slug}")
    shared = page.get_by_role("article").filter(has_text="who has seen this?").last
    await expect(shared).to_contain_text(f"#{build.number}")
    await expect(shared.get_by_role("button", name="View artifacts")).to_be_visible()
    await screenshot(page, "link-preview")
    await shared.hover()
    await shared.get_by_role("button", name="About this build").click()
    await expect(page.get_by_role("dialog", name="About this build")).to_contain_text(f"#{build.number} ")


async def test_the_log_is_shown_by_step_searched_and_downloaded(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    environment.bitrise.android.has_ai_summary = True
    await send_message(page, "/bitrise log android #2")
    log = find_message(page, "Only visible to you")
    await expect(log).to_contain_text("gradle-unit-test@1.0.7 failed after")
    await expect(log).to_contain_text("Bitrise's AI summary")
    await screenshot(page, "log-steps")
    await log.get_by_label("Show step").select_option(label="2. git-clone@8.4.0")
    await expect(find_message(page, "Last lines of git-clone@8.4.0")).to_be_visible()
    await log.get_by_role("button", name="Search…").click()
    dialog = page.get_by_role("dialog", name="Search the log")
    await dialog.get_by_label("Word or part of a line").fill("failure")
    await dialog.get_by_role("button", name="Search", exact=True).click()
    await expect(page.get_by_role("dialog").last).to_contain_text("FAILURE: Build failed with an exception.")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await (
        find_message(page, "Last lines of git-clone@8.4.0")
        .get_by_role("button", name="Send me the file")
        .click()
    )
    await expect(find_message(page, "Sent to your DMs")).to_be_visible()


async def test_several_artifacts_and_a_qr_code_are_shown(page: Page, screenshot: Picture) -> None:
    await send_message(page, "/bitrise artifacts android #3")
    listed = find_message(page, "2 artifacts from")
    await listed.get_by_label("Pick several").select_option(["sample-android.apk", "test-results.xml"])
    await listed.get_by_role("button", name="Get links").click()
    await expect(find_message(page, "Links to 2 artifacts")).to_be_visible()
    await listed.get_by_role("button", name="Get a link to sample-android.apk").click()
    link = find_message(page, "Anyone with the link to the install page can use it")
    await expect(link).to_be_visible()
    await screenshot(page, "artifact")
    await link.get_by_role("button", name="Show QR code").click()
    await expect(find_message(page, "QR code sent to your DMs")).to_be_visible()
    await page.get_by_role("button", name="buildbell").click()
    code = page.get_by_role("img", name="QR code of the install page")
    await expect(code).to_be_visible()
    await screenshot(page, "qr-code")


async def test_a_pipeline_is_one_card_and_an_external_build_waits_for_approval(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise subscribe android")
    await expect(find_message(page, "subscribed to")).to_be_visible()
    pipeline = environment.bitrise.start_pipeline(
        environment.bitrise.android, stages=[["compile"], ["unit", "lint"], ["deploy"]]
    )
    for name in ("compile", "unit", "lint"):
        pipeline.builds[name].finish("error" if name == "unit" else "success", environment.bitrise.now())
        environment.bitrise.state.advance(environment.bitrise.now())
    card = find_message(page, "release-train #4")
    await expect(card).to_contain_text("❌ unit failed")
    await expect(card).to_contain_text("deploy not started")
    await expect(card.get_by_role("button", name="Rebuild failed")).to_be_visible()
    await screenshot(page, "pipeline")
    await page.get_by_role("button", name="External pull request").click()
    asked = find_message(page, "Approval needed to build")
    await expect(asked).to_contain_text("by stranger")
    await screenshot(page, "build-request")
    await asked.get_by_role("button", name="Approve").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(find_message(page, "approved the build of pull request")).to_be_visible()


async def test_a_failed_build_is_compared_with_the_last_success(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    build = environment.bitrise.start_build(
        environment.bitrise.android, params={"commit_hash": "bbb222", "branch": "main"}
    )
    environment.bitrise.finish(build, "error")
    await page.get_by_role("button", name="Skip 1 min").click()
    await send_message(page, "/bitrise build android #4")
    await find_message(page, "Sample Android #4 failed").get_by_role("button", name="Compare").click()
    found = find_message(page, "Last passed:")
    await expect(found).to_contain_text("gradle-unit-test@1.0.7 failed after")
    await screenshot(page, "build-diff")


async def test_workflow_steps_trigger_a_build_and_wait_for_its_end(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise subscribe android")
    await expect(find_message(page, "subscribed to")).to_be_visible()
    await page.get_by_role("button", name="Workflow steps").click()
    steps = page.locator("#steps")
    await steps.get_by_label("App").fill("android")
    await steps.get_by_label("Branch").fill("main")
    await steps.get_by_label("On behalf of").select_option(label="Anna Berg")
    await steps.get_by_role("button", name="Run step").click()
    await page.get_by_role("button", name="buildbell").click()
    await find_message(page, "on your behalf").get_by_role("button", name="Approve").click()
    await expect(steps).to_contain_text("Start a Bitrise build completed")
    build = environment.bitrise.state.builds_newest_first()[0]
    await steps.get_by_label("Step", exact=True).select_option(label="Wait for a build to finish")
    await steps.get_by_label("App").fill("android")
    await steps.get_by_label("Build").fill(build.slug)
    await steps.get_by_role("button", name="Run step").click()
    await expect(steps).to_contain_text("Wait for a build to finish running")
    environment.bitrise.finish(build, "error")
    await expect(steps).to_contain_text('"result": "failed"')
    await screenshot(page, "workflow-steps")


async def test_a_channel_is_subscribed_from_the_home_and_a_build_is_found(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await switch_user(page, "Carla Ruiz")
    await page.get_by_role("button", name="🏠 Home").click()
    home = page.get_by_label("Messages")
    await expect(home).to_contain_text("First steps")
    await screenshot(page, "first-steps")
    await switch_user(page, "Anna Berg")
    await page.get_by_role("button", name="🏠 Home").click()
    await expect(home).to_contain_text("Connected as anna-berg")
    await home.get_by_role("button", name="Subscribe…").click()
    dialog = page.get_by_role("dialog", name="Subscribe")
    await pick(dialog, "App", "andr", "Sample Android")
    await dialog.get_by_label("Channel").select_option(label="#random")
    await dialog.get_by_label("First failures", exact=True).check()
    await dialog.get_by_label("More options").fill("lunch")
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(dialog.get_by_role("alert").filter(has_text="lunch")).to_be_visible()
    await expect(dialog.get_by_label("First failures", exact=True)).to_be_checked()
    await screenshot(page, "subscribe")
    await dialog.get_by_label("More options").fill("by:octo")
    await dialog.get_by_role("button", name="Subscribe").click()
    await expect(home).to_contain_text("Sample Android: first failures")
    await home.get_by_role("button", name="Find a build…").click()
    dialog = page.get_by_role("dialog", name="Find a build")
    await pick(dialog, "App", "andr", "Sample Android")
    await dialog.get_by_label("Number, link or filters").fill("status:failed")
    await screenshot(page, "find-build")
    await dialog.get_by_role("button", name="Find", exact=True).click()
    await expect(page.get_by_role("dialog").last).to_contain_text("Sample Android #2 failed")


async def test_an_app_is_selected_a_log_is_followed_and_bitrise_yml_is_shown(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise use")
    dialog = page.get_by_role("dialog", name="Choose an app")
    await pick(dialog, "App", "andr", "Sample Android")
    await dialog.get_by_role("button", name="Choose").click()
    await expect(find_message(page, "set this channel's app to Sample Android")).to_be_visible()
    environment.bitrise.start_running(environment.bitrise.start_build(environment.bitrise.android))
    await page.get_by_role("button", name="Skip 1 min").click()
    await send_message(page, "/bitrise log #4")
    await find_message(page, "in progress").get_by_role("button", name="Follow").click()
    await expect(find_message(page, "Following the log in your DMs")).to_be_visible()
    await send_message(page, "/bitrise yml")
    await expect(find_message(page, "sent to your DMs. ✅ Valid")).to_be_visible()
    await page.get_by_role("button", name="buildbell").click()
    # The current step depends on the speed of the machine.
    await expect(find_message(page, "Following the log of")).to_contain_text(re.compile("SSH key|git|gradle"))
    await expect(find_message(page, "bitrise.yml of Sample Android")).to_contain_text("release-train:")
    await screenshot(page, "log-follow-and-yml")
