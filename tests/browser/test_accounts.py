"""Connected accounts, access rules and second approvers on the page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from bot.manifest import manifest
from sandbox.bitrise.members import BEN_TOKEN
from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture, add_routes
from tests.browser.page_actions import find_message, send_message, switch_user
from tests.support.forked_bot import forked_environment

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(loop_scope="session")
async def environment() -> AsyncIterator[SandboxEnvironment]:
    """Start the environment in which the bot's own token only reads."""
    opened = forked_environment(manifest())
    async with opened:
        await opened.start(add_routes=add_routes(opened))
        await opened.connect_accounts("anna")
        yield opened
        assert opened.slack.violations == []


async def test_an_account_is_connected_and_a_protected_branch_needs_a_second_approver(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await switch_user(page, "Ben Okafor")
    await send_message(page, "/bitrise trigger android branch:main")
    await expect(find_message(page, "Without a connected Bitrise account you only see")).to_be_visible()
    await send_message(page, "/bitrise connect")
    dialog = page.get_by_role("dialog", name="Your Bitrise account")
    await dialog.get_by_role("textbox", name="Personal access token").fill("bitpat_mistyped-0000")
    await dialog.get_by_role("button", name="Connect", exact=True).click()
    await expect(dialog.get_by_role("alert").filter(has_text="rejected this token")).to_be_visible()
    await screenshot(page, "connect")
    await dialog.get_by_role("textbox", name="Personal access token").fill(BEN_TOKEN)
    await dialog.get_by_role("button", name="Connect", exact=True).click()
    await expect(dialog).to_contain_text("Connected to Bitrise as ben-okafor")
    assert BEN_TOKEN not in await page.content()
    await dialog.get_by_text("Close", exact=True).click()

    await switch_user(page, "Anna Berg")
    await send_message(page, "/bitrise policy android")
    await find_message(page, "Who can do what").get_by_role("button", name="Add a rule…").click()
    rule = page.get_by_role("dialog", name="Add a rule")
    await rule.get_by_label("Require approval").check()
    await rule.get_by_label("Start builds").check()
    await rule.get_by_label("Anyone with a connected account").check()
    await rule.get_by_role("textbox", name="Branches").fill("main release/*")
    await screenshot(page, "add-access-rule")
    await rule.get_by_role("button", name="Add", exact=True).click()
    await expect(find_message(page, "New access rule")).to_be_visible()
    await send_message(page, "/bitrise policy android")
    await expect(find_message(page, "Rules of this workspace")).to_be_visible()
    await screenshot(page, "access-rules")

    await switch_user(page, "Ben Okafor")
    await send_message(page, "/bitrise trigger android branch:main")
    asked = find_message(page, "@ben requests approval to start Sample Android")
    await expect(asked).to_be_visible()
    await screenshot(page, "second-approver")
    await switch_user(page, "Anna Berg")
    await asked.get_by_role("button", name="Approve").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(find_message(page, "@ben started Sample Android #1")).to_be_visible()
    await expect(find_message(page, "@anna approved")).to_be_visible()
    await send_message(page, "/bitrise audit")
    await expect(find_message(page, "actions in this channel")).to_be_visible()
    await screenshot(page, "audit")
    [build] = environment.bitrise.state.builds
    assert build.triggered_by == "manual-ben-okafor"
