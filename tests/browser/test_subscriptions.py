"""Subscriptions on the page: edited in their modal, notified as card, thread and digest."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture
from tests.browser.page_actions import find_message, send_message

pytestmark = pytest.mark.browser

PARAMS = {"commit_hash": "6a11a1f7d2c94b0e", "commit_message": "Check passwords before asking the server"}


async def test_a_subscription_is_edited_with_the_branches_of_the_app(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise subscribe android status:failed branch:main -by:bot")
    await expect(find_message(page, "subscribed to Sample Android: all failures")).to_be_visible()
    await send_message(page, "/bitrise subscriptions")
    listed = find_message(page, "added by")
    await expect(listed).to_be_visible()
    await listed.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit subscription")
    await expect(dialog.get_by_label("All failures", exact=True)).to_be_checked()
    branches = dialog.get_by_role("combobox", name=re.compile("^Branches"))
    await branches.press_sequentially("dev")
    await dialog.get_by_role("option", name="develop").click()
    await dialog.get_by_role("button", name="Remove main").click()
    await branches.press_sequentially("main")
    await dialog.get_by_role("option", name="main", exact=True).click()
    await dialog.get_by_label("Fixes").check()
    await screenshot(page, "edit-subscription")
    await dialog.get_by_label("More options").fill("by:")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert").filter(has_text="by: needs a value")).to_be_visible()
    await expect(dialog.get_by_label("Fixes")).to_be_checked()
    await dialog.get_by_label("More options").fill("-by:bot")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    changed = find_message(page, "changed a subscription. Now")
    await expect(changed).to_contain_text("all failures and fixes")
    await expect(changed).to_contain_text(re.compile("develop or main"))


async def test_a_failure_streak_is_one_card_that_a_user_claims(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/bitrise subscribe android branch:main style:card")
    await expect(find_message(page, "one card per failure streak")).to_be_visible()
    for _ in range(2):
        build = environment.bitrise.start_build(
            environment.bitrise.android, params={"branch": "main", **PARAMS}
        )
        environment.bitrise.start_running(build)
        await page.get_by_role("button", name="Skip 1 min").click()
        await page.get_by_role("button", name=f"Fail Sample Android #{build.number}").click()
        card = find_message(page, "is failing")
        await expect(card).to_contain_text(f"#{build.number}")
        await page.get_by_role("button", name="Skip 1 min").click()
    await expect(card).to_contain_text("Failed in gradle-unit-test@1.0.7")
    await card.get_by_role("button", name="I'm on it").click()
    await expect(card).to_contain_text("is on it")
    await screenshot(page, "failure-streak")
    environment.bitrise.finish(
        environment.bitrise.start_build(environment.bitrise.android, params={"branch": "main"})
    )
    await expect(find_message(page, "is fixed after")).to_contain_text("was on it")
    await expect(page.get_by_role("article").filter(has_text="is failing")).to_have_count(0)


async def test_a_preview_shows_past_notifications(page: Page, screenshot: Picture) -> None:
    await send_message(page, "/bitrise subscribe android status:failed preview")
    shown = find_message(page, "builds match")
    await expect(shown).to_contain_text("nothing was subscribed")
    await screenshot(page, "preview")
