"""What people do on the page, and where they look."""

from __future__ import annotations

from playwright.async_api import Locator, Page


async def send_message(page: Page, text: str) -> None:
    field = page.get_by_role("combobox", name="Message")
    await field.fill(text)
    await field.press("Enter")


async def switch_user(page: Page, name: str) -> None:
    """Be somebody else from now on, by their real name."""
    await page.get_by_label("You are").select_option(label=name)


def find_message(page: Page, text: str) -> Locator:
    """The newest message that says this."""
    return page.get_by_role("article").filter(has_text=text).last
