"""User actions on the page."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect


async def send_message(page: Page, text: str) -> None:
    # The field can't be typed in under a dialog, and what a form did may be shown before the form closes.
    await expect(page.get_by_role("dialog")).to_have_count(0)
    field = page.get_by_role("combobox", name="Message")
    await field.fill(text)
    await field.press("Enter")


async def switch_user(page: Page, name: str) -> None:
    """Switch to another user, by real name."""
    await page.get_by_label("You are").select_option(label=name)


def find_message(page: Page, text: str) -> Locator:
    """Return the newest message with this text."""
    return page.get_by_role("article").filter(has_text=text).last
