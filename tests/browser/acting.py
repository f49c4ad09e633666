"""What people do on the page, and where they look."""

from __future__ import annotations

from playwright.async_api import Locator, Page


async def say(page: Page, text: str) -> None:
    field = page.get_by_role("combobox", name="Message")
    await field.fill(text)
    await field.press("Enter")


def message(page: Page, text: str) -> Locator:
    """The newest message that says this."""
    return page.get_by_role("article").filter(has_text=text).last
