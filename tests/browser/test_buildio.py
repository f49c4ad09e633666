"""A Build.io app on the page: created, failed, fixed and managed."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture
from tests.browser.page_actions import find_message, send_message
from tests.browser.test_interactivity import pick

pytestmark = pytest.mark.browser

SECRET = "postgres://boss:s3cret-canary@db.internal/orders"


def dialog(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=name)


async def skip(page: Page, minutes: int) -> None:
    for _ in range(minutes):
        await page.get_by_role("button", name="Skip 1 min").click()


async def test_an_app_is_created_fails_is_fixed_and_managed(
    environment: SandboxEnvironment, page: Page, screenshot: Picture
) -> None:
    await send_message(page, "/buildio create")
    form = dialog(page, "Create an app")
    await form.get_by_role("textbox", name="Name").fill("orders")
    await pick(form, "Team", "acm", "acme")
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(find_message(page, "@anna created the app orders")).to_be_visible()
    await send_message(page, "/buildio use orders")
    await expect(find_message(page, "set this channel's app to orders")).to_be_visible()
    await send_message(page, "/buildio subscribe")
    await expect(find_message(page, "subscribed to")).to_be_visible()

    await send_message(page, "/buildio deploy branch:main")
    await expect(find_message(page, "@anna started deploying orders")).to_be_visible()
    await skip(page, 3)
    failed = find_message(page, "orders deployment v1 failed")
    await expect(failed).to_contain_text("DATABASE_URL")
    await screenshot(page, "deployment-failed")

    await send_message(page, "/buildio config set DATABASE_URL")
    form = dialog(page, "Set config vars")
    await form.get_by_role("textbox", name="Value (optional)").fill(SECRET)
    await screenshot(page, "config-set")
    await form.get_by_role("button", name="Set", exact=True).click()
    await expect(find_message(page, "+ DATABASE_URL")).to_be_visible()
    assert SECRET not in await page.content()
    await send_message(page, "/buildio config")
    masked = find_message(page, "= postgres://…")
    await expect(masked).to_be_visible()
    await screenshot(page, "config")

    await failed.get_by_role("button", name="Deploy again…").click()
    form = dialog(page, "Deploy")
    await form.get_by_role("textbox", name="Branch").fill("main")
    await form.get_by_role("button", name="Deploy", exact=True).click()
    await expect(find_message(page, "@anna started deploying orders v2")).to_be_visible()
    await skip(page, 3)
    await expect(find_message(page, "orders deployment v2 succeeded")).to_contain_text("Fixed after")

    await send_message(page, "/buildio ps")
    await (
        find_message(page, "orders: 1 process")
        .get_by_role("button", name=re.compile("^Restart web.1"))
        .click()
    )
    await page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    await expect(find_message(page, "@anna restarted web.1 of orders")).to_be_visible()

    await send_message(page, "/buildio domains add")
    form = dialog(page, "Add a domain")
    await form.get_by_role("textbox", name="Domain").fill("orders.example.com")
    await form.get_by_role("button", name="Add", exact=True).click()
    await expect(find_message(page, "@anna added the domain orders.example.com")).to_be_visible()
    await skip(page, 4)
    await send_message(page, "/buildio domains")
    await expect(find_message(page, "orders: 2 domains")).to_contain_text("certificate issued")
    await screenshot(page, "domains")

    await send_message(page, "/buildio pipeline shop")
    stages = find_message(page, "review apps for pull requests")
    await expect(stages).to_contain_text("production")
    await screenshot(page, "stages")
    assert environment.buildio.violations == []
